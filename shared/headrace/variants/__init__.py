"""Pure: accelerators, the builds made for them, and which build runs on which host."""

from __future__ import annotations
