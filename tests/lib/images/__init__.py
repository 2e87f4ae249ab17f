"""Registries and images, for tests."""

from __future__ import annotations
