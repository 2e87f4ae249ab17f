"""I/O: HTTP/1.1 to upstreams for bytes in bulk, in few and large pieces."""

from __future__ import annotations
