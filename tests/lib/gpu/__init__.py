"""Hosts with GPUs, and indexes with builds for them, for tests."""

from __future__ import annotations
