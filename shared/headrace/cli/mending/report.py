"""``headrace doctor --report``: what we need to know of a fault, without what is nobody's business.
Nothing is sent anywhere.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.cli.context import Context
from headrace.cli.help.installation import table as installation
from headrace.cli.mending.redaction import Redaction
from headrace.config import FLEET, NETWORK_VARIABLES, SERVE, EnvVars, Settings, home_folder
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import DiscoveredOrigin, Finding
from headrace.redact import for_display, secrets_in

if TYPE_CHECKING:
    from headrace.system.state import State

__all__ = ["compose", "redaction_of", "write"]

#: Lines of the log, and bytes that they are looked for in.
_LINES, _TAIL = 80, 64 << 10
#: What the gateway says of itself that tells nobody's packages.
_STATUS = (
    *("version", "scope", "uptime_seconds", "transfers", "documents", "faults_survived"),
    *("read_ahead", "sources", "mirrors", "store", "plugins", "incidents", "network"),
)
#: Variables that say where things are on this machine, and no more.
_UNTOLD = frozenset({EnvVars.PATH, EnvVars.LD_LIBRARY_PATH, EnvVars.WINDIR, EnvVars.PROGRAMFILES})
#: Characters of a settings file that are looked through.
_LARGEST = 1 << 20
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s\"'<>]+")
_SECRET_NAME = re.compile(r"(?i)token|passw|secret|credential|api_?key|auth")
_IN_NETRC = re.compile(r"(?:^|\s)(?:password|account)\s+(\S+)")
_HEAD = """\
# A report on headrace

Secrets, logins, names of people and hosts that are not public were taken out. Names of packages may
stand in it: read it before you give it to anybody. Nothing was sent.
"""


def compose(context: Context, findings: Iterable[Finding]) -> str:
    """Return the report as Markdown."""
    redacted = redaction_of(context)
    parts = [
        ("Installation", _lines(installation())),
        ("System", _lines(_system())),
        ("Settings", _lines(_settings(context))),
        ("Environment", _lines(_environment(context))),
        ("Findings", [_finding(each) for each in findings if each.level != "ok"]),
        ("Gateway", _gateway(context)),
        (f"Log, its last {_LINES} lines", _log(context)),
    ]
    text = _HEAD
    for title, lines in parts:
        inner = "\n".join(lines) or "(nothing)"
        # No line of a log ends the block that it stands in.
        text += f"\n## {title}\n\n~~~~text\n{redacted(inner).replace('~~~~', '~ ~ ')}\n~~~~\n"
    return text


def write(path: Path, text: str) -> None:
    """Write it where nothing is, for its owner's eyes; OSError."""

    def private(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    with open(path, "x", encoding="utf-8", opener=private) as file:
        file.write(text)


# ------------------------------------------------------------------ what is in it


def _lines(table: Mapping[str, object]) -> list[str]:
    return [f"{name}: {value}" for name, value in table.items()]


def _system() -> dict[str, object]:
    told: dict[str, object] = {"release": platform.release()}
    with suppress(OSError):  # of systems that have the file
        found = platform.freedesktop_os_release()
        told["distribution"] = f"{found.get('ID', '')} {found.get('VERSION_ID', '')}".strip()
    return told


def _settings(context: Context) -> dict[str, object]:
    """Return what is not as it is by default."""
    settings, default = context.understood, Settings()
    told: dict[str, object] = {}
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if field.name in ("source", "mirrors", SERVE, FLEET) or value == getattr(
            default, field.name
        ):
            continue
        told[field.name] = sorted(value) if isinstance(value, frozenset) else value
    for name, table in ((SERVE, settings.serve), (FLEET, settings.fleet)):
        if table is None:
            continue
        for field in fields(table):
            value = getattr(table, field.name)
            if value != field.default:
                shown = sorted(value) if isinstance(value, frozenset) else value
                told[f"{name}.{field.name}"] = shown
    for mirror in settings.mirrors:
        told[f"mirror {mirror.id}"] = f"{mirror.ecosystem} {for_display(mirror.url)}"
    return told


def _environment(context: Context) -> dict[str, object]:
    names = {str(value) for name, value in vars(EnvVars).items() if name.isupper()} - _UNTOLD
    every = sorted({*names, *NETWORK_VARIABLES})
    return {name: context.env[name] for name in every if name in context.env}


def _finding(each: Finding) -> str:
    return f"{each.level} {each.check}: {each.text}" + (f"\n    {each.hint}" if each.hint else "")


def _gateway(context: Context) -> list[str]:
    from headrace.cli.status import gateway_of  # noqa: PLC0415 - start-up time
    from headrace.system.service import health  # noqa: PLC0415 - as above

    try:
        address, state = gateway_of(context)
        if address is None:
            return ["off"]
        there, told = health.look_and_ask(address, state.expected(), "/status")
    except HeadraceError as error:
        return [error.message]
    lines = [f"port {address.port}, up: {there.up}, version: {there.version or '-'}"]
    lines += [f"sends everybody to the origin: {there.redirecting}, held by: {there.who or '-'}"]
    if isinstance(told, Mapping):
        plain = {name: told[name] for name in _STATUS if name in told}
        lines += json.dumps(plain, indent=1, default=str).splitlines()
    return lines


def _log(context: Context) -> list[str]:
    from headrace.system.service import last_words  # noqa: PLC0415 - start-up time

    lines = last_words.tail(context.folders.state / "gateway.log", _TAIL)
    if not lines:
        lines = last_words.of_unit(context.scope)
    return lines[-_LINES:]


# ------------------------------------------------------------------ what is taken out of it


def redaction_of(context: Context) -> Redaction:
    """Return what takes out all that is known of this machine, its user and its secrets."""
    from headrace.interface import catalogue  # noqa: PLC0415 - start-up time

    origins = _origins(context.state)
    values = [*context.env.values(), *_network(context).values()]
    return Redaction(
        secrets=_secrets(context, origins, values),
        hosts=_hosts(context, origins, values),
        public=_public(context, origins),
        people=_people(context),
        home=str(home_folder()),
        # One kind of package is called after its ecosystem.
        files=catalogue.shipped(),
    )


def _origins(state: State) -> list[DiscoveredOrigin]:
    try:
        return state.origins()
    except HeadraceError:
        return []


def _network(context: Context) -> Mapping[str, str]:
    try:
        return context.state.network()
    except HeadraceError:
        return {}


def _secrets(
    context: Context, origins: Iterable[DiscoveredOrigin], values: Iterable[str]
) -> Iterator[str]:
    state = context.state
    for read in (state.token, state.secret):
        with suppress(HeadraceError):
            yield read() or ""
    for each in origins:
        if each.credential is not None:
            yield each.credential.secret
            yield f"{each.credential.username}:{each.credential.secret}"
    for name, value in context.env.items():
        if _SECRET_NAME.search(name):
            yield value
    for text in (*values, _settings_text(context)):
        yield from secrets_in(text)
    yield from _in_netrc(context)


def _settings_text(context: Context) -> str:
    """Return the whole file: what is wrong in it is told, and may hold a secret all the same."""
    path = context.understood.source
    with suppress(OSError):
        return path.read_text("utf-8", "replace")[:_LARGEST] if path else ""
    return ""


def _in_netrc(context: Context) -> Iterator[str]:
    named = context.env.get(EnvVars.NETRC)
    folder = home_folder()
    for path in (Path(named),) if named else (folder / ".netrc", folder / "_netrc"):
        with suppress(OSError):
            found = _IN_NETRC.findall(path.read_text("utf-8", "replace"))
            yield from (each.strip("\"'") for each in found)


def _hosts(
    context: Context, origins: Iterable[DiscoveredOrigin], values: Iterable[str]
) -> Iterator[str]:
    from headrace.cli.runs import logins  # noqa: PLC0415 - start-up time

    yield from (socket.gethostname(), socket.gethostname().partition(".")[0])
    yield from (_host(each.origin.url) for each in origins if each.origin.private)
    for text in (*values, _settings_text(context)):
        yield from (_host(each) for each in _ADDRESS.findall(text))
    for name in (EnvVars.NO_PROXY, EnvVars.NO_PROXY.lower()):
        yield from (each.strip(" .*") for each in context.env.get(name, "").split(","))
    with suppress(HeadraceError, OSError):
        yield from (each.lstrip("*.") for each in logins.known(context))


def _public(context: Context, origins: Iterable[DiscoveredOrigin]) -> set[str]:
    from headrace.interface import catalogue  # noqa: PLC0415 - start-up time

    called = (*context.understood.public_origins, *context.understood.origins)
    known = {
        _host(each.origin.url)
        for each in origins
        # What is public because its user says so may well be a host of a company's.
        if not each.origin.private and not any(each.origin.url in text for text in called)
    }
    return known | catalogue.hosts()


def _people(context: Context) -> Iterator[str]:
    with suppress(Exception):  # an account that the system does not know
        yield getpass.getuser()
    yield home_folder().name
    yield from (context.env.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"))


def _host(url: str) -> str:
    with suppress(ValueError):
        return urlsplit(url).hostname or ""
    return ""
