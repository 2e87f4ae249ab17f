"""How conda, pixi, rattler-build and mamba are pointed at the gateway, or left alone."""

from __future__ import annotations
