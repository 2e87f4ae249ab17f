"""Headrace in versions that there never were."""

from __future__ import annotations
