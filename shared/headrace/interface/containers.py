"""How commands of containers are led: not the engine's program, but what it starts inside.

A container has a network of its own, where this machine's loopback is out of reach, and files of
its own. So the gateway has a door on the engine's bridge for as long as the command lives, and a
plugin says how the address of that door gets inside, and leaves nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from headrace.interface.activations import GatewayAddress, Place
from headrace.models import Origin
from headrace.values import dataclass

__all__ = [
    "ContainerCommand",
    "ContainerNetwork",
    "InsideLead",
    "LeadsContainers",
    "LedInside",
    "NotLed",
    "ReadInContainers",
]


@dataclass(frozen=True, slots=True)
class InsideLead:
    """What leads processes within containers, for one command."""

    proxy: str = field(repr=False)
    """URL of the proxy, with its token: a secret. It must be on no command line."""
    excepted: str
    """What ``NO_PROXY`` is to say; empty: nothing."""
    certificate: Path
    """PEM file of the authority that they must trust."""
    authorities: Path
    """The same, beside all that this machine trusts."""
    variables: tuple[str, ...]
    """That name a file of authorities, whoever reads them."""
    scratch: Path
    """A folder of this command, which goes with it."""


@dataclass(frozen=True, slots=True)
class ContainerCommand:
    """What is run in place of the user's command."""

    words: tuple[str, ...]
    variables: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    """For the engine's own program."""
    files: Mapping[Path, bytes] = field(default_factory=dict, repr=False)
    """Below the scratch folder, for this user alone."""
    programs: frozenset[Path] = frozenset()
    """Those of the files that are executed."""


@dataclass(frozen=True, slots=True)
class LedInside:
    """How a command is led."""

    command: Callable[[InsideLead], ContainerCommand]
    """LocalError where that cannot be done."""
    host: str = ""
    """This machine's address on the containers' bridge; empty: they have its own loopback."""
    network: str = ""
    """Where on that bridge containers are: ``10.88.0.0/16``. `host` alone (``192.0.2.7/32``): there
    is no bridge, and a program of this machine connects for them."""
    interface: str = ""
    """The bridge, by the name that the kernel has for it; empty: it is not known."""
    there: bool = True
    """Whether the bridge is there before a container is."""


@dataclass(frozen=True, slots=True)
class NotLed:
    """Why a command of containers is not led."""

    reason: str
    hint: str = ""
    refused: bool = False
    """It is not even run by those who asked for its being led: there is a way, which they miss."""


@runtime_checkable
class LeadsContainers(Protocol):
    """An engine whose containers can be led."""

    def inside(self, words: Sequence[str], place: Place) -> LedInside | NotLed | None:
        """Say how a command's containers are led; None: it starts none that this engine knows.

        May ask the engine, in bounds.
        """


@dataclass(frozen=True, slots=True)
class ContainerNetwork:
    """A network that an engine has for its containers, as the engine tells it."""

    engine: str
    name: str
    host: str = ""
    """This machine's address there; empty: it has none."""
    subnet: str = ""
    """Where containers are: ``172.17.0.0/16``."""
    interface: str = ""
    """The bridge, by the name that the kernel has for it."""
    known_as: str = ""
    """The name by which such containers find this machine without being told; empty: there is
    none."""
    names: tuple[str, ...] = ()
    """All names that engines have for it, where they are asked for one."""
    why_not: str = ""
    """Why this machine cannot be reached from there."""


@runtime_checkable
class ReadInContainers(Protocol):
    """An `Activation` whose tool can be pointed at the gateway within a container, by files that
    its user mounts there.
    """

    def in_containers(
        self, gateway: GatewayAddress, origins: Sequence[Origin]
    ) -> Mapping[PurePosixPath, bytes]:
        """Return files by their place in a container; none where the gateway fronts nothing."""
