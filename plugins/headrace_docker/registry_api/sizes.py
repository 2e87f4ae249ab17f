"""Sizes of images and layers, as people write them. Pure."""

from __future__ import annotations

__all__ = ["size_text"]


def size_text(size: int) -> str:
    """Write bytes in decimal units, as registries' pages do: ``12.3 MB``, ``3.21 GB``."""
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
