"""A project's page of the Simple API: its two forms, read and rewritten. Pure."""

from __future__ import annotations
