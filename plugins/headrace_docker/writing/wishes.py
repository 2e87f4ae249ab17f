"""What every file of a written folder is made of: what was asked for, and what was found. Pure."""

from __future__ import annotations

from headrace.interface import ImageWishes as Wishes
from headrace.interface import dataclass

__all__ = [
    "HOST_KEYS",
    "KEYS_SECRET",
    "KEYS_VARIABLE",
    "PORTS",
    "START",
    "STOP",
    "TOKEN_SECRET",
    "TOKEN_VARIABLE",
    "WORKSPACE",
    "EngineHere",
    "SlimTorch",
    "Wishes",
    "WrittenImage",
]

#: Where the user's own folder is, inside.
WORKSPACE = "/workspace"
#: The start program, inside. `START health` ends with 0 where all that was asked for answers.
START = "/usr/local/bin/start"
#: Seconds that the start program gives what it started before it ends it.
STOP = 1.5
#: The SSH server's own keys: a volume, so that a new container is the same server.
HOST_KEYS = "/var/lib/ssh-host-keys"
#: Inside; the same numbers outside, unless the user says otherwise.
PORTS = {"jupyter": 8888, "ssh": 2222}
#: Where a token of the user's own is looked for; neither is there: one is made at each start.
TOKEN_SECRET, TOKEN_VARIABLE = "/run/secrets/jupyter_token", "JUPYTER_TOKEN"
#: Where the user's public keys are looked for, in the form of ``authorized_keys``.
KEYS_SECRET, KEYS_VARIABLE = "/run/secrets/authorized_keys", "AUTHORIZED_KEYS"


@dataclass(frozen=True, slots=True)
class SlimTorch:
    """A wheel of torch, where a slim base has none."""

    requirement: str
    """``torch==2.14.1+cu126``."""
    index: str
    """Asked beside the one that pip has; empty: that one has it."""


@dataclass(frozen=True, slots=True)
class EngineHere:
    """By which engine a folder's image is built and started."""

    name: str = "docker"
    """Or ``podman``."""
    rootless: bool = True
    """Whether whoever starts it is not root; only podman asks."""
    compose: bool = True
    """Whether its ``compose`` is here; Debian's docker and podman come without."""


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """What was found, and what is written about it."""

    family: str
    """As it is called (``pytorch``); empty: a repository of which nothing is known."""
    repository: str
    """``docker.io/pytorch/pytorch``."""
    tag: str
    digest: str
    pinned: str
    """``docker.io/pytorch/pytorch@sha256:…``."""
    cuda: tuple[int, int] | None
    rocm: str
    torch: str
    """Its release; empty: not known."""
    machine: str
    """``x86_64`` or ``aarch64``."""
    gpus: bool
    """Whether the host that it is for has any."""
    name: str
    """Of the folder: of the image that is built, and of its service."""
    wishes: Wishes
    packages: str = "apt"
    """What installs packages of the system inside: ``apt`` or ``dnf``."""
    wrapper: str = ""
    """The base's own entry program, where that ends in the command it is given."""
    several: bool = False
    """Whether that host has more than one."""
    engine: EngineHere = EngineHere()
    slim: SlimTorch | None = None
    """The wheel that is put on a slim base; None: the base has what is needed."""
