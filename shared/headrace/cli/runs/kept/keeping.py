"""A run's outcome is kept: what `quick` needs to make it again, and what it is held against.

Kept is only what the user's own gateway does for a command by headrace's own plugins, without a
word of warning: what another plugin, a service of its own or a container engine has to do with is
found anew each time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.context import Context
from headrace.cli.runs.kept import outcome, quick
from headrace.cli.runs.kept.looking import Looked
from headrace.config import EnvVars
from headrace.interface.editing import presence
from headrace.interface.hookspecs import Scope
from headrace.system import atomic
from headrace.system import folders as made_private

if TYPE_CHECKING:
    from headrace.cli.runs.leading import Lead
    from headrace.cli.runs.started import GatewayOfRun

__all__ = ["OutcomeKeeper"]

_log = logging.getLogger("headrace.cli")

#: Outcomes; the oldest go.
_MOST = 64
#: What the C library reads of users, of which Python tells nothing.
_OF_ACCOUNTS = ("/etc/passwd", "/etc/nsswitch.conf")
#: In a command's folder: its lock, and the bundles, which are made again with its own authority.
_APART = ("runners", "authorities-")
#: A folder whose name means the same wherever it is written: in a URL, in JSON, in TOML.
_PLAIN = re.compile(r"[A-Za-z0-9/_.-]+")


class OutcomeKeeper:
    """One run on the way to an outcome that may be kept."""

    def __init__(self, program: str, words: Sequence[str], context: Context) -> None:
        """Begin to look at what is looked at."""
        self._program = program
        self._context = context
        self._env = dict(context.env)
        self._key = outcome.key_of(list(words), self._env)
        self.looked = Looked()
        presence.which(words[0], self._env.get(EnvVars.PATH))

    def keep(
        self,
        found: GatewayOfRun,
        variables: Mapping[str, str],
        lead: tuple[Lead, Mapping[str, Any], Mapping[str, str | None]] | None,
        *,
        silent: bool,
    ) -> None:
        """Keep it, where that can be. `variables` are those of the command but for its proxy;
        `lead` is that, what was asked for it, and what its variables say; `silent` as for
        `LedCommand`.
        """
        for path in (*_modules(), *_OF_ACCOUNTS):
            self.looked.look(path)
        self.looked.end(found.scratch)
        _log.debug("this outcome is not kept: %s", self.looked.in_vain)
        if self.looked.in_vain or not self._can_be(found):
            return
        folder = self._context.folders.state / outcome.FOLDER
        # What cannot be written costs nobody the command.
        with contextlib.suppress(OSError, ValueError):
            made_private.make(folder)
            told = self._told(found, variables, lead, folder)
            if told is not None:
                told["silent"] = silent
                _write(folder / f"{self._key}.json", json.dumps(told).encode())
                _drop_old(folder)

    def _can_be(self, found: GatewayOfRun) -> bool:
        return (
            self._context.scope is Scope.USER
            and self._context.plugins.only_ours
            and found.expected.secret not in (None, "")
            and found.address.host == "127.0.0.1"
            and _PLAIN.fullmatch(str(found.scratch)) is not None
            and found.scratch.parent == Path(tempfile.gettempdir())
        )

    def _told(
        self,
        found: GatewayOfRun,
        variables: Mapping[str, str],
        lead: tuple[Lead, Mapping[str, Any], Mapping[str, str | None]] | None,
        folder: Path,
    ) -> dict[str, Any] | None:
        here = str(found.scratch)
        proxied = _proxied(lead, found.scratch, folder) if lead else None
        paths = [path for path in found.scratch.rglob("*") if path.is_file()]
        files = {str(path.relative_to(found.scratch)): path for path in paths}
        files = {name: path for name, path in files.items() if not name.startswith(_APART)}
        if len(files) > quick.MOST_FILES:
            return None
        changed: dict[str, str | None] = dict.fromkeys(self._env.keys() - variables.keys())
        changed |= {k: v for k, v in variables.items() if self._env.get(k) != v}
        return {
            "made": time.time(),
            "looked": self.looked.paths,
            "there": self.looked.there,
            "program": self._program,
            "temporary": str(found.scratch.parent),
            "secret": str(self._context.state.folder / "secret"),
            "host": found.address.host,
            "port": found.address.port,
            "token": found.address.token,
            "variables": {k: v and v.replace(here, quick.HERE) for k, v in changed.items()},
            "files": {
                name: base64.b64encode(
                    path.read_bytes().replace(here.encode(), quick.HERE.encode())
                ).decode()
                for name, path in files.items()
            },
            "lead": proxied,
        }


def _proxied(
    told: tuple[Lead, Mapping[str, Any], Mapping[str, str | None]], scratch: Path, folder: Path
) -> dict[str, Any]:
    """Return what leads the command through the proxy, but for what is new each time."""
    lead, asked, variables = told
    certificate = lead.certificate.encode()
    bundles: dict[str, str] = {}
    for name in {v for v in variables.values() if v and v.startswith(f"{scratch}/")}:
        text = Path(name).read_bytes().removesuffix(certificate)
        path = folder / f"{hashlib.sha256(text).hexdigest()}.pem"
        if path.is_file():
            path.touch()
        else:
            _write(path, text)
        bundles[str(Path(name).relative_to(scratch))] = str(path)
    return {
        "asked": {name: value for name, value in asked.items() if name != "runners"},
        "hosts": list(lead.hosts),
        "proxies": [name for name, value in variables.items() if value == lead.proxy],
        "variables": {
            name: value and value.replace(str(scratch), quick.HERE)
            for name, value in variables.items()
            if value != lead.proxy
        },
        "bundles": bundles,
    }


def _modules() -> list[str]:
    """Name the code that found the outcome."""
    found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return [name for name in found if name]


def _write(path: Path, data: bytes) -> None:
    atomic.replace(path, data, mode=0o600)


def _drop_old(folder: Path) -> None:
    for kind in ("*.json", "*.pem"):
        found = sorted(folder.glob(kind), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[_MOST:]:
            path.unlink(missing_ok=True)
