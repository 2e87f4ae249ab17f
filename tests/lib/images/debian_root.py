"""Roots of a Debian with Python and pip, as base images have them: made once, then kept.

``python -m lib.images.debian_root`` makes them, from the archive that this machine's apt uses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lib.clients import cache
from lib.engines.roots import archive

__all__ = ["SLIM", "SUITE", "make", "packed", "why_not"]

SUITE = "bookworm"
#: Its Python is that of a slim image's base.
SLIM = "trixie"
#: What a written folder installs is in it, so that a build needs no network for the system's part.
_PACKAGES = {
    SUITE: "ca-certificates,python3,python3-pip,tini,openssh-server,libnss-wrapper",
    SLIM: "ca-certificates,python3,python3-pip,tini,gcc",
}


def packed(suite: str = SUITE) -> Path:
    """Return where it is, as a tar file, whether it is there or not."""
    return cache() / f"debian-{suite}.tar"


def why_not(suite: str = SUITE) -> str | None:
    """Say why there is none; None: there is."""
    if packed(suite).exists():
        return None
    return f"no root of Debian {suite} yet: `python -m lib.images.debian_root` makes it"


def make(suite: str = SUITE) -> str | None:
    """Make it unless it is there; return why that failed."""
    to = packed(suite)
    if to.exists():
        return None
    if os.geteuid():
        return "debootstrap needs root"
    where = archive()
    if shutil.which("debootstrap") is None or where is None:
        return "debootstrap or the archive that it asks is missing here"
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debian-", dir=to.parent) as scratch:
        root, made = Path(scratch) / "root", Path(scratch) / "root.tar"
        words = [
            "debootstrap",
            "--variant=minbase",
            f"--include={_PACKAGES[suite]}",
            suite,
            str(root),
            where,
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"debootstrap failed: {(done.stdout + done.stderr).strip()[-300:]}"
        for leftover in (root / "var/cache/apt/archives").glob("*.deb"):
            leftover.unlink()
        (root / "etc/apt/sources.list").write_text(f"deb {where} {suite} main\n")
        words = ["tar", "--one-file-system", "-C", str(root), "-cf", str(made), "."]
        subprocess.run(words, check=True)
        made.rename(to)
    return None


def main() -> int:
    """Make them; 1 where one failed."""
    reasons = {suite: make(suite) for suite in _PACKAGES}
    for suite, reason in reasons.items():
        sys.stdout.write(f"{reason or packed(suite)}\n")
    return 1 if any(reasons.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
