"""Whether an image, and containers at all, can use this machine's GPUs."""

from __future__ import annotations
