"""Which commands are led just now: for each a token, an authority, and the hosts that it is for.

Each lies in a file of its own below the state folder, for this user's eyes alone, so that the next
worker knows it too, and so that the holder's stand-in can go on tunnelling (`responder`). It ends
with the command: whoever is led has a file locked (`runners`), and when nobody has it any more the
token is worth nothing and the file goes. After a day the authority ends; from then on everything
is tunnelled.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import HeadraceError
from headrace.foreign import UnreadableError, foreign
from headrace.system.service.own_pages import INTERCEPTIONS
from headrace.system.service.runs.runners import nobody_runs
from headrace.system.state_files import StateFiles
from headrace.upstream.proxies import Proxies
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.gateway.intercepting.authority import RunAuthority

__all__ = ["Interception", "Interceptions", "Place"]

#: Seconds before its end at which an authority is no longer used: a connection takes a while.
_MARGIN = 600.0
#: Interceptions at a time; each is a command of this user's.
_MOST = 256

#: Host, in lower case and without brackets, and port.
Place = tuple[str, int]


@dataclass(slots=True)
class Interception:
    """One command, and its children."""

    authority: RunAuthority
    places: frozenset[Place]
    """Where TLS is ended; everything else is tunnelled."""
    proxies: Proxies
    """The user's own, for tunnels."""
    runners: Path
    """Locked by whoever is led."""
    elsewhere: bool = False
    """It is not on this machine's own network (a container), so our loopback is not its own."""
    left_alone: set[tuple[str, str]] = field(default_factory=set)
    """Hosts that are tunnelled all the same, for a kind of client ("": for all)."""

    def is_for(self, place: Place, client: str, now: float) -> bool:
        """Whether TLS is to be ended for a client that names itself so, or not at all."""
        alone = {(place[0], ""), (place[0], client)} & self.left_alone
        return place in self.places and not alone and now < self.authority.until - _MARGIN

    def leave_alone(self, host: str, client: str = "") -> None:
        """Tunnel to a host from now on: the user has a login there, or this client does not trust
        our authority.
        """
        if len(self.left_alone) < _MOST:
            self.left_alone.add((host, client))


class Interceptions:
    """Those of one gateway."""

    def __init__(self, state: Path, clock: Callable[[], float] = time.time) -> None:
        """`state` is the gateway's folder; `clock` gives the epoch."""
        self.folder = state / INTERCEPTIONS
        self._files = StateFiles(self.folder, shared=False)
        self._clock = clock
        self._known: dict[str, Interception] = {}

    @staticmethod
    def prepare() -> None:
        """Load what makes an authority, 60 ms of the processor's time. In a thread."""
        # Whoever begins one is told why it cannot be loaded.
        with contextlib.suppress(ImportError):
            import headrace.gateway.intercepting.authority  # noqa: F401, PLC0415 - as below

    def begin(
        self,
        places: Iterable[Place],
        runners: Path,
        environment: Mapping[str, str],
        *,
        elsewhere: bool = False,
    ) -> tuple[str, Interception]:
        """Begin one; return its token. HeadraceError where the proxies in the environment are
        none, or the file cannot be written.
        """
        from headrace.gateway.intercepting.authority import RunAuthority  # noqa: PLC0415 - 60 ms

        self.sweep()
        proxies, held = Proxies(environment), frozenset(places)
        hosts = {host for host, _ in held}
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        authority = RunAuthority.made(hosts, now)
        token = secrets.token_urlsafe(24)
        certificate, key = authority.pack()
        table = {
            "places": sorted(held),
            "runners": str(runners),
            "environment": dict(environment),
            "certificate": certificate,
            "key": key,
            "elsewhere": elsewhere,
        }
        self._files.write(_name_of(token), table, secret=True)
        made = self._known[token] = Interception(authority, held, proxies, runners, elsewhere)
        return token, made

    def find(self, token: str) -> Interception | None:
        """Return the one that a token opens; None: none, or it has ended."""
        name = _name_of(token)
        if not (self.folder / name).is_file():
            self._known.pop(token, None)
            return None
        found = self._known.get(token) or self._read(name)
        if found is None or _has_ended(found):
            self._forget(name)
            self._known.pop(token, None)
            return None
        self._known[token] = found
        return found

    def file_of(self, token: str) -> Path:
        """Return the file whose end is the end of one."""
        return self.folder / _name_of(token)

    def sweep(self) -> None:
        """Remove what belongs to commands that have ended, however they did."""
        with contextlib.suppress(OSError):
            for path in self.folder.glob("*.json"):
                found = self._read(path.name)
                if found is None or _has_ended(found):
                    self._forget(path.name)
        self._known = {t: i for t, i in self._known.items() if (self.folder / _name_of(t)).exists()}

    def _forget(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._files.forget(name)

    def _read(self, name: str) -> Interception | None:
        from headrace.gateway.intercepting.authority import RunAuthority  # noqa: PLC0415 - as above

        def meant(told: Any) -> Interception:
            return Interception(
                RunAuthority.unpack(told["certificate"], told["key"]),
                frozenset((str(host), int(port)) for host, port in told["places"]),
                Proxies(told["environment"]),
                Path(told["runners"]),
                bool(told.get("elsewhere")),
            )

        with contextlib.suppress(HeadraceError, UnreadableError), foreign("an interception"):
            return self._files.read(name, meant, None)
        return None


def _has_ended(each: Interception) -> bool:
    return not each.runners.is_file() or nobody_runs(each.runners)


def _name_of(token: str) -> str:
    """Name its file, from which the token cannot be told."""
    return f"{hashlib.sha256(token.encode()).hexdigest()}.json"
