"""Roots of other Debian suites, with the engines of their age: made once by debootstrap, then kept.

``python -m lib.engines.roots`` makes those that are missing, below ``$HEADRACE_TEST_ENGINES``. The
archive is the one that this machine's apt uses, whichever that is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["SUITES", "archive", "folder", "made", "root_of", "why_no_root"]

#: What is installed in each. Docker's own command line is one package in older suites.
SUITES: Mapping[str, Sequence[str]] = {
    "trixie": ("docker.io", "docker-cli", "containerd", "runc"),
    "forky": (
        *("docker.io", "docker-cli", "docker-buildx", "docker-compose", "containerd", "runc"),
        *("podman", "skopeo", "buildah", "crun", "netavark", "oras"),
    ),
}
_BASE = "ca-certificates,iproute2,procps"
#: debootstrap's scripts are one for all of Debian; older ones lack the newest names.
_SCRIPT = Path("/usr/share/debootstrap/scripts/sid")
_NO_DAEMONS = "#!/bin/sh\nexit 101\n"
#: Runs in mount namespaces of its own: whatever debootstrap and packages mount ends with it.
_MAKE = """
set -e
debootstrap --variant=minbase --include={base} {suite} {root} {archive} {script}
cp {policy} {root}/usr/sbin/policy-rc.d
chmod 755 {root}/usr/sbin/policy-rc.d
mount -t proc proc {root}/proc
export DEBIAN_FRONTEND=noninteractive
# A mirror may lag behind a suite that changes daily. Signatures count, also when they are old.
chroot {root} apt-get update -q -o Acquire::Check-Valid-Until=false
chroot {root} apt-get install -q -y --no-install-recommends {packages}
chroot {root} apt-get clean
rm -rf {root}/var/lib/apt/lists
chroot {root} dpkg-query -W -f '${{Package}} ${{Version}}\\n' {packages} > {root}/made
"""


def folder() -> Path:
    """Return where roots are kept."""
    told = os.environ.get("HEADRACE_TEST_ENGINES")
    return Path(told) if told else Path.home() / ".cache" / "headrace-tests" / "engines"


def root_of(suite: str) -> Path:
    """Return the root of a suite, whether it is there or not."""
    return folder() / suite


def made(suite: str) -> bool:
    """Say whether a root is whole: it has its name only then."""
    return (root_of(suite) / "made").exists()


def why_no_root(suite: str) -> str | None:
    """Say why there is no root of a suite; None: there is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "engines of other ages need root on Linux"
    if made(suite):
        return None
    if reason := _why_not_made():
        return f"no root of Debian {suite}: {reason}"
    failed = _failure(suite)
    if failed.exists():
        return f"no root of Debian {suite}: {failed.read_text().strip()}"
    return f"no root of Debian {suite} yet: `python -m lib.engines.roots` makes it"


def _why_not_made() -> str | None:
    for program in ("debootstrap", "unshare", "chroot"):
        if shutil.which(program) is None:
            return f"{program} is not installed here"
    if not _SCRIPT.exists():
        return f"debootstrap has no {_SCRIPT}"
    return None if archive() else "apt knows of no Debian archive here"


def archive() -> str | None:
    """Return the archive that this machine installs Debian's packages from."""
    if shutil.which("apt-get") is None:
        return None
    words = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    for line in told.splitlines():
        if line.startswith("Debian|Debian|main|"):
            return line.rpartition("|")[2]
    return None


def _failure(suite: str) -> Path:
    return folder() / f"{suite}.failed"


def make(suite: str) -> str | None:
    """Make the root of a suite unless it is there; return why that failed."""
    if made(suite):
        return None
    if reason := _why_not_made():
        return reason
    folder().mkdir(parents=True, exist_ok=True)
    _failure(suite).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{suite}-", dir=folder()) as scratch:
        reason = _make(suite, Path(scratch))
        if reason is None:
            (Path(scratch) / "root").rename(root_of(suite))
        else:
            _failure(suite).write_text(reason)
    return reason


def _make(suite: str, scratch: Path) -> str | None:
    policy = scratch / "policy-rc.d"
    policy.write_text(_NO_DAEMONS)
    script = _MAKE.format(
        base=_BASE,
        suite=suite,
        root=scratch / "root",
        archive=archive(),
        script=_SCRIPT,
        policy=policy,
        packages=" ".join(SUITES[suite]),
    )
    words = ["unshare", "-m", "--propagation", "private", "bash", "-c", script]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode == 0:
        return None
    sys.stderr.write(done.stdout)
    said = done.stdout.strip().splitlines()
    return f"debootstrap or apt failed: {said[-1] if said else done.returncode}"


def main() -> int:
    """Make all; 1 where one could not be made. Which engines are in them goes to stdout."""
    failed = 0
    for suite in SUITES:
        reason = why_no_root(suite) if os.geteuid() else make(suite)
        if reason is not None:
            failed = 1
            sys.stdout.write(f"{suite}: {reason}\n")
            continue
        sys.stdout.write(f"{suite}: {root_of(suite)}\n{(root_of(suite) / 'made').read_text()}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
