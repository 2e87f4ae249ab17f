"""The credential for a company index, where the user keeps it."""

from __future__ import annotations
