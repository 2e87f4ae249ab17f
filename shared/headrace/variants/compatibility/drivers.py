"""Which CUDA a driver stands for, and which builds it runs. Pure.

A build of CUDA M.x runs on every driver whose own CUDA is of major M or newer (NVIDIA, "CUDA
compatibility", minor version compatibility). So the driver counts by its CUDA's major, and the
minor only tells which of several builds is nearest.
"""

from __future__ import annotations

import functools
import re

from headrace.variants.builds import CudaTables, Pair
from headrace.variants.hosts import Host, Situation

__all__ = ["by_library", "cuda_of", "describe", "needed_driver", "obstacle", "own_cuda"]

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
#: A branch without a build number means the branch: 550 is not older than 550.54.14.
_ANY_BUILD = 1 << 16


def _key(driver: str | None) -> tuple[int, ...]:
    match = _NUMBERS.match(driver or "")
    if not match:
        return ()
    numbers = tuple(int(part) for part in match[0].split("."))
    return numbers if len(numbers) > 1 else (*numbers, _ANY_BUILD)


def _windows(host: Host) -> bool:
    # Inside WSL the driver is that of Windows.
    return host.platform == "win32" or host.wsl


def cuda_of(host: Host, tables: CudaTables) -> Pair | None:
    """Return the newest CUDA that runs here; None: no driver, or an unknown one."""
    return host.cuda or own_cuda(host, tables)


def own_cuda(host: Host, tables: CudaTables) -> Pair | None:
    """Return the CUDA that a driver came with, by its version; None as in `cuda_of`."""
    driver = _key(host.driver)
    if not driver:
        return None
    windows = _windows(host)
    firsts = [(each.windows if windows else each.linux, each.cuda) for each in tables.toolkits]
    # A driver of a major without a toolkit of its own (Windows from CUDA 13 on).
    firsts += [(each.windows if windows else each.linux, (each.major, 0)) for each in tables.floors]
    reached = [cuda for first, cuda in firsts if first and driver >= _first(first)]
    return max(reached, default=(0, 0))


def by_library(host: Host, tables: CudaTables) -> bool:
    """Whether the CUDA that is reported is that of a library newer than the driver.

    NVIDIA's packages for forward compatibility (cuda-compat) put a newer libcuda before the
    driver's own, and whoever asks for CUDA's version hears of that one. Drivers are compared by
    their branches. On Windows there are no such packages, and boards have rows of their own.
    """
    driver = _key(host.driver)
    if not driver or not host.cuda or _windows(host) or host.situation is Situation.TEGRA:
        return False
    known = [each for each in tables.toolkits if each.linux and each.cuda <= host.cuda]
    newest = max(known, key=lambda each: each.cuda, default=None)
    return newest is not None and driver[0] < _first(newest.linux)[0]


@functools.lru_cache(maxsize=256)
def _first(driver: str) -> tuple[int, ...]:
    return tuple(int(part) for part in driver.split("."))


def _floor(toolkit: Pair, host: Host, tables: CudaTables) -> str:
    floor = next((each for each in tables.floors if each.major == toolkit[0]), None)
    if floor is None:
        return ""
    return floor.windows if _windows(host) else floor.linux


def needed_driver(toolkit: Pair, host: Host, tables: CudaTables) -> str:
    """Say which driver runs builds of a CUDA, by its branch where that is enough."""
    floor = _floor(toolkit, host, tables)
    if not floor:
        return f"driver of CUDA {toolkit[0]}"
    branch = floor.split(".", maxsplit=1)[0]
    same = (host.driver or "").split(".", maxsplit=1)[0] == branch
    return f"driver >= {floor if same else branch}"


def obstacle(toolkit: Pair, host: Host, tables: CudaTables, *, zstd: bool = False) -> str:
    """Say why the driver does not run a build of a CUDA, as "needs …"; empty when it does.

    `zstd`: its kernels are packed with it.
    """
    cuda = cuda_of(host, tables) or (0, 0)
    if cuda[0] < toolkit[0]:
        return f"needs {needed_driver(toolkit, host, tables)}"
    if zstd and cuda < tables.zstd:
        return f"needs a driver of CUDA >= {tables.zstd[0]}.{tables.zstd[1]}"
    # The first drivers of a major run its first toolkit and no later one, and a library newer than
    # the driver is sure to run its own. On WSL the number in the tables is not the one that counts.
    floor, driver = _floor(toolkit, host, tables), _key(host.driver)
    if floor and driver and cuda < toolkit and not host.wsl and driver < _first(floor):
        return f"needs {needed_driver(toolkit, host, tables)}"
    return ""


def describe(host: Host, tables: CudaTables) -> str:
    """Say what the driver is: ``driver 550.54.15 = CUDA 12.4``."""
    cuda = cuda_of(host, tables)
    known = f"CUDA {cuda[0]}.{cuda[1]}" if cuda and cuda != (0, 0) else "no known CUDA"
    if by_library(host, tables):
        return f"driver {host.driver} with a library of {known}"
    return f"driver {host.driver} = {known}" if host.driver else known
