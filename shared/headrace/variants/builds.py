"""Builds of packages for accelerators: what they need, which are listed, which one was chosen.

Frozen values; nothing here decides. A *label* is the local version that tells builds of one release
apart (``cu126``, ``cpu``, ``rocm7.2``, ``xpu``). Versions of CUDA and compute capabilities are
pairs of numbers. Machines are ``x86_64`` and ``aarch64``, as in `hosts`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field

from headrace.values import dataclass

__all__ = [
    "DEFAULT_INDEX",
    "UNUSED",
    "Architectures",
    "Build",
    "Candidate",
    "CudaTables",
    "Decision",
    "FamilyPages",
    "Floor",
    "IntelFamily",
    "Outcome",
    "PageEntry",
    "Pair",
    "Rejection",
    "Release",
    "Requirement",
    "Toolkit",
]

Pair = tuple[int, int]
"""Major, minor: of a CUDA, of a compute capability, of a Python, of a glibc."""

#: `Candidate.index` of the index that an installer asks when nobody says otherwise.
DEFAULT_INDEX = ""
#: How it is said that a build will not use what is here, before `Decision.unused`.
UNUSED = "the accelerator will not be used"


# ------------------------------------------------------------------ what a build needs


@dataclass(frozen=True, slots=True)
class Architectures:
    """What kernels a build has."""

    sass: tuple[Pair, ...]
    """Machine code, by compute capability."""
    ptx: tuple[Pair, ...] = ()
    """Code that a driver may translate for these and all newer ones. In builds for Linux alone."""


@dataclass(frozen=True, slots=True)
class Build:
    """One CUDA build of a release."""

    label: str
    toolkit: Pair
    architectures: Mapping[str, Architectures]
    """By machine; a machine that it is not built for is missing."""
    zstd: bool = False
    """Its kernels are packed with zstd, which old drivers cannot read."""
    glibc: Pair | None = None
    """Oldest that it runs with; None: that of its release."""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the lead project."""

    version: str
    pythons: tuple[Pair, Pair]
    """Oldest and newest CPython."""
    partners: Mapping[str, str]
    """Project to the specifier of its releases that were made for this one."""
    default: Mapping[str, str]
    """``linux_x86_64``, ``linux_aarch64``, ``win32``, ``darwin`` to the label that the default
    index's build would have; empty: none of the known kinds (Metal)."""
    glibc: Pair
    builds: tuple[Build, ...]
    rocm: tuple[str, ...] = ()
    """Versions of ROCm."""


@dataclass(frozen=True, slots=True)
class Floor:
    """First drivers that run builds of a CUDA major, whatever their minor."""

    major: int
    linux: str
    windows: str


@dataclass(frozen=True, slots=True)
class Toolkit:
    """First drivers that report a CUDA version; empty: none is known."""

    cuda: Pair
    linux: str
    windows: str


@dataclass(frozen=True, slots=True)
class Compiler:
    """Which CUDA makes machine code for the GPUs of one capability major."""

    first: Pair | None
    """None: older than all that we know of."""
    last: Pair | None
    """The last one that does for `ended`; None: all do that came since."""
    ended: frozenset[Pair]


@dataclass(frozen=True, slots=True)
class IntelFamily:
    """Intel's GPUs of one design."""

    word: str
    """As compilers name it: ``dg2``, ``lnl``."""
    name: str
    """For people."""
    integrated: bool
    """Part of a processor."""
    validated: bool
    """Whether XPU builds were validated on it."""
    devices: frozenset[int]
    """Numbers of its PCI devices."""
    names: tuple[str, ...]
    """Patterns of what drivers call it, see `intel_gpus.plain`."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What the metadata of a follower without an exact pin asks of the lead."""

    project: str
    versions: str
    """Specifier of the follower's versions that this is of."""
    lead: str
    """Specifier; empty: any release."""


@dataclass(frozen=True, slots=True)
class CudaTables:
    """All that is known of builds. That one exists is for the index to say."""

    lead: str
    """The project whose build decides for all that follow it."""
    floors: tuple[Floor, ...]
    toolkits: tuple[Toolkit, ...]
    compilers: Mapping[int, Compiler]
    """By the major of a GPU's capability."""
    zstd: Pair
    """CUDA of the first driver that reads kernels packed with zstd."""
    releases: tuple[Release, ...]
    """Newest first."""
    patches: Mapping[str, Mapping[str, str]]
    """Version to partners, of releases that are built as their minor version's row is."""
    followers: frozenset[str]
    requirements: tuple[Requirement, ...]
    carried: Mapping[str, tuple[str, ...]]
    """Kind of builds to patterns (`models.fits`) of what only its variant indexes have of their
    needs."""
    same_major: frozenset[str]
    """Projects with channels of their own, which must share the lead's CUDA major."""
    rocm: Mapping[str, frozenset[str]]
    """Version of ROCm to the architectures that its builds cover."""
    rocm_unproven: frozenset[str]
    """Versions of which no wheel was read."""
    intel: tuple[IntelFamily, ...]
    """Intel's GPUs, as far as anything is known of them."""
    tegra: frozenset[Pair]
    """Capabilities whose machine code runs there alone."""
    npu: str
    """The project that brings an NPU to the lead, of the lead's own version."""
    gpus: Mapping[str, Pair]
    """Names of GPUs, as people write them, to their capability."""
    chips: Mapping[range, Pair]
    """Numbers of NVIDIA's PCI devices to their capability."""

    @property
    def family(self) -> frozenset[str]:
        """The projects that this is about."""
        return self.followers | {self.lead}


# ------------------------------------------------------------------ what is listed


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """One build of one version that an index lists now."""

    project: str
    """Normalised name."""
    version: str
    """Public version: without the local part."""
    label: str = ""
    """Local part; empty where the index lists it without one."""
    index: str = DEFAULT_INDEX
    """The variant index (``cu126``) that lists it."""
    wheels: tuple[str, ...] = ()
    """The tags of its wheels, ``cp312-cp312-manylinux_2_28_x86_64``; empty: not known, any."""
    yanked: bool = False
    requires: str = ""
    """Specifier of the lead in its metadata, where that is known."""

    @property
    def name(self) -> str:
        """The version as an installer writes it."""
        return f"{self.version}+{self.label}" if self.label else self.version


# ------------------------------------------------------------------ what was decided


class Outcome(enum.StrEnum):
    """What becomes of a request."""

    CHOSEN = "chosen"
    """`Decision.candidate` is the build for this host; it may be the default index's own."""
    UPSTREAM = "upstream"
    """Nothing listed can be recommended: the default stays, and `Decision.reason` says why."""
    HANDS_OFF = "hands off"
    """The user has chosen, or it is no project with builds to choose from."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate that was not chosen, and why, in a few words."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Which build an installer should get, and why."""

    outcome: Outcome
    project: str
    reason: str
    """One sentence for people, without a full stop."""
    candidate: Candidate | None = None
    label: str = ""
    """What the candidate is, also where its index does not write it."""
    covered: tuple[int, ...] = ()
    """Places in `Host.accelerators` of those that it has kernels for."""
    warnings: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    companions: tuple[Candidate, ...] = ()
    """The builds that go with it, of the projects that were asked for too."""
    unused: str = ""
    """Not empty: the accelerators here will not be used, for this cause, and what would help."""

    @property
    def name(self) -> str:
        """``2.14.1+cu126``; empty when nothing was chosen."""
        if self.candidate is None:
            return ""
        version = self.candidate.version
        return f"{version}+{self.label}" if self.label else version


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file on a project's page."""

    name: str
    yanked: bool = False
    dated: bool = False
    """Whether the page says when it was uploaded: who installs nothing newer than a day needs it
    of every file, pip ends where one lacks it.
    """


@dataclass(frozen=True, slots=True)
class PageEntry:
    """What a project's page for this host does with a candidate."""

    candidate: Candidate
    listed: bool
    """Whether it is there: all of the default index are, of the variants the chosen ones."""
    yanked: str = ""
    """Not empty: it must not win by itself, and this is what an installer shows who pins it."""
    note: str = ""
    """Why it is as it is, where that is worth telling."""


@dataclass(frozen=True, slots=True)
class FamilyPages:
    """The pages of the whole family for one host, on one decision."""

    decision: Decision
    pages: Mapping[str, tuple[PageEntry, ...]] = field(default_factory=dict)
    """By project; one that is missing stays as the default index has it."""
