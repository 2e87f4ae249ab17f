"""Which build of a package conda takes on a machine: asked of conda, or read without a solver."""

from __future__ import annotations
