"""Files of which wrong bytes may have gone out, and who may hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from headrace.models import Artifact
from headrace.policy.lru import LRUCache

__all__ = ["WrongBytes", "etag_of"]

#: Files that are remembered.
REMEMBERED = 1024
#: Different clients of one file that are told apart; of more nothing is known.
_MOST_AGENTS = 16


class Reading(Protocol):
    """What is known at the end of a client's reading (`DownloadReader`)."""

    @property
    def etag(self) -> str:
        """The entity tag of what it was given."""

    @property
    def unchecked(self) -> bool:
        """Whether it was given anything before the digest agreed."""


def etag_of(artifact: Artifact) -> str:
    """Return the strong entity tag of checked bytes, in `DownloadReader.etag`'s form; empty where
    nothing names the version.
    """
    return f'"{artifact.digest.value[:32]}"' if artifact.digest else ""


class WrongBytes:
    """Remembers them, so that nobody puts the right end behind a wrong beginning.

    By the entity tag, which changes, where a client tells it (If-Range). Where it does not, by who
    it says that it is: one that read here, and nothing but what was checked, has a right beginning;
    and many that ask so give up when they are sent the whole instead of the rest.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._etags = LRUCache[str, str](REMEMBERED)
        self._readers = LRUCache[str, dict[str, bool]](REMEMBERED)
        """By path: of each client whether all that it was given was checked."""

    def etag(self, artifact: Artifact) -> str:
        """Return the entity tag of now: another one after wrong bytes may have gone out."""
        return self._etags.get(artifact.path) or etag_of(artifact)

    def is_known(self, artifact: Artifact) -> bool:
        """Whether wrong bytes of it may have gone out to anybody."""
        return artifact.path in self._etags

    def ended(self, artifact: Artifact, asked: Mapping[str, str], reading: Reading) -> None:
        """Take what was seen when a client that asked with these headers left."""
        if artifact.digest is not None:
            self.read(artifact, asked, checked=not reading.unchecked)
            if reading.etag != etag_of(artifact):
                self._etags.put(artifact.path, reading.etag)

    def read(self, artifact: Artifact, asked: Mapping[str, str], *, checked: bool) -> None:
        """A client was given some of a file."""
        readers = self._readers.get(artifact.path) or {}
        agent = asked.get("user-agent", "")
        if agent in readers or len(readers) < _MOST_AGENTS:
            readers[agent] = checked and readers.get(agent, True)
            self._readers.put(artifact.path, readers)

    def may_be_held(self, artifact: Artifact, asked: Mapping[str, str]) -> bool:
        """Whether the client that asks may have wrong bytes, and nothing tells that it has not."""
        if not self.is_known(artifact) or "if-range" in asked:
            return False
        readers = self._readers.get(artifact.path) or {}
        return not readers.get(asked.get("user-agent", ""), False)
