"""Whether a client would take loopback requests to a proxy instead of to the gateway.

pip and uv send ``http://127.0.0.1`` to HTTP_PROXY (and ALL_PROXY) unless NO_PROXY says otherwise;
HTTPS_PROXY alone does no harm. pip's own ``proxy`` setting knows no exception at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headrace.errors import ConfigurationError

__all__ = [
    "HOSTS",
    "HTTPX",
    "REQUESTS",
    "REQWEST",
    "excepted",
    "no_proxy_additions",
    "proxy_in_the_way",
    "refuse_proxy",
]

HOSTS = ("127.0.0.1", "localhost", "::1")
#: Which entries of NO_PROXY except the gateway, by the library that a tool asks with (tried with
#: uv 0.13 and requests 2.32; httpx by its source). ``*`` is one for requests if it stands alone.
REQUESTS = ("*", "127.0.0.1", "127.0.0.0/8")
REQWEST = ("127.0.0.1", "127.0.0.0/8")
HTTPX = ("*", "127.0.0.1")


def proxy_in_the_way(env: Mapping[str, str], words: Sequence[str] = REQUESTS) -> str | None:
    """Return the variable that would take loopback traffic away; None: nothing does.

    `words` are the entries of NO_PROXY that the tool takes for the gateway's.
    """
    if excepted((env.get("no_proxy") or env.get("NO_PROXY") or "").split(","), words):
        return None
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        if env.get(name):
            return name
    return None


def excepted(names: Iterable[str], words: Sequence[str] = REQUESTS) -> bool:
    """Whether a list of hosts that need no proxy has the gateway in it."""
    entries = {name.strip() for name in names}
    return bool((entries if len(entries) == 1 else entries - {"*"}) & set(words))


def no_proxy_additions(env: Mapping[str, str], words: Sequence[str] = REQUESTS) -> dict[str, str]:
    """Return NO_PROXY in both spellings with loopback added; empty where no proxy is set."""
    if proxy_in_the_way(env, words) is None:
        return {}
    now = env.get("no_proxy") or env.get("NO_PROXY") or ""
    value = ",".join([*(entry for entry in now.split(",") if entry.strip()), *HOSTS])
    return {"NO_PROXY": value, "no_proxy": value}


def refuse_proxy(env: Mapping[str, str], tool: str, words: Sequence[str] = REQUESTS) -> None:
    """ConfigurationError when the environment's proxy would get the tool's loopback requests."""
    if (name := proxy_in_the_way(env, words)) is not None:
        raise ConfigurationError(
            "proxy-takes-loopback",
            f"{name} is set, and NO_PROXY does not except 127.0.0.1: {tool} would ask the proxy "
            "for the gateway",
            hint=f"set NO_PROXY={','.join(HOSTS)} where {name} is set, then `headrace on` again; "
            "the gateway itself goes on using the proxy",
        )
