"""Clients that know their origins alone, led through a forward proxy for one command."""

from __future__ import annotations
