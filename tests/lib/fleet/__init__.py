"""A gateway that others reach, and what stands around it."""
