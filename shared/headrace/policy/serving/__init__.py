"""Who may ask a gateway that others reach, for what, and how much of it at a time. Pure."""
