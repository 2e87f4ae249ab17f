"""Images that files name, kept up to date and at hand: ``image outdated`` and ``image warm``."""

from __future__ import annotations
