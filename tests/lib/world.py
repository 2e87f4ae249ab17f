"""An origin, mirrors of it, and the real gateway between them and a client."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.gateway import Gateway, TestMirror
from lib.index import Index
from lib.serving.servers import RecordingServer, Seen

MB = 1 << 20


@dataclass(slots=True)
class World:
    """Everything that one test runs. Made by the `world` fixture, which ends it too."""

    root: Path
    index: Index
    pages: RecordingServer
    files: RecordingServer
    """The origin's second host, where its files are."""
    mirrors: list[RecordingServer]
    described: list[TestMirror]
    origin: str
    """The index's URL."""
    stack: contextlib.ExitStack
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    """More origins, by name."""
    command: Sequence[str] = ()
    """The first words of the gateway's command line, where they are others than the usual."""
    running: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The gateway; started when first asked for."""
        if self.running is None:
            made = Gateway(
                self.root / "gateway",
                origins=[self.origin],
                mirrors=self.described,
                settings=self.settings,
                env=self.env,
                named=self.named,
            )
            made.command = [*self.command] or made.command
            self.running = self.stack.enter_context(made)
        return self.running

    @property
    def servers(self) -> list[RecordingServer]:
        """All upstreams."""
        return [self.pages, self.files, *self.mirrors]

    def at_mirrors(self, match: str = "*") -> list[Seen]:
        """All that any mirror was asked."""
        return [seen for mirror in self.mirrors for seen in mirror.requests(match)]

    def sent(self, match: str = "*.whl") -> dict[str, int]:
        """Bytes that each upstream gave for paths that fit."""
        return {server.name: server.bytes_sent(match) for server in self.servers}

    def assert_polite(self) -> None:
        """What holds for every mirror in every test: files and what lies beside them, nothing that
        tells of the user, an honest name, no content coding.
        """
        for seen in self.at_mirrors():
            assert "/packages/" in seen.path, seen
            assert not {"authorization", "cookie", "proxy-authorization", "referer"} & set(
                seen.headers
            ), seen
            assert seen.headers.get("user-agent", "").startswith("headrace/"), seen
            assert seen.headers.get("accept-encoding") == "identity", seen


def make_world(
    root: Path,
    stack: contextlib.ExitStack,
    *,
    mirrors: int = 2,
    mirror_rate: float | None = 16 * MB,
    origin_rate: float | None = 8 * MB,
    settings: Mapping[str, str | int | float | bool] | None = None,
    env: Mapping[str, str] | None = None,
    more: Sequence[TestMirror] = (),
    one_host: bool = False,
    tls: ssl.SSLContext | None = None,
    domain: str = "",
    host: str = "127.0.0.1",
    missing: Sequence[str] = (),
    **mirror_fields: Any,
) -> World:
    """Start the servers. Rates are bytes per second of each server's link; `tls` is the origin's;
    `missing` are names of files that no mirror has yet. With a `domain` the upstreams are
    ``pages.<domain>`` and so on, which only a proxy can reach; `host` is the address of all.
    """

    def server(name: str, **rest: Any) -> RecordingServer:
        known_as = f"{name}.{domain}" if domain else ""
        return stack.enter_context(RecordingServer(name=name, known_as=known_as, host=host, **rest))

    index = Index()
    pages = server("pages", tls=tls)
    pages.compress = True
    pages.cache_control = "max-age=600, public"
    files = pages if one_host else server("files", rate=origin_rate, tls=tls)
    origin = index.mount_origin(pages, files)
    running: list[RecordingServer] = []
    described: list[TestMirror] = []
    for number in range(mirrors):
        mirror = server(f"mirror{number}", rate=mirror_rate)
        base = index.mount_mirror(mirror, without=missing)
        running.append(mirror)
        described.append(TestMirror(mirror.name, base, rank=number, **mirror_fields))
    return World(
        root,
        index,
        pages,
        files,
        running,
        [*described, *more],
        origin,
        stack,
        dict(settings or {}),
        dict(env or {}),
    )


MakeWorld = Callable[..., World]
