"""Whether a URL in a tool's configuration is the gateway's."""

from __future__ import annotations

from headrace.interface import GatewayAddress

__all__ = ["leads_to"]


def leads_to(url: str, gateway: GatewayAddress) -> bool:
    """Whether an index URL is the gateway's, token or not."""
    bare = url.rpartition("@")[2].removeprefix("http://")
    return url.startswith("http://") and bare.startswith(f"{gateway.host}:{gateway.port}/")
