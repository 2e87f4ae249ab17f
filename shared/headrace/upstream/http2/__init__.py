"""I/O: HTTP/2 to upstreams for documents, and for questions whose answers have no body."""

from __future__ import annotations
