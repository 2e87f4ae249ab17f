"""I/O: requests to origins and mirrors, and nothing about what they are for."""

from __future__ import annotations
