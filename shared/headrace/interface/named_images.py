"""Images that files name: what a plugin is asked about them, and what it answers."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from headrace.interface.explanations import AskForAnswer
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.variants.hosts import Host

__all__ = ["ImageFile", "ImageObject", "ImagePin", "ImageToWarm", "NamedImages", "PinState"]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that may name images, as it was read."""

    name: str
    """Its path, as people are told of it."""
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NamedImages:
    """What is asked about: images by their names, and files that name some."""

    names: tuple[str, ...]
    files: tuple[ImageFile, ...]
    find_host: Callable[[], Host]
    """Finds the host that they have to run on; takes its time only where it is asked."""
    ask: AskForAnswer
    """Asks the gateway, as an engine would."""
    platforms: tuple[str, ...] = ()
    """``linux/arm64``, …; none: the host's."""


@dataclass(frozen=True, slots=True)
class ImageObject:
    """A part of an image, by the gateway's path."""

    path: str
    digest: str
    size: int
    """Bytes, as they come."""


class PinState(enum.StrEnum):
    """How an image that a file names stands."""

    CURRENT = "current"
    """Its tag is still what it is pinned to."""
    MOVED = "moved"
    NOT_PINNED = "not pinned"
    """A tag alone: each pull brings what it is then."""
    NOT_KNOWABLE = "not knowable"
    """A digest alone: nobody can say what it should be now."""
    FAILED = "failed"
    """Its registry could not be asked, or has no such tag."""


@dataclass(frozen=True, slots=True)
class ImagePin:
    """An image that is named somewhere, and what its tag is now."""

    image: str
    """As an engine takes it, whole: ``docker.io/library/alpine:3.22@sha256:…``."""
    places: tuple[str, ...]
    """Where it is named: ``Dockerfile:3``; none: on the command line."""
    state: PinState
    lines: tuple[str, ...] = ()
    """Sentences for people, the reason first."""
    table: Mapping[str, object] = field(default_factory=dict)
    """The same as values, for ``--json``."""
    coming: tuple[ImageObject, ...] = ()
    """What the new one has and the old one has not."""
    old: str = ""
    new: str = ""
    """Digests, where one can take the other's place in `files`."""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageToWarm:
    """An image that is named somewhere, for one platform, and all that it is made of."""

    image: str
    places: tuple[str, ...]
    platform: str = ""
    objects: tuple[ImageObject, ...] = ()
    """Every manifest, configuration and layer; what several share is in each."""
    problem: str = ""
    """Why there is nothing to bring; a sentence."""
