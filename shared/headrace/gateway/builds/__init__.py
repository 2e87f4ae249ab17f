"""What becomes of the builds for accelerators that clients were given."""

from __future__ import annotations
