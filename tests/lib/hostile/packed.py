"""Bytes packed as channels pack them."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

__all__ = ["zstd"]


def zstd(plain: bytes) -> bytes:
    """Pack with Zstandard."""
    return _zstd.compress(plain)
