"""A command is led through the gateway as a forward proxy: what its environment says for that.

The user's own proxy, exceptions and authorities are chained: the gateway goes through that proxy
where its user would have, what is excepted is excepted still, and the bundle of authorities holds
theirs beside ours. All of it ends with the command.
"""

from __future__ import annotations

import itertools
import json
import signal
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from headrace.config import NETWORK_VARIABLES, EnvVars
from headrace.errors import LocalError
from headrace.interface.editing import presence
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.system import atomic
from headrace.system.service import health
from headrace.upstream.proxies import Proxies, exceptions_for
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.cli.runs.started import GatewayOfRun

__all__ = ["USUAL", "Asking", "Lead", "begin", "begun", "bundle", "question", "variables"]

#: Seconds for the gateway to begin; it may read a page for it.
_LIMIT = 10.0
#: Variables that name a file of authorities, whoever reads them.
USUAL = (EnvVars.SSL_CERT_FILE, EnvVars.REQUESTS_CA_BUNDLE, EnvVars.CURL_CA_BUNDLE)
_PROXY = (EnvVars.HTTPS_PROXY, EnvVars.HTTPS_PROXY.lower())
_EXCEPTED = (EnvVars.NO_PROXY, EnvVars.NO_PROXY.lower())
#: Where systems keep the authorities that everybody trusts, as one file.
_SYSTEMS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class Lead:
    """What leads one command: others (a container, a shell) may make of it what they need."""

    proxy: str
    """URL of the proxy, with its token: a secret."""
    certificate: str
    """The authority that its clients must trust, as PEM."""
    hosts: tuple[str, ...]
    """Where TLS is ended, as host:port."""
    until: float
    """Epoch; after it everything is tunnelled."""
    file: Path
    """Whose removal ends it at once; else it ends when nobody has ``runners`` locked any more."""


def question(
    found: GatewayOfRun,
    origins: Iterable[DiscoveredOrigin],
    env: Mapping[str, str],
    *,
    logins: Iterable[str] = (),
    elsewhere: bool = False,
) -> dict[str, Any]:
    """Return what a gateway is to know of whoever is led; LocalError where nobody can be."""
    runners = found.scratch / "runners"
    if not runners.is_file():
        raise LocalError("not-led", "this file system has no locks, so nobody could end a proxy")
    alone = {host.lower() for host in logins}
    alone |= {urlsplit(o.origin.url).hostname or "" for o in origins if o.credential is not None}
    _check_proxy(env)
    return {
        "runners": str(runners),
        "alone": sorted(alone),
        "elsewhere": elsewhere,
        "environment": {name: env[name] for name in NETWORK_VARIABLES if name in env},
    }


def begin(
    found: GatewayOfRun,
    origins: Iterable[DiscoveredOrigin],
    env: Mapping[str, str],
    *,
    logins: Iterable[str] = (),
    elsewhere: bool = False,
) -> Lead:
    """Have a gateway lead whoever has locked ``runners`` in its scratch folder; LocalError where it
    does not. `logins` are hosts at which tools have one (`logins.of_tools`); `elsewhere`: they are
    not on this machine's own network.
    """
    return begun(found, question(found, origins, env, logins=logins, elsewhere=elsewhere))


def begun(found: GatewayOfRun, asked: Mapping[str, Any]) -> Lead:
    """Have a gateway answer such a question; LocalError where it does not."""
    query = urlencode({"asked": json.dumps(asked)})
    told = health.ask(found.address, found.expected, f"/interception?{query}", _LIMIT)
    if not isinstance(told, dict) or not isinstance(told.get("token"), str):
        why = told.get("error") if isinstance(told, dict) else None
        raise LocalError("not-led", str(why or "the gateway does not say how"))
    address = found.address
    return Lead(
        f"http://headrace:{quote(told['token'])}@{address.host}:{address.port}",
        str(told["certificate"]),
        tuple(str(host) for host in told["hosts"]),
        float(told["until"]),
        Path(told["file"]),
    )


class Asking:
    """A question that a gateway answers meanwhile: it may read a page of a far origin for it."""

    def __init__(self, found: GatewayOfRun, asked: Mapping[str, Any]) -> None:
        """Ask, in a thread."""
        self._lead: Lead | None = None
        self._error: Exception | None = None
        words = (found, asked)
        self._thread = threading.Thread(target=self._ask, args=words, name="asking", daemon=True)
        self._thread.start()

    def lead(self) -> Lead:
        """Wait for the answer; LocalError where the gateway leads nobody."""
        self._thread.join()
        if self._lead is None:
            raise self._error or LocalError("not-led", "the gateway does not say how")
        return self._lead

    def end(self) -> None:
        """End what was begun, also where nobody waited for the answer."""
        self._thread.join()
        if self._lead is not None:
            self._lead.file.unlink(missing_ok=True)

    def _ask(self, found: GatewayOfRun, asked: Mapping[str, Any]) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # They are for whoever waits for the command.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._lead = begun(found, asked)
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error


def variables(
    lead: Lead, env: Mapping[str, str], scratch: Path, more: Sequence[str] = ()
) -> dict[str, str | None]:
    """Return what the command's environment must say, and write the bundles that it names below
    `scratch`. `more` are variables of single tools that name a file of authorities.
    """
    told: dict[str, str | None] = dict.fromkeys(_PROXY, lead.proxy)
    kept = exceptions_for(env, lead.hosts)
    told |= dict.fromkeys(_EXCEPTED, kept or None)
    every = [name for name in (*USUAL, EnvVars.PIP_CERT) if env.get(name)]
    made: dict[tuple[str, ...], Path] = {}
    for name in (*USUAL, *more):
        # Who had a file of its own trusts that; who had none, what is usual and all that is named.
        own = (env[name],) if env.get(name) else ("", *(env[each] for each in every))
        if own not in made:
            path = made[own] = scratch / f"authorities-{len(made)}.pem"
            atomic.replace(path, (bundle(own) + lead.certificate).encode(), mode=0o600)
        if name in USUAL or env.get(name):
            told[name] = str(made[own])
    return told


def bundle(files: Sequence[str]) -> str:
    """Return all authorities of these files (or folders) as PEM, each once; "": those that are
    usual. What else stands there is left out: BuildKit takes no secret of more than 500 KiB, and
    the same authorities are in a system's file and in certifi's.
    """
    parts: list[str] = []
    for name in files:
        path = Path(name)
        if not name:
            usual = (each for each in map(Path, _SYSTEMS) if _is_file(each))
            parts += [_read(each) for each in itertools.islice(usual, 1)]
            parts.append(_certifi())
        elif path.is_dir():
            parts += [_read(each) for each in sorted(path.iterdir()) if each.is_file()]
        else:
            parts.append(_read(path))
    blocks = (block for part in parts for block in _blocks(part))
    return "".join(f"{block}\n" for block in dict.fromkeys(blocks))


def _blocks(text: str) -> Iterator[str]:
    """Give the certificates in a file of PEM (RFC 7468), and lists of revoked ones, spelt alike."""
    for part in text.split("-----BEGIN ")[1:]:
        kind, begun, rest = part.partition("-----")
        body, ended, _ = rest.partition(f"-----END {kind}-----")
        if begun and ended and kind.endswith(("CERTIFICATE", "CRL")):
            lines = filter(None, map(str.strip, body.splitlines()))
            yield "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"])


def _is_file(path: Path) -> bool:
    return presence.is_there(path) and path.is_file()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise LocalError(
            "not-led",
            f"{path}, a file of certificate authorities, cannot be read: {error.strerror or error}",
        ) from error


def _certifi() -> str:
    with suppress(ImportError, OSError):
        import certifi  # noqa: PLC0415 - a cost of those who are led

        return Path(certifi.where()).read_text("utf-8")
    return "".join(map(ssl.DER_cert_to_PEM_cert, ssl.create_default_context().get_ca_certs(True)))


# ---------------------------------------------------------------------- the user's own


def _check_proxy(env: Mapping[str, str]) -> None:
    proxy = Proxies(env).choose("https://headrace.invalid/")
    if proxy is not None and urlsplit(proxy).scheme.startswith("socks"):
        raise LocalError("not-led", "a SOCKS proxy cannot be gone through on to another one")
