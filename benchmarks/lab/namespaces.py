"""Network namespaces: one per host of the lab, with no interface that leads outside."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.lab.tun import DEVICE

__all__ = [
    "CLIENT",
    "address",
    "beside",
    "configure",
    "create",
    "file_of",
    "inside",
    "missing",
    "remove",
    "under",
]

CLIENT = "client"
#: RFC 2544's range for benchmarks; it exists only inside the namespaces.
_NETWORK = "198.18.0.0/15"
_RUN = Path("/run/netns")
_ETC = Path("/etc/netns")


def missing() -> str:
    """Say what this machine lacks for a lab of namespaces; empty when it lacks nothing."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "not root"
    for program in ("ip", "nginx"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    with tempfile.NamedTemporaryFile(prefix="hr-") as unique:
        trial = Path(unique.name).name
    if _ip("netns", "add", trial).returncode:
        return "no permission to make network namespaces"
    entered = _ip("netns", "exec", trial, "true")
    _ip("netns", "del", trial)
    if entered.returncode:
        # In a chroot, for one, whose root is no mount point.
        return f"no namespace can be entered: {entered.stderr.strip()}"
    return ""


def address(hosts: Sequence[str], host: str) -> str:
    """Give a host's IPv4 address."""
    return "198.18.0.1" if host == CLIENT else f"198.18.{hosts.index(host) + 1}.1"


def create(lab: str, hosts: Sequence[str]) -> None:
    """Make the namespaces of a lab, the client's included. They have no interface yet."""
    _batch("".join(f"netns add {lab}-{host}\n" for host in (CLIENT, *hosts)))


def configure(lab: str, hosts: Sequence[str], congestion: Mapping[str, str]) -> None:
    """Bring up the interfaces and let every host know every other by its name.

    The congestion control is set on the route because a namespace may not load one by sysctl.
    """
    book = "127.0.0.1 localhost\n" + "".join(f"{address(hosts, h)} {h}\n" for h in hosts)
    for host in (CLIENT, *hosts):
        space, ip = f"{lab}-{host}", address(hosts, host)
        control = congestion.get(host, "cubic")
        _batch(
            f"link set lo up\nlink set {DEVICE} mtu 1500 txqueuelen 5000 up\n"
            f"addr add {ip}/32 dev {DEVICE}\n"
            f"route add {_NETWORK} dev {DEVICE} src {ip} congctl {control}\n",
            space,
        )
        etc = _ETC / space
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "hosts").write_text(book)
        (etc / "resolv.conf").write_text("")
        # Else a connection starts with what an earlier one learned of the line.
        forget = "echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save"
        subprocess.run([*inside(space), "sh", "-c", forget], check=True)


def inside(space: str) -> list[str]:
    """Give the words that, before a command, run it inside a namespace."""
    return ["ip", "netns", "exec", space]


def beside(process: int) -> list[str]:
    """Give the words that, before a command, run it where a process runs: in its network and with
    its mounts, in the folder that the command is started in.

    Each `inside` has mounts of its own, as a container has. Programs of one machine share theirs.
    """
    enter = f'exec nsenter --target {process} --net --mount --wdns="$(pwd)" -- "$@"'
    return ["sh", "-c", enter, "nsenter"]


def file_of(space: str) -> Path:
    """Give the file that a namespace is entered by."""
    return _RUN / space


def under(lab: str) -> list[str]:
    """List the namespaces that a lab has now."""
    try:
        return sorted(entry.name for entry in _RUN.iterdir() if entry.name.startswith(f"{lab}-"))
    except FileNotFoundError:
        return []


def remove(lab: str) -> None:
    """Remove a lab's namespaces and end whatever still runs inside them."""
    spaces = under(lab)
    for space in spaces:
        for pid in _ip("netns", "pids", space).stdout.split():
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
    for space in spaces:
        _ip("netns", "del", space)
        shutil.rmtree(_ETC / space, ignore_errors=True)


def _ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], check=False, capture_output=True, text=True)


def _batch(lines: str, space: str | None = None) -> None:
    where = ["-n", space] if space else []
    command = ["ip", *where, "-batch", "-"]
    subprocess.run(command, input=lines, check=True, capture_output=True, text=True)
