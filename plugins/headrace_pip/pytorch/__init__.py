"""PyTorch's variant indexes, and pages that are made of several. Pure."""

from __future__ import annotations
