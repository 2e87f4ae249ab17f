"""Which client a request is of that came through a proxy in front."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from headrace.gateway.exchange import Scope
from headrace.policy.serving.grants import in_networks

__all__ = ["forwarded_for"]


def forwarded_for(scope: Scope, forwarded: str, proxies: Collection[str]) -> tuple[str, int] | None:
    """Return the client's address and port 0, by what proxies say of it; None: it came from none
    of them.

    Each proxy writes behind what it was told (``X-Forwarded-For``), so what is read is the last
    address that is no proxy's. Where all are proxies' it is the last one: what stands before could
    be the client's own words, and addresses open doors here.
    """
    client = scope.get("client")
    last = str(client[0]) if client else ""
    if not in_networks(last, proxies):
        return None
    told = [part.strip() for part in forwarded.split(",") if part.strip()]
    for part in reversed(told):
        if not in_networks(_plain(part), proxies):
            return (_plain(part), 0)
    return (_plain(told[-1]) if told else last, 0)


def _plain(text: str) -> str:
    """Return the address of ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return "unknown"
