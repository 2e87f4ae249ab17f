"""Gateways of commands: the user's own, the one that runs share, one for a single command."""

from __future__ import annotations
