"""A machine as far as it decides which build of a package can run on it, and such a build.

Frozen values; nothing here looks at a machine. Versions of CUDA are pairs of numbers, because
12.10 is newer than 12.9.
"""

from __future__ import annotations

import enum
from dataclasses import field

from headrace.values import dataclass

__all__ = ["Accelerator", "Host", "Situation", "Variant", "VariantRequest"]


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A GPU as found. `capability` is CUDA's (major, minor); other makers name an architecture."""

    maker: str
    """``nvidia``, ``amd``, ``intel``, ``apple``, ``huawei``; lower case."""
    name: str
    capability: tuple[int, int] | None = None
    """None: it could not be read (a virtual GPU, a lost one), or the maker has none."""
    architecture: str | None = None
    """``gfx1100``; None for NVIDIA."""
    driver: str | None = None
    runtime: str | None = None
    """Highest CUDA or ROCm version that the driver reports."""
    memory: int | None = None
    """Bytes."""
    method: str = ""
    """Which way of asking answered."""
    integrated: bool = False
    """Part of the processor: it must not decide where there is a card."""
    mig: bool = False
    """NVIDIA: it is split into instances (MIG), which have its capability."""


class Situation(enum.StrEnum):
    """Why a host stands as it does, where the list of its accelerators does not tell."""

    ORDINARY = "ordinary"
    """What was found is what there is: no accelerator means none."""
    CONTAINER = "container"
    """In a container that shows a driver or none and no GPU: one that is being built, or that was
    started without its GPUs. The host it will run on is not known."""
    LOGIN_NODE = "login node"
    """A batch system's front end: jobs run on other hosts."""
    DRIVER_MISSING = "driver missing"
    """There is a GPU on the bus, and no driver for it."""
    UNREADABLE = "unreadable"
    """A driver is loaded and may not be asked (permissions, a cgroup)."""
    TEGRA = "tegra"
    """NVIDIA's boards with a vendor's own packages (Jetson)."""


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of a machine. Found by detection, or described by the user."""

    accelerators: tuple[Accelerator, ...] = ()
    driver: str | None = None
    """NVIDIA's kernel driver, as it writes its version; on WSL the one of Windows."""
    cuda: tuple[int, int] | None = None
    """CUDA that the driver reports; None: not asked, then the driver's version tells."""
    platform: str = "linux"
    """As `sys.platform`: ``linux``, ``win32``, ``darwin``."""
    machine: str = "x86_64"
    """``x86_64`` or ``aarch64``; arm64 and AMD64 are spelled so too."""
    libc: tuple[int, int] | None = None
    """Version of glibc; None: not Linux, another libc, or unknown."""
    os_version: tuple[int, int] | None = None
    """Of macOS."""
    situation: Situation = Situation.ORDINARY
    wsl: bool = False
    notes: tuple[str, ...] = ()
    """Sentences for people: what was odd, and what to do about it (``reboot``)."""
    method: str = ""
    """Which way of asking answered: ``nvml``, ``libcuda``, ``nvidia-smi``, ``sysfs``, …"""
    tried: tuple[tuple[str, str], ...] = ()
    """Each way that was tried before, and what it said."""
    target: bool = False
    """Described by the user (an override, ``--for``), not found."""
    python: str | None = None
    """Of a described host: its Python, which counts before the request's."""
    extra: tuple[tuple[str, str], ...] = field(default=())
    """More facts for `explain` (``NVIDIA_REQUIRE_CUDA`` of the image, the batch system's name)."""


@dataclass(frozen=True, slots=True)
class VariantRequest:
    """What an installer asks a package for, as far as it bears on builds for accelerators."""

    project: str
    python: str | None = None
    platform: str | None = None
    specifier: str = ""
    companions: tuple[tuple[str, str], ...] = ()
    """Other projects that are asked for at the same time, each with its specifier."""
    installed: str | None = None
    """Version of the family's lead that is there already, with its local part."""
    explicit: str = ""
    """Not empty: the user has chosen the very build, and how (``hashes``, ``a URL``)."""
    known: bool = False
    """False: only the page's URL is known, and what else is asked for may be anything."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A build of a package for accelerators, with the reason why it was chosen."""

    label: str
    reason: str
