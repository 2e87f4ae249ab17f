"""Where an engine runs: on this machine as it is, or inside the root of another Debian suite.

Of a root nothing is changed but what lies in the engine's own folder, which has the same name
inside: mounts are of a namespace of their own, and end with whoever made it.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from lib.engines import roots
from lib.waiting import HANG, until

__all__ = ["enter", "home"]

_ENTER = """
set -e
mount --bind {base} {base}
mount --make-private {base}
mount --rbind /dev {base}/dev
mount -t proc proc {base}/proc
mount --rbind /sys {base}/sys
for folder in run tmp etc/docker etc/containers; do mkdir -p {base}/$folder; done
cp -r {base}/etc/containers {root}/containers
for folder in run tmp; do mount -t tmpfs tmpfs {base}/$folder; done
mkdir -p {root}/docker {base}{root}
mount --bind {root} {base}{root}
mount --bind {root}/docker {base}/etc/docker
mount --bind {root}/containers {base}/etc/containers
touch {root}/entered
exec sleep 100000
"""


@contextlib.contextmanager
def home(suite: str, root: Path) -> Iterator[int | None]:
    """Make the place; give the process whose mounts it is, None for this machine itself."""
    if not suite:
        yield None
        return
    script = _ENTER.format(base=roots.root_of(suite), root=root)
    holder = subprocess.Popen(["unshare", "-m", "--propagation", "private", "bash", "-c", script])
    try:
        until(lambda: (root / "entered").exists() or holder.poll() is not None)
        assert holder.poll() is None, "the root could not be entered"
        yield holder.pid
    finally:
        holder.kill()
        holder.wait(HANG)


def enter(suite: str, pid: int | None, words: Sequence[str]) -> list[str]:
    """Return the command that runs `words` there."""
    if pid is None:
        return list(words)
    base = str(roots.root_of(suite))
    return ["nsenter", "-t", str(pid), "-m", "--", "chroot", base, *words]
