"""A line of JSON for each answer: who, what, how many bytes from where, how long, and what was
decided. Names of the Elastic Common Schema (8), which Loki, Elasticsearch and OpenTelemetry's
collectors read as they are. No secret is in it: neither what a client showed nor a query.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from headrace.errors import SettingsError
from headrace.redact import for_display

__all__ = ["AccessLog", "JSONLines"]

_log = logging.getLogger("headrace.serve")

#: Characters of what a client says of itself.
_LONGEST = 256


class AccessLog:
    """Writes lines, to standard output or to a file that is opened anew when it was moved away."""

    def __init__(self, where: str) -> None:
        """`where`: ``-``, a path, or empty for nowhere; SettingsError where that cannot be."""
        self._path = Path(where) if where not in ("", "-") else None
        self._file: IO[str] | None = sys.stdout if where == "-" else None
        self._inode = 0
        if self._path is not None:
            try:
                self._open(self._path)
            except OSError as error:
                raise SettingsError(
                    "bad-access-log",
                    f"serve.access_log: {where} cannot be written: {error.strerror or error}",
                    hint="name a file that this account can write, or '-'",
                ) from error

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line. A log that cannot be written stops nobody."""
        if self._path is not None:
            self._follow(self._path)
        if self._file is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._file.flush()

    def _open(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._inode = path.stat().st_ino

    def _follow(self, path: Path) -> None:
        """Log files are moved away by those who rotate them."""
        try:
            if path.stat().st_ino == self._inode:
                return
        except OSError:
            pass
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._open(path)


def line(
    *,
    now: float,
    service: str,
    client: str,
    address: str,
    method: str,
    path: str,
    agent: str,
    status: int,
    sent: int,
    seconds: float,
    ecosystem: str,
    verdict: str,
    sources: Mapping[str, int],
) -> dict[str, Any]:
    """Put one line together; `now` is a Unix time, `sources` are bytes by source."""
    told: dict[str, Any] = {
        "@timestamp": dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds"),
        "ecs.version": "8.11.0",
        "service.name": "headrace",
        "service.node.name": service,
        "event.dataset": "headrace.access",
        "event.duration": int(seconds * 1e9),
        "event.outcome": "success" if 0 < status < 400 else "failure",
        "user.name": client,
        "client.ip": address,
        "http.request.method": method,
        "url.path": for_display(path),
        "http.response.status_code": status,
        "http.response.body.bytes": sent,
        "user_agent.original": "".join(filter(str.isprintable, agent[:_LONGEST])),
        "headrace.ecosystem": ecosystem,
        "headrace.verdict": verdict,
    }
    if sources:
        told["headrace.bytes_by_source"] = dict(sources)
    return told


class JSONLines(logging.Formatter):
    """What the gateway itself has to say, in the same form."""

    def __init__(self, service: str) -> None:
        """`service` is this replica's name."""
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        told: dict[str, Any] = {
            "@timestamp": when.isoformat(timespec="milliseconds"),
            "ecs.version": "8.11.0",
            "service.name": "headrace",
            "service.node.name": self._service,
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(told, separators=(",", ":"))
