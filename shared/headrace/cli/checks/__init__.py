"""The doctor's checks."""

from __future__ import annotations
