"""Ask whoever answers on a port whether it is the gateway, and which."""

from __future__ import annotations

import base64
import http.client
import time
from dataclasses import dataclass
from typing import Any

from headrace.foreign import read_json_or_none
from headrace.interface.hookspecs import GatewayAddress

__all__ = ["Health", "ask", "is_up", "wait_until_up"]

ANSWER_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Health:
    """What ``/healthz`` said."""

    instance: str
    """See `identity.instance`; "" from a gateway that does not say."""
    redirecting: bool = False
    """No worker can answer; clients are sent to the origin."""


def ask(
    address: GatewayAddress,
    path: str,
    timeout: float = 2.0,
    *,
    accept: str = "application/json",
    limit: int = ANSWER_LIMIT,
) -> Any:
    """Return the JSON that the gateway gives for a path, or None when it does not.

    `timeout` is in seconds, `limit` in bytes: a longer answer is none.
    """
    body = content(address, path, timeout, accept=accept, limit=limit)
    return None if body is None else read_json_or_none(body)


def content(
    address: GatewayAddress,
    path: str,
    timeout: float,
    *,
    accept: str,
    limit: int = ANSWER_LIMIT,
) -> bytes | None:
    """Return what the gateway gives for a path, as `ask` does."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        headers = {"Accept": accept}
        if address.token:
            proof = base64.b64encode(f"headrace:{address.token}".encode()).decode()
            headers["Authorization"] = f"Basic {proof}"
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.read(limit) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def is_up(address: GatewayAddress, timeout: float = 2.0) -> Health | None:
    """Return who answers there; None when nobody does, or something that is not a gateway."""
    told = ask(address, "/healthz", timeout)
    if not isinstance(told, dict) or "headrace" not in told:
        return None
    return Health(str(told.get("instance", "")), told["headrace"] == "redirecting")


def wait_until_up(address: GatewayAddress, timeout: float) -> Health | None:
    """Wait until somebody answers, `timeout` seconds at most.

    A gateway that sends its clients away has failed to start more than once: nobody waits for it.
    """
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if (health := is_up(address, left)) is not None:
            return health
        time.sleep(0.02)
    return None
