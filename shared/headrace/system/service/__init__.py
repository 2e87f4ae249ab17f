"""Keeping the gateway up: who holds the port, who restarts the worker, and how both are stopped."""

from __future__ import annotations
