"""I/O: the loopback server. Only this room knows a client's connection."""

from __future__ import annotations
