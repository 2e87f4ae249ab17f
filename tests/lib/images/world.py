"""A registry, mirrors of it, and the real gateway between them and an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lib.gateway import Gateway, TestMirror
from lib.images.registry import Registry
from lib.serving.servers import RecordingServer, Seen

__all__ = ["ImageWorld", "MakeImageWorld", "make_image_world"]

MB = 1 << 20


@dataclass(slots=True)
class ImageWorld:
    """Everything that one test runs."""

    root: Path
    registry: Registry
    origin: RecordingServer
    mirrors: list[RecordingServer]
    stack: contextlib.ExitStack
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    described: list[TestMirror] = field(default_factory=list)
    port: int = 0
    """The gateway's; 0: any."""
    running: Gateway | None = None
    holds_port: bool = False
    """The gateway's port is held for it, also while it is not there."""

    @property
    def gateway(self) -> Gateway:
        """The gateway; started when first asked for."""
        if self.running is None:
            made = Gateway(
                self.root / "gateway",
                mirrors=self.described,
                settings=self.settings,
                ecosystem="docker",
                named={"docker.io": self.origin.url, "ghcr.io": self.origin.url},
                port=self.port,
            )
            if self.holds_port:
                made.hold_port()
            self.running = self.stack.enter_context(made)
        return self.running

    def at_mirrors(self, match: str = "*") -> list[Seen]:
        """All that any mirror was asked."""
        return [seen for mirror in self.mirrors for seen in mirror.requests(match)]

    def assert_polite(self) -> None:
        """What holds for every mirror in every test: nothing but content by digest is asked of it,
        and nothing of the user is shown.
        """
        for seen in self.at_mirrors():
            if seen.path.startswith("/token"):
                assert "authorization" not in seen.headers, seen
                continue
            assert "/sha256:" in seen.path, seen
            assert seen.method == "GET", seen
            # Registries have no manifest for those who do not say that they take it.
            assert "/manifests/" not in seen.path or "manifest" in seen.headers["accept"], seen
            shown = seen.headers.get("authorization", "Bearer stranger-")
            assert shown.startswith("Bearer stranger-"), seen
            assert "cookie" not in seen.headers, seen

    def assert_origin_is_spared(self, *, lied: bool = False) -> None:
        """The registry counted no pull, and gave no byte of content; where a mirror `lied`, it
        said of some places of a layer who is right.
        """
        if lied:
            assert self.origin.bytes_sent("*/blobs/*") <= 8 * 64 * 1024
            assert not self.origin.requests("*/manifests/*", method="GET")
            return
        for seen in self.origin.requests("/v2/*/*"):
            assert seen.method == "HEAD" or seen.status == 401, seen


MakeImageWorld = Callable[..., ImageWorld]


def make_image_world(
    root: Path,
    stack: contextlib.ExitStack,
    *,
    mirrors: int = 2,
    rate: float | None = 32 * MB,
    origin_rate: float | None = 8 * MB,
    tokens: bool = True,
    settings: Mapping[str, str | int | float | bool] | None = None,
) -> ImageWorld:
    """Start the servers. Rates are bytes per second of each server's link."""
    registry = Registry(tokens=tokens)
    origin = stack.enter_context(RecordingServer(name="registry", rate=origin_rate))
    registry.mount(origin)
    running, described = [], []
    for number in range(mirrors):
        mirror = stack.enter_context(RecordingServer(name=f"mirror{number}", rate=rate))
        registry.mount(mirror, below="docker.io/" if number % 2 else "")
        running.append(mirror)
        layout = "prefix" if number % 2 else "registry"
        described.append(
            TestMirror(mirror.name, mirror.url, layout, rank=number, ecosystem="docker")
        )
    return ImageWorld(root, registry, origin, running, stack, dict(settings or {}), described)
