"""What runs inside every Python that a command under ``headrace run`` starts.

This folder stands on PYTHONPATH there, so nothing else may lie in it.
"""

from __future__ import annotations
