"""Somebody who is not root, with an engine of their own, in namespaces that end with the test.

This machine's accounts stay as they are: files of a namespace's own stand in their place, with one
account more, and with the ids that it may give to those in its containers.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lib.capabilities import lacks
from lib.waiting import HANG, until

__all__ = ["NUMBER", "account", "why_not"]

NUMBER = 41234
"""Of the account, and of its group."""
_PROGRAMS = ("podman", "newuidmap", "slirp4netns", "setpriv")
#: ``tun`` is open to everybody where a distribution sets it up, and to root alone elsewhere. Of
#: root's home only the interpreter is seen, which is usually there where root runs tests.
_ENTER = """
set -e
cp /etc/passwd /etc/group {root}/mounts/
echo 'rootless:x:{number}:{number}::{root}/home:/bin/sh' >> {root}/mounts/passwd
echo 'rootless:x:{number}:' >> {root}/mounts/group
echo 'rootless:500000:65536' | tee {root}/mounts/subuid > {root}/mounts/subgid
for file in passwd group subuid subgid; do
    touch /etc/$file; mount --bind {root}/mounts/$file /etc/$file
done
mknod {root}/mounts/tun c 10 200
chmod 666 {root}/mounts/tun
mount --bind {root}/mounts/tun /dev/net/tun
mkdir {root}/mounts/before
mount --rbind {home} {root}/mounts/before
mount -t tmpfs -o mode=755 tmpfs {home}
for folder in {seen}; do
    mkdir -p {home}/$folder
    mount --rbind {root}/mounts/before/$folder {home}/$folder
done
touch {root}/mounts/entered
exec sleep 100000
"""


def why_not() -> str | None:
    """Say why there can be none here; None: there can."""
    missing = [each for each in _PROGRAMS if shutil.which(each) is None]
    if missing:
        return lacks("engines", f"{', '.join(missing)} is not installed here")
    if not Path("/dev/net/tun").exists():
        return lacks("root", "a rootless engine's network needs /dev/net/tun")
    return None


@contextlib.contextmanager
def account(root: Path) -> Iterator[tuple[str, ...]]:
    """Make the account, with the folders ``home`` and ``run`` below `root`; give the words that
    stand before a command of its own.
    """
    (root / "mounts").mkdir()
    home = Path.home()
    interpreter = {Path(sys.prefix), Path(sys.base_prefix)}
    seen = [str(each.relative_to(home)) for each in interpreter if each.is_relative_to(home)]
    text = _ENTER.format(root=root, number=NUMBER, home=home, seen=" ".join(seen))
    # podman leaves a process behind that holds its namespaces: it ends with its first one.
    own = ("--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation=private")
    holder = subprocess.Popen(["unshare", *own, "bash", "-c", text])
    try:
        until(lambda: (root / "mounts" / "entered").exists() or holder.poll() is not None)
        assert holder.poll() is None, "the account could not be made"
        first = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().strip()
        who = (f"--reuid={NUMBER}", f"--regid={NUMBER}", "--clear-groups")
        yield ("nsenter", "-t", first, "-m", "-p", f"--wd={root}", "--", "setpriv", *who)
    finally:
        holder.kill()
        holder.wait(HANG)
