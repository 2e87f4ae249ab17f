"""Where an artifact may come from, by trust, experience and a first measurement."""

from __future__ import annotations
