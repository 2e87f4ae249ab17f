"""Where a cell is played: an origin, three mirrors and a file of an exact size, by ecosystem.

The worlds are those of the contract tests.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from lib import wheels
from lib.conda import channels
from lib.conda.channels import Package
from lib.conda.world import World as CondaWorld
from lib.conda.world import assert_says_nothing
from lib.conda.world import make_world as make_conda_world
from lib.gateway import Gateway, TestMirror
from lib.images import content
from lib.images.content import Image
from lib.images.world import ImageWorld, make_image_world
from lib.index import JSON
from lib.serving.servers import RecordingServer
from lib.wheels import Built
from lib.world import World, make_world

__all__ = ["MIRRORS", "NAME", "OLDER_WHEEL", "STAGES", "Stage"]

MIRRORS = 3
NAME = "large"
#: Seconds that a far origin takes: for a file that one request can give, mirrors are asked then.
_FAR = 0.1
_SMALL = 1 << 20
#: Seconds that the origin takes for a page where mirrors' pages are what is tried.
_SLOW_PAGES = 1.5


@dataclass(slots=True)
class Stage:
    """What faults and clients see of one cell's world."""

    world: World | CondaWorld | ImageWorld
    origin: RecordingServer
    """The host of the origin that gives files."""
    mirrors: list[RecordingServer]
    described: list[TestMirror]
    stack: contextlib.ExitStack
    files: str
    """Pattern of the paths of files."""
    pages: str
    """Pattern of the paths of what names files, at a mirror."""
    size: int
    twin: Callable[[], bytes] = field(repr=False)
    """Gives a well-formed file of the same size in its place."""
    shorter: Callable[[], bytes] = field(repr=False)
    stale: Callable[[RecordingServer], None] = field(repr=False)
    """Makes a mirror one that was copied before the file came."""
    of_pages: bool = False
    """Mirrors' pages are what is tried."""

    @property
    def gateway(self) -> Gateway:
        """The gateway; started when first asked for."""
        return self.world.gateway

    @property
    def servers(self) -> list[RecordingServer]:
        """All who give files, the origin last."""
        return [*self.mirrors, self.origin]

    def describe(self, number: int, change: Callable[[str], str]) -> None:
        """Let the settings have another address for a mirror."""
        at = self.described[number]
        self.described[number] = replace(at, url=change(at.url))

    def sent(self) -> dict[str, int]:
        """Bytes of files that each gave."""
        return {server.name: server.bytes_sent(self.files) for server in self.servers}

    def assert_polite(self) -> None:
        """What holds for every mirror in every test."""
        if not (self.of_pages and isinstance(self.world, World)):
            self.world.assert_polite()
            return
        # The only mirrors that are asked for pages.
        for mirror in self.mirrors:
            for seen in mirror.seen:
                assert_says_nothing(seen)


class Make(Protocol):
    """Makes a stage."""

    def __call__(self, root: Path, stack: contextlib.ExitStack, size: int, *, pages: bool) -> Stage:
        """Take a folder, what ends it all, the file's size, and what is tried: mirrors' `pages`,
        or their files.
        """


# ---------------------------------------------------------------------- files of an exact size


@functools.cache
def wheel(size: int, seed: str = "") -> Built:
    """Make a wheel of exactly `size` bytes."""
    payload = size // 2
    # Twice: its table of files tells the payload's size, with one digit more or less.
    for _ in range(2):
        payload += size - len(wheels.wheel(NAME, "2.0", size=payload, seed=seed).data)
    made = wheels.wheel(NAME, "2.0", size=payload, seed=seed)
    assert len(made.data) == size, (len(made.data), size)
    return made


@functools.cache
def conda_package(size: int, seed: str = "") -> Package:
    """Make a `.conda` of exactly `size` bytes."""
    made = channels.package(NAME, "2.0", size=size - 16_000, seed=seed)
    return channels.lengthened(made, size)


@functools.cache
def image(size: int, seed: str = "") -> Image:
    """Make an image with a layer of exactly `size` bytes."""
    return content.image(f"{NAME}{seed}", size=size - 32_000, layer_size=size)


OLDER_WHEEL = wheels.wheel(NAME, "1.0")

# ---------------------------------------------------------------------- the worlds


def python(root: Path, stack: contextlib.ExitStack, size: int, *, pages: bool) -> Stage:
    """An index, and a wheel on it beside an older one."""
    settings = {"provisional_after": 0.2} if pages else {}
    world = make_world(
        root, stack, mirrors=MIRRORS, settings=settings, gives_documents=pages, origin_rate=16 << 20
    )
    built = wheel(size)
    world.index.add(wheels.wheel("warm"), OLDER_WHEEL, built)
    if size <= _SMALL:
        world.files.delay = _FAR
    if pages:
        # Where the origin keeps its files is known from any page of its own.
        world.gateway.get("/simple/warm/", {"Accept": JSON})
        world.pages.delay = _SLOW_PAGES

    def stale(mirror: RecordingServer) -> None:
        world.index.mount_mirror(mirror, without=[built.name])

    return Stage(
        *(world, world.files, world.mirrors, world.described, stack, "*.whl", "/simple/*", size),
        twin=lambda: wheel(size, "evil").data,
        shorter=lambda: wheel(size // 2, "evil").data,
        stale=stale,
        of_pages=pages,
    )


def conda(root: Path, stack: contextlib.ExitStack, size: int, *, pages: bool) -> Stage:
    """A channel, and a package in it beside an older one."""
    made, old = conda_package(size), channels.package(NAME, "1.0")
    world = make_conda_world(root, stack, old, made, mirrors=MIRRORS, origin_rate=16 << 20)
    if size <= _SMALL:
        world.origin.delay = _FAR
    before = world.channel.copy(without=[made])

    def stale(mirror: RecordingServer) -> None:
        world.channel.mount_mirror(
            mirror, prefix="/copies", documents=before, sharded=True, without=[made.filename]
        )

    if pages:
        for mirror in world.mirrors:
            world.channel.mount_mirror(
                mirror, prefix="/copies", documents=world.channel, sharded=True
            )
    return Stage(
        *(world, world.origin, world.mirrors, world.described, stack),
        *("*.conda", "*repodata*", size),
        twin=lambda: conda_package(size, "evil").data,
        shorter=lambda: conda_package(size // 2, "evil").data,
        stale=stale,
        of_pages=pages,
    )


def images(root: Path, stack: contextlib.ExitStack, size: int, *, pages: bool) -> Stage:
    """A registry, and an image in it with one large layer."""
    world = make_image_world(root, stack, mirrors=MIRRORS, origin_rate=32 << 20)
    made = image(size)
    world.registry.put(f"library/{NAME}", made)
    if size <= _SMALL or pages:
        world.origin.delay = _FAR

    def stale(mirror: RecordingServer) -> None:
        mirror.mounts.clear()

    return Stage(
        *(world, world.origin, world.mirrors, world.described, stack),
        *(f"*/blobs/{made.layer.digest}", "*/manifests/*", size),
        twin=lambda: image(size, "evil").layer.data,
        shorter=lambda: image(size // 2, "evil").layer.data,
        stale=stale,
        of_pages=pages,
    )


STAGES: Mapping[str, Make] = {"python": python, "conda": conda, "images": images}
