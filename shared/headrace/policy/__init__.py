"""Pure: what should happen. No socket, clock, file or random number."""

from __future__ import annotations
