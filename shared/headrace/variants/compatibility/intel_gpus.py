"""Which of Intel's families a GPU is of, by its PCI device or by what its driver calls it. Pure.

The family decides whether XPU builds were validated on it. The name alone must do where a host is
only described.
"""

from __future__ import annotations

import re

from headrace.models import fits
from headrace.variants.builds import CudaTables, IntelFamily
from headrace.variants.hosts import Accelerator

__all__ = ["family_of_device", "family_of_name", "plain", "validated"]

_MARKS = re.compile(r"\((?:r|tm)\)|[®™]|\bintel\b|\s+", re.IGNORECASE)


def plain(name: str) -> str:
    """Return a name in lower case without marks and maker: ``arc 140v gpu (16gb)``."""
    return " ".join(_MARKS.sub(" ", name).lower().split())


def family_of_device(number: int, tables: CudaTables) -> IntelFamily | None:
    """Return the family of a PCI device of Intel's; None: an older one, or an unknown one."""
    return next((each for each in tables.intel if number in each.devices), None)


def family_of_name(name: str, tables: CudaTables) -> IntelFamily | None:
    """Return the family of a GPU that is called so; None: its name does not tell."""
    word = plain(name)
    return next((each for each in tables.intel if fits(each.names, word)), None)


def validated(gpu: Accelerator, tables: CudaTables) -> bool:
    """Whether a GPU of Intel's is of a family that XPU builds were validated on."""
    if gpu.architecture:
        return any(each.word == gpu.architecture and each.validated for each in tables.intel)
    family = family_of_name(gpu.name, tables)
    return family is not None and family.validated
