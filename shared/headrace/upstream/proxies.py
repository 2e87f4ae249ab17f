"""Which outgoing proxy leads to an upstream. The rules of urllib and curl, where they agree.

Lower case wins over upper case; ``NO_PROXY`` holds hosts, suffixes with or without a leading dot,
``host:port``, addresses and networks in CIDR form, or ``*``. Loopback is never proxied.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from headrace.config import EnvVars
from headrace.errors import LocalError, SettingsError
from headrace.redact import for_display

__all__ = ["Proxies", "exceptions_for"]

_SCHEMES = ("http", "https", "socks5", "socks5h")


def _read(env: Mapping[str, str], name: str) -> str:
    # An empty lower-case variable is a user's way to switch the upper-case one off.
    return (env[name.lower()] if name.lower() in env else env.get(name, "")).strip()


def exceptions_for(env: Mapping[str, str], hosts: Iterable[str]) -> str:
    """Return ``NO_PROXY`` for those who are to come to us first for `hosts` (host:port).

    What names such a host is left out: we go there without the user's proxy all the same.
    LocalError where plain http would then go through a proxy that the user has excepted it from.
    """
    named = [pair.rpartition(":") for pair in hosts]
    kept: list[str] = []
    for entry in _entries(env):
        if any(_matches(entry, host.strip("[]"), int(port)) for host, _, port in named):
            if Proxies(env).goes_by("http"):
                raise LocalError(
                    "not-led",
                    f"NO_PROXY excepts {for_display(entry)} from HTTP_PROXY, and it cannot be led "
                    "without losing that",
                )
        else:
            kept.append(entry)
    return ",".join(kept)


def _entries(env: Mapping[str, str]) -> tuple[str, ...]:
    told = _read(env, EnvVars.NO_PROXY).replace(" ", ",").split(",")
    return tuple(entry.strip().lower() for entry in told if entry.strip())


class Proxies:
    """The proxies of one environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read the variables; SettingsError for an address that is none."""
        everything = _address(EnvVars.ALL_PROXY, _read(env, EnvVars.ALL_PROXY))
        # In a CGI child HTTP_PROXY is the Proxy header of a stranger's request (CVE-2016-5385).
        plain = "" if "REQUEST_METHOD" in env else _read(env, EnvVars.HTTP_PROXY)
        self._by_scheme = {
            "http": _address(EnvVars.HTTP_PROXY, plain) or everything,
            "https": _address(EnvVars.HTTPS_PROXY, _read(env, EnvVars.HTTPS_PROXY)) or everything,
        }
        self._direct = _entries(env)

    def __bool__(self) -> bool:
        """Whether any proxy is set."""
        return any(self._by_scheme.values())

    def goes_by(self, scheme: str) -> bool:
        """Whether URLs of a scheme have a proxy."""
        return self._by_scheme.get(scheme) is not None

    def choose(self, url: str) -> str | None:
        """Return the proxy's URL for an upstream's URL; None: go there directly."""
        parts = urlsplit(url)
        proxy = self._by_scheme.get(parts.scheme)
        host = (parts.hostname or "").rstrip(".")
        if proxy is None or _is_loopback(host):
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if any(_matches(entry, host, port) for entry in self._direct):
            return None
        return proxy


def _address(name: str, value: str) -> str | None:
    if not value:
        return None
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            "bad-proxy",
            f"{name} is no proxy address: {for_display(url)}",
            hint=f"write it as http://host:port; schemes: {', '.join(_SCHEMES)}",
        )
    return url


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _ip(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _ip(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and _ip(entry) is None:
        if number.lstrip("0") != str(port):
            return False
        entry = name
    if address is not None:
        return _ip(entry) == address
    suffix = entry.removeprefix("*").lstrip(".")
    return bool(suffix) and (host == suffix or host.endswith("." + suffix))
