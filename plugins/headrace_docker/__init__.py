"""Container images: the OCI distribution paths, and what points container engines at the gateway.

Everything here reaches the core through the public hooks in `plugin`.
"""
