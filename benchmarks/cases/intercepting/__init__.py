"""What is led by the gateway as a forward proxy, below ``headrace run``."""
