"""Which images files name: Dockerfiles, compose files, manifests, and the like."""

from __future__ import annotations
