"""headrace: plain installs, from the fastest sources at hand."""

from __future__ import annotations

__version__ = "0.1.0.dev0"
