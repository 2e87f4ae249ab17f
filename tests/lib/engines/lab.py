"""A machine of a test's own, out of namespaces: real engines, /etc written over and over, no way
out. Below its root lie `etc` (what was written into /etc), `home` and `headrace`.

Whatever an engine pulls there comes from the recording server on the gateway's port, or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.engines import spaces
from lib.gateway import headrace
from lib.waiting import HANG, until

__all__ = ["PORT", "URL", "EngineLab", "lab", "needs", "why_not"]

PORT = 17223
URL = f"http://127.0.0.1:{PORT}"
_LIB = Path(__file__).parent
#: What is hidden: engines' run-time files, other tools that `on` would see.
_EMPTY = ("/run", "/opt")
#: What engines write for themselves.
_ENGINES_OWN = ("home/.local/", "etc/docker/key.json", "etc/cni/net.d/cni.lock")
_START = """
set -e
ip link set lo up
mount -t overlay overlay -o lowerdir=/etc,upperdir={root}/etc,workdir={root}/work /etc
for folder in {empty}; do mount -t tmpfs tmpfs $folder; done
rm -rf /etc/docker /etc/containers/registries.conf /etc/containers/registries.conf.d
rm -f /etc/containerd/config.toml
mkdir -p /etc/docker /etc/containers/registries.conf.d /etc/containerd /run/lock
echo 'unqualified-search-registries = []' > /etc/containers/registries.conf
touch {root}/ready
exec sleep 100000
"""


def why_not(*programs: str) -> str | None:
    """Say why such a machine cannot be made here; None: it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return lacks("root", "namespaces for engines")
    for name in ("unshare", "nsenter", "ip", "mount", *programs):
        if shutil.which(name) is None:
            return lacks("engines", f"{name} is not installed here")
    return lacks("root", why) if (why := spaces.trouble()) else None


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark tests that skip where such a machine cannot be made."""
    reason = why_not(*programs)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


@dataclass
class EngineLab:
    """The machine."""

    root: Path
    pid: int
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)
    """Environment variables that it has besides."""

    @property
    def env(self) -> dict[str, str]:
        """The environment in it."""
        return {
            "HOME": str(self.root / "home"),
            "HEADRACE_HOME": str(self.root / "headrace"),
            "PATH": f"{self.root}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "XDG_RUNTIME_DIR": "/run",
            "LANG": "C.UTF-8",
            **self.more,
        }

    def argv(self, words: Sequence[object]) -> list[str]:
        """Return the command that runs `words` in it."""
        # Its root too: in a chroot the namespace's own is that of the machine around it.
        spaces_of = ["-t", str(self.pid), "-n", "-m", "-p", "-r"]
        enter = ["nsenter", *spaces_of, f"--wd={self.root}", "--"]
        return [*enter, *(str(word) for word in words)]

    def run(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        done = subprocess.run(
            self.argv(words),
            env=self.env,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """Start a daemon in it; its output is in `log`."""
        with (self.root / "log").open("ab") as log:
            process = subprocess.Popen(self.argv(words), env=self.env, stdout=log, stderr=log)
        self.daemons.append(process)
        return process

    def wait(self, *words: object) -> str:
        """Run a program until it succeeds."""
        done: list[subprocess.CompletedProcess[str]] = []

        def succeeds() -> bool:
            done[:] = [self.run(*words, check=False)]
            if done[0].returncode and self.daemons and self.daemons[-1].poll() is not None:
                raise AssertionError((self.root / "log").read_text())
            return done[0].returncode == 0

        until(succeeds, lambda: done[0].stderr + (self.root / "log").read_text(), pause=0.1)
        return done[0].stdout

    def put(self, path: str, content: str) -> Path:
        """Write a file, of /etc by the name that it has in it."""
        real = self.root / path.lstrip("/")
        if path.startswith("/etc/"):
            # Through the mount: what lies below an overlay must not be changed behind its back.
            source = self.root / "put"
            source.write_bytes(content.encode())
            self.run("mkdir", "-p", Path(path).parent)
            self.run("cp", source, path)
            source.unlink()
            return real
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(content.encode())
        return real

    def files(self) -> dict[str, bytes]:
        """Every file that could be touched: what /etc has of its own, and the home's."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for folder in ("etc", "home")
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_file() and not str(path.relative_to(self.root)).startswith(_ENGINES_OWN)
        }

    # ------------------------------------------------------------ headrace

    def switch_on(self, scope: str) -> dict[str, list[str]]:
        """Do what `headrace on` does, without a gateway: the recording server is in its place."""
        script = _LIB / "switch.py"
        done = self.run(sys.executable, script, scope, PORT)
        found: dict[str, list[str]] = json.loads(done.stdout)
        return found

    def headrace(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.run(*headrace(), *words, check=check)

    def gateway(self) -> None:
        """Start what records, where the gateway would be. It has one image under any name."""
        self.start(sys.executable, _LIB / "gateway.py", PORT, self.root / "asked")
        self.wait("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}")

    def gateway_ends(self) -> None:
        """End it: its port refuses connections."""
        pid = (self.root / "asked.pid").read_text()
        self.run("kill", pid)
        self.wait("bash", "-c", f"! test -e /proc/{pid}")

    def asked(self) -> list[str]:
        """Return what was asked of the gateway since the last time, as ``METHOD path?query``."""
        path = self.root / "asked"
        found = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return found


@contextlib.contextmanager
def lab(root: Path) -> Iterator[EngineLab]:
    """Make the machine; whatever ran in it ends with it."""
    for name in ("etc", "work", "home", "headrace"):
        (root / name).mkdir(parents=True)
    script = _START.format(root=root, empty=" ".join(_EMPTY))
    words = ["unshare", *spaces.NEW, "bash", "-c"]
    made: EngineLab | None = None
    holder = subprocess.Popen([*words, script])
    try:
        until(lambda: (root / "ready").exists() or holder.poll() is not None)
        assert holder.poll() is None, "the namespaces could not be made"
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        made = EngineLab(root, int(children[0]))
        yield made
    finally:
        holder.kill()
        holder.wait(HANG)
        for daemon in made.daemons if made is not None else ():
            daemon.wait(HANG)
