"""I/O: which artifact hides behind a path, what says its digest, and small ones whole."""

from __future__ import annotations
