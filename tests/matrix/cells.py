"""Which cells there are, and in which order they are tried."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from matrix.faults import AT_FILES, AT_PAGES, applies
from matrix.stages import MIRRORS

__all__ = ["BAD", "SIZES", "Cell", "cells"]

KIB, MIB = 1 << 10, 1 << 20
#: Both sides of each size at which something is decided otherwise. `transfer/machine.py`: what is
#: held back of a large file, and up to which size nothing goes out unchecked (of layers up to 64
#: MiB, `headrace_docker`); `policy/selection.py` and `transfer/scheduler.py`: up to which size one
#: source gives all of it; `gateway/serve_artifact.py`: GLANCE; `transfer/scheduler.py`: SPREAD.
_COMMON = (64 * KIB, 64 * KIB + 1, 1 * MIB, 1 * MIB + 1)
SIZES: Mapping[str, tuple[int, ...]] = {
    "python": (*_COMMON, 2 * MIB + 1, 8 * MIB, 8 * MIB + 1, 24 * MIB),
    "conda": (*_COMMON, 8 * MIB, 8 * MIB + 1, 24 * MIB),
    "images": (*_COMMON, 8 * MIB + 1, 64 * MIB, 64 * MIB + 1),
}
_OF_PAGES = 1 * MIB + 1

#: Who has the fault: mirrors in the order in which they are asked, then the origin's files.
BAD: Mapping[str, tuple[int, bool]] = {
    "1 of 3": (1, False),
    "2 of 3": (2, False),
    "2 of 3 and the origin": (2, True),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One of them."""

    client: str
    ecosystem: str
    fault: str
    size: int
    bad: str

    @property
    def of_pages(self) -> bool:
        """Whether pages are what the fault is about."""
        return self.fault in AT_PAGES

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which servers have the fault, see `Stage.servers`."""
        mirrors, origin = BAD[self.bad]
        return (*range(mirrors), *((MIRRORS,) if origin else ()))

    def __str__(self) -> str:
        """Name it, as a file too."""
        return f"{self.client} {self.fault} {told(self.size)} {self.bad}"


def told(size: int) -> str:
    """Write a size as in ``64 KiB + 1``."""
    more = size % KIB
    whole = size - more
    text = f"{whole // MIB} MiB" if whole % MIB == 0 else f"{whole // KIB} KiB"
    return f"{text} + {more}" if more else text


def cells(clients: Mapping[str, str], rounds: int, faults: Iterable[str]) -> Iterator[Cell]:
    """Give the cells of clients (name to ecosystem): in each round every client with every fault.

    Faults come in no order, the same for all, so that a part of a round has some of each kind.
    Sizes and those who have the fault change from client to client and from fault to fault, so
    that one round has every fault at every size with somebody. 0 rounds: all cells there are.
    """
    chosen = set(faults)
    order = [*enumerate((*AT_FILES, *AT_PAGES))]
    random.Random(1).shuffle(order)
    for number in range(rounds or max(map(_most, clients.values()), default=0)):
        for i, (client, ecosystem) in enumerate(clients.items()):
            for j, fault in order:
                found = variants(ecosystem, fault)
                if fault not in chosen or number >= len(found):
                    continue
                # A step that has no divisor in common with most lengths of that list.
                size, bad = found[(number + 5 * i + 11 * j) % len(found)]
                yield Cell(client, ecosystem, fault, size, bad)


def variants(ecosystem: str, fault: str) -> list[tuple[int, str]]:
    """List the sizes and those who have the fault that it can be tried with."""
    sizes = (_OF_PAGES,) if fault in AT_PAGES else SIZES[ecosystem]
    return [
        (size, bad)
        for bad, (_, origin) in BAD.items()
        for size in reversed(sizes)
        if applies(fault, size, origin=origin)
    ]


def _most(ecosystem: str) -> int:
    return len(SIZES[ecosystem]) * len(BAD)
