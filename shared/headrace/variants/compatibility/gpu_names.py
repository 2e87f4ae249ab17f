"""What a GPU is capable of, told by its name or number where nobody could read it. Pure.

A driver that waits for a reboot, devices that may not be opened and a library that ends at once all
leave the name, from the kernel's files or the driver's first answers.
"""

from __future__ import annotations

import re
from dataclasses import replace

from headrace.variants.builds import CudaTables, Pair
from headrace.variants.compatibility.criteria import image_target
from headrace.variants.hosts import Host, Situation

__all__ = ["capability_of", "chosen_for", "with_capabilities"]

_WORD = re.compile(r"[a-z0-9]+")
_BRANDS = frozenset({"nvidia", "geforce", "tesla", "quadro", "grid"})
#: Of memory a name speaks anywhere: ``RTX PRO 5000 72GB Blackwell``.
_MEMORY = re.compile(r"\d+gb?")
#: What a board's name has beyond its chip's: how it is built in, for whom, and a part of it (MIG).
_BOARD = re.compile(
    r"pcie|sxm\d?|nvl\d*|fhhl|dgxs|hbm\d?e?|laptop|embedded|gpu|super|with|max|q|design|generation"
    r"|workstation|server|edition|sff|oem|active|lc|ac|ls|h|ceo|collectors|d|v\d|mig|me"
)
#: A virtual GPU (vGPU), by its board and its profile: ``GRID V100D-8Q``, ``NVIDIA A100-1-5C``.
_VIRTUAL = re.compile(
    r"(?:grid|nvidia) (?P<board>.+?)(?: dc)?-(?:\d-)?\d{1,3}[abcq](?:me|gfx)?\d?", re.IGNORECASE
)
#: What a GPU is called of which only its number on the bus is known.
_DEVICE = re.compile(r"NVIDIA device 0x([0-9a-f]{4})")
#: Letters behind a board's name that tell its form and memory.
_FORMS = re.compile(r"[cdlmpsx]{0,2}")


def chosen_for(host: Host, tables: CudaTables) -> Host:
    """Return the host that a build is chosen for: as found, or as an image being built says."""
    return with_capabilities(image_target(host), tables)


def capability_of(name: str, tables: CudaTables) -> Pair | None:
    """Return the compute capability of a GPU of this name; None: it is none that is known."""
    if device := _DEVICE.fullmatch(name):
        number = int(device[1], 16)
        return next((pair for numbers, pair in tables.chips.items() if number in numbers), None)
    if virtual := _VIRTUAL.fullmatch(" ".join(name.split())):
        return _of_board(virtual["board"], tables)
    words = _words(name)
    known = [(len(part), pair) for part, pair in _known(tables) if words[: len(part)] == part]
    if not known:
        return None
    length, pair = max(known)
    return pair if all(_BOARD.fullmatch(word) for word in words[length:]) else None


def _of_board(board: str, tables: CudaTables) -> Pair | None:
    """Return the capability of the board behind a virtual GPU: ``V100DX``, ``RTX6000-Ada``."""
    asked = "".join(_words(board))
    known = [("".join(part), pair) for part, pair in _known(tables)]
    fits = [
        (len(part), pair)
        for part, pair in known
        if asked.startswith(part) and _FORMS.fullmatch(asked[len(part) :])
    ]
    return max(fits)[1] if fits else None


def with_capabilities(host: Host, tables: CudaTables) -> Host:
    """Fill in what could not be read, and note it. On NVIDIA's boards what is not read is told by
    the board itself.
    """
    if host.situation is Situation.TEGRA:
        return host
    gpus, notes = [], list(host.notes)
    for gpu in host.accelerators:
        pair = None
        if gpu.maker == "nvidia" and gpu.capability is None:
            pair = capability_of(gpu.name, tables)
        if pair is not None:
            by = "number" if _DEVICE.fullmatch(gpu.name) else "name"
            note = f"what {gpu.name} is capable of is told by its {by}: {pair[0]}.{pair[1]}"
            notes += [note] if note not in notes else []
        gpus.append(gpu if pair is None else replace(gpu, capability=pair))
    return replace(host, accelerators=tuple(gpus), notes=tuple(notes))


def _words(name: str) -> list[str]:
    words = _WORD.findall(name.lower())
    return [word for word in words if word not in _BRANDS and not _MEMORY.fullmatch(word)]


def _known(tables: CudaTables) -> list[tuple[list[str], Pair]]:
    return [(_words(name), pair) for name, pair in tables.gpus.items()]
