"""I/O: mutable pages of an origin, from its own answer to what a client is given."""

from __future__ import annotations
