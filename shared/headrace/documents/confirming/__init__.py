"""What the origin says of what a mirror named, and who waits for it."""

from __future__ import annotations
