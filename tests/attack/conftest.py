"""Attacks, one kind a module, each at a size that shows our guard and harms nobody.

What must hold is what SECURITY.md promises. Each test was seen to fail before its guard was there.
"""
