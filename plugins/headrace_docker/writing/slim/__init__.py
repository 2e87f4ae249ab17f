"""The smallest image that computes with torch on a host: ``headrace image write --slim``."""

from __future__ import annotations
