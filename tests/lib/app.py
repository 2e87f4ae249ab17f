"""The gateway's application under a real server, in a thread, and requests that are sent raw."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

import headrace_pip.plugin
from headrace.config import Folders, Settings
from headrace.gateway.app import build_app
from headrace.gateway.connection import ClientConnection, ClientConnections
from headrace.gateway.wiring import Components, assemble
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.interface.manager import Plugins
from headrace.models import Credential, Mirror, OperatorClass, Origin
from lib.index import JSON
from lib.waiting import HANG


@dataclass(frozen=True, slots=True)
class Told:
    """An answer; `complete` is False when the connection ended before the promised length."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


def mirror(name: str, url: str, **fields: Any) -> Mirror:
    """Describe a mirror in the official layout."""
    fields.setdefault("operator_class", OperatorClass.ORGANISATION)
    return Mirror(name, "python", url, "packages", **fields)


class App:
    """`build_app` served on a free port. A context manager."""

    def __init__(
        self,
        root: Path,
        *origins: str | Origin,
        mirrors: Iterable[Mirror] = (),
        plugins: Sequence[object] = (),
        credentials: Mapping[str, Credential] | None = None,
        token: str | None = None,
        secret: str | None = None,
        machine: bool = False,
        **settings: Any,
    ) -> None:
        """`origins` are the index's URLs; those with a credential are private."""
        known = dict(credentials or {})
        self.origins = [
            each
            if isinstance(each, Origin)
            else Origin(
                "python",
                each,
                private=each in known,
                name="default" if not number else f"o{number}",
            )
            for number, each in enumerate(origins)
        ]
        self.token = token
        self._secret, self._machine = secret, machine
        self._found = [DiscoveredOrigin(o, "a test", known.get(o.url)) for o in self.origins]
        self._root = root
        settings.setdefault("catalogue", False)
        self._settings = Settings(mirrors=tuple(mirrors), **settings)
        self._plugins = [*plugins, headrace_pip.plugin]
        self.parts: Components
        self.connections = ClientConnections()
        self.port = 0

    def __enter__(self) -> Self:
        folders = Folders(*(self._root / name for name in ("config", "state", "cache")))
        plugins = Plugins(self._plugins, entry_points=False)
        self.parts = assemble(self._settings, folders, self._found, {}, plugins)
        app = build_app(self.parts, self.token, self._secret, machine=self._machine)
        listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = listening.getsockname()[1]
        connection: Any = partial(ClientConnection, registry=self.connections)
        config = uvicorn.Config(
            app,
            http=connection,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],))
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the application did not start"
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(HANG)

    def ask(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        host: str | None = None,
    ) -> Told:
        """Send a request whose target stays as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG)
        with contextlib.closing(connection):
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host or f"127.0.0.1:{self.port}")
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            try:
                return Told(answer.status, told, answer.read())
            except http.client.IncompleteRead as cut:
                return Told(answer.status, told, cut.partial, complete=False)

    def page(self, project: str, accept: str = JSON, **headers: str) -> Told:
        """Ask for a project's page."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(f"/simple/{project}/", {"Accept": accept, **given})

    def status(self) -> Any:
        """Read `/status`."""
        return self.ask("/status").json()
