"""For which machine and Python pip's options say that it brings files: this one, or another."""

from __future__ import annotations

import re
from dataclasses import replace

from headrace.interface import VariantRequest
from headrace_pip.requested.command_line import PipCommand

__all__ = ["aimed"]

_PYTHON = re.compile(r"([23])(?:\.?([0-9]{1,2}))?(?:\.[0-9]{1,3})?")
_ABI = re.compile(r"cp([0-9])([0-9]{1,2})(t?)")
#: How a wheel's platform begins, and the system; how it ends, and the machine. musl's are others'.
_SYSTEMS = {"win": "win32", "macosx": "darwin", "linux": "linux", "manylinux": "linux"}
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def aimed(
    asked: VariantRequest, command: PipCommand, *, free_threaded: bool = False
) -> VariantRequest | None:
    """Return the request with what the options say of platform and Python; None: no build is made
    for that.
    """
    lists, values = command.lists, command.values
    if values.get("implementation", "cp") not in ("cp", "py"):
        return None
    python = asked.python
    if free_threaded and python is not None:
        python = f"{python}t"
    if "python_version" in values:
        python = _python(values["python_version"])
    for abi in lists["abis"]:
        if found := _ABI.fullmatch(abi):
            python = f"{found[1]}.{found[2]}{found[3]}"
    platforms = {_platform(each) for each in lists["platforms"]}
    if len(platforms) > 1:
        return None
    return replace(asked, python=python, platform=next(iter(platforms), asked.platform))


def _python(text: str) -> str | None:
    found = _PYTHON.fullmatch(text)
    return f"{found[1]}.{found[2] or 0}" if found else None


def _platform(tag: str) -> str:
    """Return a wheel's platform as `VariantRequest.platform` has it; itself where it is none."""
    system = next((name for start, name in _SYSTEMS.items() if tag.startswith(start)), "")
    machine = next((name for end, name in _MACHINES.items() if tag.endswith(end)), "")
    return f"{system}_{machine}" if system and machine else tag
