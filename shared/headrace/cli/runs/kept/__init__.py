"""A run whose outcome is known: what a command's environment is made of is kept, with all that was
looked at for it, and made again in a few milliseconds while none of that has changed.
"""

from __future__ import annotations
