"""All that a plugin may import: hooks and their types, helpers for edits, the catalogue."""

from __future__ import annotations
