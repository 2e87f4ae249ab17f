"""What it costs to be there: memory, starts, a full store, and while nobody comes."""
