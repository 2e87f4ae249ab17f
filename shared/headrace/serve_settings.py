"""Settings of a gateway that others reach (``headrace serve``): the table ``[serve]`` of
`config.toml`. Pure.

A laptop's gateway reads none of them. What each may be is told as for all settings (file, key,
value, what is allowed), by `Settings.read`, whoever reads the file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.errors import SettingsError
from headrace.setting_rules import WrongValue, is_plain, mistake
from headrace.values import dataclass
from headrace.wording import meant

__all__ = ["ServeSettings", "host_and_port"]

_TABLE = "serve"
_STORES = ("s3", "gs", "az")
_STATES = ("valkey", "valkeys", "redis", "rediss")
_LOOPBACK = frozenset({"127.0.0.0/8", "::1/128"})


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What whoever runs a fleet decided, with our defaults."""

    listen: str = "0.0.0.0:8443"
    """Where it listens, ``HOST:PORT``."""
    certificate: str = ""
    """PEM file of its certificate, with what leads to the authority. Read again when it changes."""
    key: str = ""
    """PEM file of the certificate's key; empty: in the same file."""
    client_authorities: str = ""
    """PEM file of the authorities whose certificates clients may show."""
    behind_proxy: bool = False
    """A proxy ends TLS in front of it, and says who asks. Without this and without a certificate
    it does not start."""
    trusted_proxies: frozenset[str] = _LOOPBACK
    """Networks of proxies whose word on a client's address is taken; with `behind_proxy` nobody
    else is heard."""
    tokens: str = ""
    """TOML file of who may ask: see `policy.serving.grants`. Read again when it changes."""
    networks: frozenset[str] = frozenset()
    """Networks whose clients need show nothing, for what is public."""
    anonymous: frozenset[str] = frozenset()
    """Ecosystems that everybody may read from, whoever he is, for what is public; ``all``."""
    metrics: frozenset[str] = _LOOPBACK
    """Networks that may read ``/metrics`` without a token."""
    downloads_per_client: int = 32
    """Files that one client is sent at a time; more wait in turn."""
    rate_per_client: int = 0
    """Bytes a second that one client is sent; 0: as they come."""
    rate: int = 0
    """Bytes a second that all are sent together, in equal shares for those who ask; 0: no limit."""
    access_log: str = "-"
    """Where each answer is written down, a line of JSON for each: ``-`` standard output, a file, or
    empty for nowhere."""
    drain: float = 300.0
    """Seconds that an answer under way may still take after SIGTERM."""
    drain_delay: float = 5.0
    """Seconds after SIGTERM in which it still takes new clients, for whoever sends them here has to
    notice first that it is not ready any more."""
    store: str = ""
    """Where files are kept for all replicas: ``s3://BUCKET/PREFIX``, ``gs://…``, ``az://…``; empty:
    on this disk alone."""
    serve_from: str = "gateway"
    """``bucket``: clients that can are sent to the bucket for whole files."""
    shared_state: str = ""
    """What replicas tell each other through: ``valkey://HOST:PORT/N``, ``redis://…``, and with TLS
    ``valkeys://…``, ``rediss://…``; empty: each stands alone."""
    advertise: str = ""
    """URL at which the other replicas reach this one."""
    name: str = ""
    """What it is called in logs and by its fellows; empty: this host's name."""
    replica_secret: str = ""
    """File of a secret by which replicas know each other."""

    @classmethod
    def parse(cls, table: object, path: Path) -> tuple[ServeSettings, tuple[SettingsError, ...]]:
        """Read the table as far as it is understood, and return every mistake in it."""
        if not isinstance(table, Mapping):
            return cls(), (mistake(path, _TABLE, "must be a table: [serve]", table),)
        known = {each.name: each.default for each in fields(cls)}
        values: dict[str, Any] = {}
        mistakes: list[SettingsError] = []
        for key, value in table.items():
            name = f"{_TABLE}.{key}"
            if key not in known:
                guess = meant(key, list(known))
                there = f"is not a setting{guess} There are {', '.join(sorted(known))}"
                there = there if guess else there.replace(" There are", "; there are")
                mistakes.append(mistake(path, name, there))
                continue
            try:
                values[key] = _read(key, value, known[key])
            except WrongValue as wrong:
                mistakes.append(mistake(path, name, str(wrong), value))
        return cls(**values), tuple(mistakes)


def _read(key: str, value: object, default: object) -> object:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise WrongValue("must be true or false")
        return value
    if isinstance(default, frozenset):
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise WrongValue("must be a list of strings")
        read = _LISTS.get(key, str)
        return frozenset(read(each) for each in value)
    if isinstance(default, int | float):
        whole = isinstance(default, int)
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        least = 1 if key == "downloads_per_client" else 0
        if not fits or not least <= value <= 2**53:  # type: ignore[operator]
            kind = "a whole number" if whole else "a number of seconds"
            raise WrongValue(f"must be {kind} from {least}")
        return value if whole else float(value)  # type: ignore[arg-type]
    if not isinstance(value, str):
        raise WrongValue("must be a string")
    return _WORDS[key](value) if key in _WORDS else value


def host_and_port(text: str) -> tuple[str, int] | None:
    """Read ``HOST:PORT``, ``[HOST]:PORT`` where the host is an address; None: it is none."""
    host, colon, port = text.rpartition(":")
    plain = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(plain)
    except ValueError:
        return None
    if not colon or (":" in plain) != host.startswith("[") or not _is_port(port):
        return None
    return plain, int(port)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535


def _listen(text: str) -> str:
    if host_and_port(text) is None:
        raise WrongValue("must be an address and a port, as '0.0.0.0:8443' or '[::]:8443'")
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise WrongValue("must be a list of networks, as '10.0.0.0/8' or 'fd00::/8'") from None


def _one_of(schemes: tuple[str, ...], example: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            parts = urlsplit(text)
            fits = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if text and not fits:
            raise WrongValue(f"must be an address as {example}")
        return text

    return read


def _serve_from(text: str) -> str:
    if text not in ("gateway", "bucket"):
        raise WrongValue("must be 'gateway' or 'bucket'")
    return text


def _advertise(text: str) -> str:
    if text and not is_plain(text):
        raise WrongValue("must be a URL as 'https://10.0.0.7:8443'")
    return text.rstrip("/")


_LISTS: Mapping[str, Callable[[str], str]] = {
    "trusted_proxies": _network,
    "networks": _network,
    "metrics": _network,
}
_WORDS: Mapping[str, Callable[[str], str]] = {
    "listen": _listen,
    "store": _one_of(_STORES, "'s3://bucket/prefix'"),
    "shared_state": _one_of(_STATES, "'valkey://host:6379/0'"),
    "serve_from": _serve_from,
    "advertise": _advertise,
}
