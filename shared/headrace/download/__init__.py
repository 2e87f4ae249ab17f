"""I/O: performs what a `Transfer` decides, from range requests to a checked file."""

from __future__ import annotations
