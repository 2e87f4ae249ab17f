"""Pure: what HTTP itself says of ranges, conditions and lifetimes (RFC 9110, RFC 9111)."""

from __future__ import annotations
