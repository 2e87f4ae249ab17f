"""The live page: what the gateway does, for people to look at."""

from __future__ import annotations
