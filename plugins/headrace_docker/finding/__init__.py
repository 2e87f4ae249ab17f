"""Which image of a repository runs on a host: ``headrace image find``."""

from __future__ import annotations
