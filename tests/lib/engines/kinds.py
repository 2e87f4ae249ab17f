"""Which engines there are: of this machine, and of other Debian suites (`lib.engines.roots`)."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from lib.capabilities import lacks
from lib.engines import roots, spaces

__all__ = ["AGES", "HERE", "NAMES", "Kind", "why_not"]

_PROGRAMS = {
    "skopeo": ("skopeo",),
    "podman": ("podman",),
    "buildah": ("buildah",),
    "containerd": ("containerd", "ctr"),
    "dockerd": ("dockerd", "docker", "containerd", "iptables"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One engine of one age."""

    name: str
    program: str
    suite: str = ""
    """The Debian suite whose root it lives in; empty: this machine's own."""
    store: str = ""
    """dockerd's image store: ``containerd``, else the classic one."""
    version: tuple[int, ...] = ()
    """Of an engine in a root, as far as tests depend on it."""

    def __str__(self) -> str:
        """Name it in a test's id."""
        return self.name


#: Those that CI installs.
NAMES = ("skopeo", "podman", "containerd", "dockerd")
HERE = {name: Kind(name, name) for name in (*NAMES, "buildah")}
#: Those of other ages.
AGES = (
    Kind("dockerd-26.1-classic", "dockerd", "trixie", version=(26,)),
    Kind("dockerd-26.1-containerd", "dockerd", "trixie", "containerd", (26,)),
    Kind("dockerd-28.5-classic", "dockerd", "forky", version=(28,)),
    Kind("dockerd-28.5-containerd", "dockerd", "forky", "containerd", (28,)),
    Kind("containerd-1.7", "containerd", "trixie"),
    Kind("containerd-2.1", "containerd", "forky"),
    Kind("podman-5.8", "podman", "forky"),
    Kind("skopeo-1.22", "skopeo", "forky"),
    Kind("buildah-1.43", "buildah", "forky"),
)


def why_not(kind: Kind) -> str | None:
    """Say why an engine cannot run here; None: it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return lacks("root", "engines of containers")
    if kind.suite:
        why = roots.why_no_root(kind.suite)
        return lacks("engines of other ages", why) if why else None
    if kind.program in ("podman", "buildah", "dockerd") and (trouble := spaces.trouble()):
        return lacks("root", f"{kind.program} unpacks layers in namespaces: {trouble}")
    missing = [each for each in _PROGRAMS[kind.program] if shutil.which(each) is None]
    return lacks("engines", f"{', '.join(missing)} is not installed here") if missing else None
