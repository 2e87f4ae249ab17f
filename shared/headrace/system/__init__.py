"""I/O: files and processes of this machine."""

from __future__ import annotations
