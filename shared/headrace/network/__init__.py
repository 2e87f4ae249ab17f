"""I/O: upstreams and the gateway. The only room with async code."""

from __future__ import annotations
