"""What a gateway that others reach (``headrace serve``) has beside a laptop's: who asks, how much
each may have, what is written down of it, and how it comes and goes among its fellows.
"""
