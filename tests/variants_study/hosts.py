"""Which hosts there are: drawn at random, of GPUs and drivers that can stand in one machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from variants_study.facts import FACTS, Pair

__all__ = ["DRIVERS", "INTEL", "Gpu", "StudyHost", "described", "hosts"]

#: One of each branch that is in use, some of them twice: the first and a late one.
DRIVERS = (
    *("470.256.02", "510.47.03", "520.61.05", "525.60.13", "525.147.05", "530.30.02"),
    *("535.183.01", "545.23.08", "550.54.15", "555.42.06", "560.35.03", "570.124.06"),
    *("575.57.08", "580.65.06", "580.95.05", "590.48.01", "595.71.05", "610.43.02", "620.70.06"),
)
#: Compute capability to the first and the last branch of drivers that drive it (0: still).
_DRIVEN = {
    (3, 0): (340, 470),
    (3, 5): (340, 470),
    (3, 7): (340, 470),
    (5, 0): (340, 580),
    (5, 2): (346, 580),
    (6, 0): (375, 580),
    (6, 1): (375, 580),
    (7, 0): (384, 580),
    (7, 5): (410, 0),
    (8, 0): (450, 0),
    (8, 6): (455, 0),
    (8, 9): (520, 0),
    (9, 0): (520, 0),
    (10, 0): (570, 0),
    (10, 3): (575, 0),
    (12, 0): (570, 0),
    (12, 1): (580, 0),
}
_AMD = ("gfx906", "gfx90a", "gfx942", "gfx1030", "gfx1100", "gfx1201", "gfx1151", "gfx1103")
#: Those that XPU builds were validated on.
INTEL = ("Intel Arc B580 Graphics", "Intel Arc A770 Graphics", "Intel Data Center GPU Max 1550")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card."""

    name: str
    """As it is described to headrace."""
    capability: Pair | None = None
    """None: not NVIDIA's."""


@dataclass(frozen=True, slots=True)
class StudyHost:
    """One machine."""

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    """NVIDIA's; empty: it has none."""

    @property
    def target(self) -> str:
        """Describe it as HEADRACE_TARGET does."""
        words = [f"driver={self.driver}"] if self.driver else []
        words += [f"gpu={gpu.name}" for gpu in self.gpus] or ["gpu=none"]
        return ",".join(words)

    def __str__(self) -> str:
        """Name it."""
        return self.target


def described(target: str) -> StudyHost:
    """Read `StudyHost.target`; KeyError: a GPU that is on no list."""
    words = [word.partition("=") for word in target.split(",")]
    driver = next((value for name, _, value in words if name == "driver"), "")
    names = [value for name, _, value in words if name == "gpu" and value != "none"]
    gpus = [Gpu(name) if name in (*_AMD, *INTEL) else Gpu(name, FACTS.gpus[name]) for name in names]
    return StudyHost(tuple(gpus), driver)


def hosts(seed: int) -> Iterator[StudyHost]:
    """Draw hosts without end: six of eight have NVIDIA's cards, half of these one card alone."""
    draw = random.Random(seed)
    while True:
        maker = draw.choice(("nvidia",) * 6 + ("other", "none"))
        if maker == "none":
            yield StudyHost()
        elif maker == "other":
            card = Gpu(draw.choice((*_AMD, *INTEL)))
            yield StudyHost((card,) * draw.choice((1, 1, 2)))
        else:
            yield _nvidia(draw)


def _nvidia(draw: random.Random) -> StudyHost:
    """Draw cards by their age, so that old ones, which are few, come as often as new ones."""
    drivers: list[str] = []
    while not drivers:
        capabilities = draw.choices(tuple(_DRIVEN), k=draw.choice((1, 1, 1, 2, 2, 4)))
        drivers = [each for each in DRIVERS if all(_drives(each, one) for one in capabilities)]
    names = {one: [name for name, pair in FACTS.gpus.items() if pair == one] for one in _DRIVEN}
    gpus = tuple(Gpu(draw.choice(names[one]), one) for one in capabilities)
    return StudyHost(gpus, draw.choice(drivers))


def _drives(driver: str, capability: Pair) -> bool:
    first, last = _DRIVEN[capability]
    branch = int(driver.partition(".")[0])
    return first <= branch and (not last or branch <= last)
