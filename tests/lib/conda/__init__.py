"""Channels, condas and their users, for tests."""

from __future__ import annotations
