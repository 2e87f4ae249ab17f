"""The interpreter that a plain install would be for, in the words of installers' User-Agents."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from headrace.interface import Place
from headrace.interface.editing import presence
from headrace_pip.index import environment

__all__ = ["found"]

#: Seconds for a cold start.
_PATIENCE = 15.0
_ASK = """\
import json, platform, sys
libc = platform.libc_ver()
distro = {"version": platform.mac_ver()[0]} if sys.platform == "darwin" else {}
if libc[0] == "glibc":
    distro["libc"] = {"lib": "glibc", "version": libc[1]}
elif sys.platform == "linux":
    distro["id"] = "alpine"
print(json.dumps({
    "python": platform.python_version(),
    "implementation": {"name": platform.python_implementation(),
                       "version": platform.python_version()},
    "system": {"name": platform.system(), "release": platform.release()},
    "cpu": platform.machine(), "distro": distro}))
"""


def found(place: Place) -> tuple[str, environment.Environment] | None:
    """Return the interpreter's path and what fits it; None where none answers.

    The virtual environment's that is active, else the first on the PATH, else our own.
    """
    for program in _candidates(place):
        try:
            # -I: neither the folder that the user stands in nor a variable may change the answer.
            done = subprocess.run(  # noqa: S603 - the user's interpreter, no shell
                [program, "-I", "-c", _ASK],
                capture_output=True,
                text=True,
                check=True,
                timeout=_PATIENCE,
            )
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
            continue
        where = environment.read(f"pip/26.0 {done.stdout.strip()}")
        if where is not None:
            return program, where
    return None


def _candidates(place: Place) -> Iterator[str]:
    env = place.environment
    windows = place.platform == "win32"
    for folder in filter(None, (env.get("VIRTUAL_ENV"), env.get("CONDA_PREFIX"))):
        inside = "Scripts/python.exe" if windows else "bin/python"
        if windows and folder == env.get("CONDA_PREFIX"):
            inside = "python.exe"
        path = Path(folder, inside)
        if presence.is_there(path):
            yield os.fspath(path)
    for name in ("python3", "python"):
        if there := shutil.which(name, path=env.get("PATH")):
            yield there
    yield sys.executable
