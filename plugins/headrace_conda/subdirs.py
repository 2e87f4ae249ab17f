"""What channels call the folder for a kind of machine. Pure."""

from __future__ import annotations

__all__ = ["subdir_of"]

_SUBDIRS = {
    ("linux", "x86_64"): "linux-64",
    ("darwin", "x86_64"): "osx-64",
    ("darwin", "aarch64"): "osx-arm64",
    ("win32", "x86_64"): "win-64",
    ("win32", "aarch64"): "win-arm64",
}
#: What systems call one kind of processor.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def subdir_of(platform: str, machine: str) -> str:
    """Name the folder, by Python's word for the system and the system's for the machine."""
    machine = _MACHINES.get(machine.lower(), machine.lower())
    return _SUBDIRS.get((platform, machine), f"linux-{machine}")
