"""Whether a client would take loopback requests to a proxy instead of to the gateway.

pip and uv send ``http://127.0.0.1`` to HTTP_PROXY (and ALL_PROXY) unless NO_PROXY says otherwise;
HTTPS_PROXY alone does no harm. pip's own ``proxy`` setting knows no exception at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.errors import ConfigurationError

__all__ = ["HOSTS", "no_proxy_additions", "proxy_in_the_way", "refuse_proxy"]

HOSTS = ("127.0.0.1", "localhost", "::1")


def proxy_in_the_way(env: Mapping[str, str]) -> str | None:
    """Return the variable that would take loopback traffic away; None: nothing does."""
    if _bypassed(env):
        return None
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        if env.get(name):
            return name
    return None


def _bypassed(env: Mapping[str, str]) -> bool:
    names = env.get("no_proxy") or env.get("NO_PROXY") or ""
    entries = {entry.strip().lstrip(".").lower() for entry in names.split(",")}
    return bool(entries & {"*", "127.0.0.1", "127.0.0.0/8"})


def no_proxy_additions(env: Mapping[str, str]) -> dict[str, str]:
    """Return NO_PROXY in both spellings with loopback added; empty where no proxy is set."""
    if proxy_in_the_way(env) is None:
        return {}
    now = env.get("no_proxy") or env.get("NO_PROXY") or ""
    value = ",".join([*(entry for entry in now.split(",") if entry.strip()), *HOSTS])
    return {"NO_PROXY": value, "no_proxy": value}


def refuse_proxy(env: Mapping[str, str], tool: str) -> None:
    """ConfigurationError when the environment's proxy would get the tool's loopback requests."""
    if (name := proxy_in_the_way(env)) is not None:
        raise ConfigurationError(
            "proxy-takes-loopback",
            f"{name} is set, and NO_PROXY does not except 127.0.0.1: {tool} would ask the proxy "
            "for the gateway",
            hint=f"set NO_PROXY={','.join(HOSTS)} where {name} is set, then `headrace on` again; "
            "the gateway itself goes on using the proxy",
        )
