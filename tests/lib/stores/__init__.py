"""Stores for tests, without a gateway."""

from __future__ import annotations
