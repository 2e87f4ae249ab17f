"""A folder from which an image to work in is built: ``headrace image write``."""

from __future__ import annotations
