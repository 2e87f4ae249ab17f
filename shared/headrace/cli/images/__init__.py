"""Commands about images of containers."""

from __future__ import annotations
