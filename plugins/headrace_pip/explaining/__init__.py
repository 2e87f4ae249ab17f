"""What ``headrace explain`` says of a Python project: the file that this machine would take."""

from __future__ import annotations
