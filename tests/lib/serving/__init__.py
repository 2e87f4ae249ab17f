"""Servers that misbehave on order, and what stands before them, for tests."""

from __future__ import annotations
