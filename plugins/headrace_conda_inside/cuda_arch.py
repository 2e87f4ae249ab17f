"""``__cuda_arch`` as CEP 46 has it: the lowest compute capability of all of NVIDIA's GPUs here.

It is absent where ``__cuda`` is; CONDA_OVERRIDE_CUDA_ARCH says what it is, or that it is not. The
driver's library is asked in a process of its own, as conda does for ``__cuda``: it may crash, or
hang.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["version"]

#: Seconds that the driver may take. The first one who asks after a boot may wait for the GPUs.
_PATIENCE = 30.0
_CAPABILITY = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")

#: conda's own places of the library, in its order. 75 and 76 are the two numbers of a capability.
_ASK = """\
import ctypes, os, sys
if sys.platform == "win32":
    names, load = ["nvcuda64.dll", "nvcuda.dll"], ctypes.WinDLL
else:
    places = ["", "/usr/lib64/nvidia/", "/usr/lib/x86_64-linux-gnu/", "/usr/lib/wsl/lib/"]
    names, load = [p + n for p in places for n in ("libcuda.so.1", "libcuda.so")], ctypes.CDLL
for name in names:
    try:
        cuda = load(name)
        break
    except OSError:
        pass
else:
    sys.exit(1)
def ask(call, *words):
    number = ctypes.c_int(0)
    if getattr(cuda, call)(ctypes.byref(number), *words):
        sys.exit(2)
    return number.value
if cuda.cuInit(ctypes.c_uint(0)):
    sys.exit(3)
found = []
for index in range(ask("cuDeviceGetCount")):
    device = ask("cuDeviceGet", index)
    found.append(tuple(ask("cuDeviceGetAttribute", number, device) for number in (75, 76)))
if found:
    print("%d.%d" % min(found))
"""


def version(given: Sequence[Any]) -> str | None:
    """Return the version beside the virtual packages that other plugins give; None: it is absent,
    or one of them gives it.
    """
    by_name = {one.name: one for one in given}
    if "cuda_arch" in by_name or not _is_there(by_name.get("cuda")):
        return None
    said = os.environ.get("CONDA_OVERRIDE_CUDA_ARCH", _configured())  # noqa: TID251 - inside conda
    if said is None:
        return _detected()
    text = str(said).strip()
    if text and not _CAPABILITY.fullmatch(text):
        sys.stderr.write(
            f"headrace: {text!r} is no compute capability (8.6), so __cuda_arch is left out: it "
            "stands in CONDA_OVERRIDE_CUDA_ARCH or override_virtual_packages\n"
        )
    return text if _CAPABILITY.fullmatch(text) else None


def _is_there(cuda: Any) -> bool:
    """Whether ``__cuda`` is there: newer condas find out when they make the package of it."""
    made = cuda.to_virtual_package() if hasattr(cuda, "to_virtual_package") else cuda
    return bool(getattr(made, "name", None))


def _configured() -> object:
    """Return what conda's settings have in its place (26.3 and later)."""
    from conda.base.context import context  # noqa: PLC0415 - conda's start-up time

    table = getattr(context, "override_virtual_packages", None) or {}
    return table.get("cuda_arch")


@functools.cache
def _detected() -> str | None:
    """Ask the driver once in a command."""
    # An empty list of GPUs for one job hides none from what is installed for all.
    env = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}  # noqa: TID251
    try:
        told = subprocess.run(  # noqa: S603 - conda's own interpreter, our own words
            [sys.executable, "-I", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
            text=True,
            env=env,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    text = told.stdout.strip()
    return text if told.returncode == 0 and _CAPABILITY.fullmatch(text) else None
