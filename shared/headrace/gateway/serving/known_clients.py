"""Who asks: what a client shows, held against who is known, which is read again as it changes."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from headrace.errors import LocalError, SettingsError
from headrace.foreign import read_toml
from headrace.gateway.exchange import Scope
from headrace.ownership import files as ownership
from headrace.policy.serving import grants
from headrace.policy.serving.grants import EVERYBODY, Grant, Grants
from headrace.serve_settings import ServeSettings
from headrace.wording import counted

__all__ = ["TOKEN_HEADER", "KnownClients"]

_log = logging.getLogger("headrace.serve")

#: For clients whose Authorization is for somebody else: engines send it where ``hosts.toml`` says.
TOKEN_HEADER = "x-headrace-token"  # noqa: S105 - a name
#: Bytes of the file.
_LARGEST = 4 << 20
#: Files that all replicas together take from this one at a time.
_FELLOWS = 1024
#: Seconds between two looks whether it has changed.
_LOOKS = 1.0
#: Seconds for which it is not said again that it cannot be read.
_TELLS = 60.0


class KnownClients:
    """Tells who a client is."""

    def __init__(
        self,
        settings: ServeSettings,
        *,
        clock: Callable[[], float] = time.time,
        replica_token: str | None = None,
    ) -> None:
        """Read who is known; SettingsError where that cannot be. `replica_token` is what the other
        replicas show.
        """
        self._path = Path(settings.tokens) if settings.tokens else None
        self._clock = clock
        self._anonymous = settings.anonymous
        self._networks = settings.networks
        self._fellow = None if replica_token is None else grants.fingerprint(replica_token)
        self._looked = -_LOOKS
        self._seen: object = None
        self._told = -_TELLS
        self._grants = Grants({})
        self._refresh(first=True)

    def who(self, scope: Scope, headers: Mapping[str, str]) -> Grant | None:
        """Return who asks; None: nobody who is known, and not everybody may ask."""
        if self._clock() - self._looked >= _LOOKS:
            self._refresh()
        now = self._clock()
        shown = list(_tokens(headers))
        names = scope.get("headrace.certificate_names", ())
        address = address_of(scope)
        found = self._of_tokens(shown, now)
        if shown and found is None:
            # One that was drawn just now counts at once; a look costs microseconds.
            self._refresh()
            found = self._of_tokens(shown, now)
        found = found or self._grants.of_certificate(names, now)
        if found is None and names:
            # An authority of the settings vouches for it, and they say no more of it.
            found = Grant(names[0])
        found = found or self._grants.of_address(address, now)
        if found is None and grants.in_networks(address, self._networks):
            found = Grant("network")
        if found is None and self._anonymous and not shown:
            everything = "all" in self._anonymous
            found = Grant(EVERYBODY.name, None if everything else self._anonymous)
        return found

    def _of_tokens(self, shown: Sequence[str], now: float) -> Grant | None:
        return next(filter(None, (self._of_token(each, now) for each in shown)), None)

    def _of_token(self, token: str, now: float) -> Grant | None:
        if self._fellow is not None and hmac.compare_digest(
            grants.fingerprint(token), self._fellow
        ):
            return Grant("replica", pages=frozenset({"status"}), downloads=_FELLOWS, replica=True)
        return self._grants.of_token(token, now)

    def _refresh(self, *, first: bool = False) -> None:
        self._looked = self._clock()
        if self._path is None:
            return
        try:
            told = self._path.stat()
            seen = (told.st_mtime_ns, told.st_ino, told.st_size)
            if seen == self._seen:
                return
            table = read_toml(ownership.read(self._path, most=_LARGEST), self._path)
        except (OSError, LocalError) as error:
            self._unreadable(error, first=first)
            return
        self._grants, mistakes = grants.read(table)
        self._seen = seen
        for mistake in mistakes:
            _log.warning("%s: %s; that entry opens nothing", self._path, mistake)
        if not first:
            _log.info("%s: read again", self._path)

    def _unreadable(self, error: OSError | LocalError, *, first: bool) -> None:
        why = error.strerror or str(error) if isinstance(error, OSError) else error.message
        if first:
            raise SettingsError(
                "bad-tokens",
                f"serve.tokens: {self._path} cannot be read: {why}",
                hint="name a file of [[token]] tables, as `headrace fleet token` writes one",
            ) from error
        known = len(self._grants.tokens)
        # Whoever writes it anew may not be at its end: who was known stays known. Each wrong token
        # has it looked at again, and a log is not for strangers to fill.
        if self._clock() >= self._told + _TELLS:
            self._told = self._clock()
            said = counted(known, "token")
            _log.warning("%s: %s; what was known holds (%s)", self._path, why, said)


def address_of(scope: Scope) -> str:
    """Return a client's address; empty where there is none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _tokens(headers: Mapping[str, str]) -> Iterator[str]:
    """Give every token that a client shows, wherever its kind of client can."""
    if value := headers.get(TOKEN_HEADER):
        yield value.strip()
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        yield rest.strip()
    elif scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return
        # Some clients take a token as the user's name.
        for part in (password, user):
            if part:
                yield part.decode("utf-8", "surrogateescape")
