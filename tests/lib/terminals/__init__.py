"""Terminals that somebody types at."""
