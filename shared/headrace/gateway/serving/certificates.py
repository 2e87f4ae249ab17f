"""TLS of a gateway that others reach. Its files are read again when they change: certificates live
for weeks, and connections must not be dropped for a new one.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.errors import SettingsError
from headrace.serve_settings import ServeSettings

__all__ = ["ServerContext"]

_log = logging.getLogger("headrace.serve")

#: Seconds between two looks whether the files have changed.
_LOOKS = 5.0


class ServerContext(ssl.SSLContext):
    """A server's context that begins each connection with what its files say by then.

    asyncio and uvloop begin a connection by `wrap_bio`; whatever else a context is asked for is
    answered by the first one, which is never changed.
    """

    _settings: ServeSettings
    _current: ssl.SSLContext
    _seen: object
    _looked: float
    _clock: Callable[[], float]

    @classmethod
    def of(
        cls, settings: ServeSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> ServerContext:
        """Make one; SettingsError where the files cannot be used."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made._settings, made._clock = settings, clock
        made._seen, made._looked = _seen(settings), clock()
        made._current = _context(settings)
        return made

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection."""
        if self._clock() - self._looked >= _LOOKS:
            self._look()
        return self._current.wrap_bio(*given, **named)

    def _look(self) -> None:
        self._looked = self._clock()
        seen = _seen(self._settings)
        if seen == self._seen:
            return
        try:
            self._current = _context(self._settings)
        except SettingsError as error:
            # Certificate and key are two files, and one is written before the other.
            _log.warning("%s; the certificate of before holds", error.message)
            return
        self._seen = seen
        _log.info("the certificate was read again")


def _files(settings: ServeSettings) -> list[Path]:
    named = (settings.certificate, settings.key, settings.client_authorities)
    return [Path(each) for each in named if each]


def _seen(settings: ServeSettings) -> object:
    found: list[tuple[int, int, int] | None] = []
    for path in _files(settings):
        try:
            told = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((told.st_mtime_ns, told.st_ino, told.st_size))
    return found


def _context(settings: ServeSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    key = settings.key or settings.certificate
    try:
        context.load_cert_chain(settings.certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise _bad("serve.certificate", f"{settings.certificate} and {key}", error) from error
    if settings.client_authorities:
        try:
            context.load_verify_locations(cafile=settings.client_authorities)
        except OSError as error:
            raise _bad("serve.client_authorities", settings.client_authorities, error) from error
        # Not required: others show a token, or come from a network that is known.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, and nobody is there to be asked for its password")


def _bad(setting: str, what: str, error: Exception) -> SettingsError:
    why = getattr(error, "strerror", None) or str(error)
    return SettingsError(
        "bad-certificates",
        f"{setting}: {what} cannot be used: {why}",
        hint="name PEM files that this account can read",
    )
