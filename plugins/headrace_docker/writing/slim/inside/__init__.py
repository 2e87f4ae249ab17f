"""Programs of a slim folder, as they stand here; nothing of them runs on this side."""

from __future__ import annotations
