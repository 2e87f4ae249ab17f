"""What every lab can do, however it is built."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.lab.faults import LabFault
from benchmarks.lab.topology import Topology

__all__ = ["Lab", "Traffic", "workroom"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a host has sent towards the client since the lab was built."""

    bytes: int
    """Arrived, headers of IP and TCP included where the lab has packets."""
    packets: int = 0
    dropped: int = 0
    """Packets for which the queue had no room."""
    lost: int = 0
    """Packets that vanished at random."""


class Lab(ABC):
    """Hosts that serve the same files over uneven lines, and a place to run clients."""

    kind: str
    """How it is built, for the table."""
    topology: Topology
    authority: Path | None = None
    """The certificate authority that clients must trust for https; None: there is no https."""

    @abstractmethod
    def url(self, host: str, *, secure: bool = False) -> str:
        """Give a host's base URL as its client sees it, without a final slash.

        `secure` asks for https where the lab has it.
        """

    @abstractmethod
    def command(self, words: Sequence[str]) -> list[str]:
        """Give the words that run a command on the client's host."""

    @property
    def network(self) -> Path | None:
        """The network namespace of the client's host, as a file; None: this machine's own."""
        return None

    @abstractmethod
    def fail(self, host: str, fault: LabFault) -> None:
        """Let a host fail from now on."""

    @abstractmethod
    def restore(self, host: str) -> None:
        """Make a host well again."""

    @abstractmethod
    def limit_access(self, rate: float) -> None:
        """Set the client's own link to `rate` Mbit/s."""

    @abstractmethod
    def traffic(self) -> Mapping[str, Traffic]:
        """Count what each host has sent."""

    def requests(self, path: str = "") -> Mapping[str, int]:
        """Count how often each host was asked for this path, for anything where none is given;
        empty where the lab does not know.
        """
        del path
        return {}

    @abstractmethod
    def close(self) -> None:
        """Remove the lab and everything that runs in it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def workroom(name: str) -> Path:
    """Make a new folder that nobody else uses."""
    return Path(tempfile.mkdtemp(prefix=f"headrace-{name}-"))
