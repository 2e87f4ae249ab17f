"""Machines that are described by others, not found. Pure."""

from __future__ import annotations
