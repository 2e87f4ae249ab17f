"""What a tool has beside the URL of its index that the gateway cannot take over.

A client certificate, a host whose certificate is not checked, a login of another kind: behind the
gateway the origin would be asked without it, so the tool is left as it is, and told why. What goes
along (a user and a password, a file of authorities, netrc, keyring) is no reason. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from headrace.interface import ConfigurationError, Override, dataclass, for_display

__all__ = ["Reason", "first", "front", "insecure_host", "is_false", "is_true"]

_TRUE, _FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a tool is left alone."""

    where: str
    """A path, or a variable of the environment."""
    what: str
    hint: str

    def error(self, tool: str) -> ConfigurationError:
        """As `on` and `run` say it."""
        what = f"{self.where} {self.what}"
        return ConfigurationError("left-alone", what, hint=f"{self.hint}; {tool} goes on as before")

    def override(self, tool: str) -> Override:
        """As `status` says it."""
        return Override(tool, self.where, self.what, self.hint)


def front(url: str, where: str) -> Reason | None:
    """Say why an index cannot be fronted; None: it can be."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine, parts = False, SplitResult("", "", "", "", "")
    if fine and not (parts.query or parts.fragment or set(" \t\r\n") & set(url)):
        return None
    what = f"sets an index that headrace cannot front: {for_display(url)}"
    return Reason(where, what, "only plain http and https indexes can be fronted")


def insecure_host(url: str, hosts: Iterable[str], where: str, name: str) -> Reason | None:
    """Say that the origin's certificate is not to be checked; None: it is."""
    parts = urlsplit(url)
    # Brackets of IPv6 aside; a port that is written must fit.
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    meant = {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}", "*"}
    if parts.scheme != "https" or not meant & {_bare(each) for each in hosts}:
        return None
    what = f"has {host} in {name}: its certificate is not checked, which the gateway does"
    return Reason(where, what, f"take {host} out there, and name its authority in SSL_CERT_FILE")


def _bare(host: str) -> str:
    return host.strip().lower().rpartition("://")[2].rstrip("/")


def first(reasons: Iterator[Reason | None]) -> Reason | None:
    """Return the first reason that there is."""
    return next((reason for reason in reasons if reason is not None), None)


def is_true(value: object) -> bool:
    """Whether a setting says yes."""
    return value is True or str(value).strip().lower() in _TRUE


def is_false(value: object) -> bool:
    """Whether a setting says no."""
    return value is False or str(value).strip().lower() in _FALSE


def variables(env: Mapping[str, str], names: Sequence[str], what: str) -> Reason | None:
    """Say that one of these variables is set; None: none is."""
    for name in names:
        if env.get(name):
            return Reason(name, what, f"unset {name}")
    return None
