"""Find out what this machine can compute on: `detect`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headrace.config import environment
from headrace.interface.hookspecs import AcceleratorDetector
from headrace.system.accelerators import (
    overrides,
    pci,
    plugin_detectors,
    situation,
    windows_devices,
)
from headrace.system.accelerators.cache import Cache, state
from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.nvidia import boards, kernel
from headrace.system.accelerators.nvidia import detect as nvidia
from headrace.system.accelerators.results import VendorResult
from headrace.system.accelerators.vendors import amd, ascend_apple, intel
from headrace.variants.hosts import Accelerator, Host, Situation

__all__ = ["detect"]

#: From this capability on NVIDIA's boards run what other hosts run (Thor).
_LIKE_OTHERS = (11, 0)


def detect(
    host_view: HostView | None = None,
    *,
    detectors: Sequence[AcceleratorDetector] = (),
    cache: Path | Cache | None = None,
    described: bool = True,
) -> Host:
    """Say what this host can compute on. Never raises; takes seconds where a driver hangs, and
    never more than all of its ways have together (`HostView.within`).

    `detectors` are those of plugins (`Plugins.accelerator_detectors`): what one of them finds
    replaces what we would find of the same maker. `cache` is a folder for what was found. What the
    user describes in the environment (`overrides`) comes before all of it, unless `described` is
    false: then the answer is what was found.
    """
    see = HostView(environment()) if host_view is None else host_view
    bare = _bare(see)
    target, mistakes = overrides.described(see.env, bare) if described else (None, ())
    if target is not None:
        return target
    keep = Cache(cache) if isinstance(cache, Path) else cache
    key = state(see, [detector.name for detector in detectors]) if keep is not None else {}
    host = keep.read(key) if keep is not None else None
    if host is None:
        see = replace(see, until=see.clock() + see.within)
        host, passing = _look(see, bare, detectors)
        if keep is not None:
            keep.write(key, host, passing=passing)
    if not described:
        return host
    return overrides.with_capability(see.env, replace(host, notes=(*host.notes, *mistakes)))


def _bare(see: HostView) -> Host:
    return Host(
        platform=see.platform,
        machine=see.machine,
        libc=_libc() if see.is_linux else None,
        os_version=ascend_apple.macos_version() if see.platform == "darwin" else None,
        wsl=situation.wsl(see),
    )


def _libc() -> tuple[int, int] | None:
    try:
        found = re.match(r"glibc (\d+)\.(\d+)", os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, OSError, ValueError):
        return None
    return (int(found.group(1)), int(found.group(2))) if found else None


def _look(see: HostView, bare: Host, detectors: Sequence[AcceleratorDetector]) -> tuple[Host, bool]:
    """Ask everybody; return the host, and whether it may soon be otherwise."""
    marker = situation.container(see)
    contained = marker is not None
    foreign = plugin_detectors.ask(see, detectors)
    makers = {gpu.maker for gpu in foreign.accelerators}
    board = boards.board(see) if see.is_linux else None
    bus = pci.devices(see) if see.is_linux else ()
    seen = kernel.view(see, bus)
    green = VendorResult()
    if "nvidia" not in makers and see.platform != "darwin":
        green = nvidia.look(see, seen, contained=contained, tegra=board is not None)
    if see.platform == "win32" and not green.accelerators and "nvidia" not in makers:
        green = _windows_without_driver(green)
    if board is not None and not green.accelerators and "nvidia" not in makers:
        green = replace(green, accelerators=(_of_board(board, green.driver),), method="tegra")
    rest = {
        "amd": amd.look(see, contained=contained),
        "intel": _intel(see, bus, contained=contained),
        "huawei": ascend_apple.ascend(see, bus, contained=contained),
        "apple": ascend_apple.apple(see),
    }
    found = [green, *(finding for maker, finding in rest.items() if maker not in makers)]
    answers = [foreign, *found]
    batch = situation.batch(see)
    host = replace(
        bare,
        accelerators=tuple(gpu for answer in answers for gpu in answer.accelerators),
        driver=green.driver or foreign.driver,
        cuda=green.cuda or foreign.cuda,
        method=next((a.method for a in answers if a.accelerators), green.method),
        tried=tuple(pair for answer in answers for pair in answer.tried),
        notes=tuple(note for answer in answers for note in answer.notes),
        extra=(
            *situation.image(see),
            *((("container", marker),) if marker else ()),
            *((("batch system", batch),) if batch else ()),
            *((("board", board.model),) if board else ()),
            *((("L4T", board.release),) if board and board.release else ()),
            *green.extra,
        ),
    )
    usable = any(_counts(gpu) for gpu in host.accelerators)
    login = batch is not None and not situation.allocated(see)
    where, note = _situation(
        green,
        board=_stands_apart(board, green),
        login=batch if login and not usable else None,
        contained=contained and not usable,
    )
    notes = (*host.notes, note) if note else host.notes
    return replace(host, situation=where, notes=notes), green.passing or foreign.passing


def _counts(gpu: Accelerator) -> bool:
    """False for the graphics of a processor that no build is for: it is no accelerator."""
    return not (gpu.maker == "intel" and gpu.architecture is None)


def _intel(see: HostView, bus: Sequence[pci.Device], *, contained: bool) -> VendorResult:
    if see.platform == "win32":
        return VendorResult(
            windows_devices.intel(windows_devices.display_devices()), method="registry"
        )
    return intel.look(see, bus, contained=contained)


def _windows_without_driver(green: VendorResult) -> VendorResult:
    names = windows_devices.nvidia_names(windows_devices.display_devices())
    if not names or green.driver:
        return green
    note = f"{', '.join(names)} is here without NVIDIA's driver: install it"
    return replace(green, driver_missing=True, notes=(*green.notes, note))


def _of_board(board: boards.Board, driver: str | None) -> Accelerator:
    return Accelerator("nvidia", board.model, driver=driver, method="tegra", integrated=True)


def _stands_apart(board: boards.Board | None, green: VendorResult) -> bool:
    """True for a board that needs its vendor's packages; not for one that runs everybody's."""
    if board is None:
        return False
    capabilities = [gpu.capability for gpu in green.accelerators]
    return not all(c is not None and c >= _LIKE_OTHERS for c in capabilities) or not capabilities


def _situation(
    green: VendorResult, *, board: bool, login: str | None, contained: bool
) -> tuple[Situation, str]:
    """Choose the most telling word, with a sentence where somebody can do something."""
    if board:
        return Situation.TEGRA, ""
    if green.unreadable:
        return Situation.UNREADABLE, ""
    if login:
        return Situation.LOGIN_NODE, (
            f"this is a front end of {login}, and jobs run on other hosts: install inside a job,"
            " or name the CUDA of those hosts"
        )
    if contained:
        return Situation.CONTAINER, (
            "this container has no GPU: where it will run on one, start it with its GPUs"
            " (--gpus all) or name the CUDA of that host"
        )
    if green.driver_missing:
        return Situation.DRIVER_MISSING, ""
    return Situation.ORDINARY, ""
