"""What replicas tell each other through Valkey or Redis. All of it may be gone at any moment: then
each replica stands alone, as one without it does.
"""
