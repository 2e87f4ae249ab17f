"""Attacks, one kind a module, each at a size that shows our guard and harms nobody.

What must hold is what SECURITY.md promises. A test here was seen to fail before its guard was there.
"""
