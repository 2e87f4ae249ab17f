"""Detectors as a third party would write them, asked in child processes by the tests."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from headrace.interface.hookspecs import AcceleratorDetector, hookimpl
from headrace.variants.hosts import Accelerator


def two_cards() -> Sequence[Accelerator]:
    return [Accelerator("acme", "Acme 1", architecture="a1"), Accelerator("acme", "Acme 2")]


def one_card() -> Sequence[Accelerator]:
    return [Accelerator("acme", "Acme 3")]


def remote_gpu() -> Sequence[Accelerator]:
    return [Accelerator("nvidia", "H100", (9, 0), driver="570.26", runtime="12.8")]


def nothing() -> Sequence[Accelerator]:
    return []


def hangs() -> Sequence[Accelerator]:
    time.sleep(6000)
    return []


def crashes() -> Sequence[Accelerator]:
    os.abort()


def raises() -> Sequence[Accelerator]:
    raise OSError("no such card")


def lies() -> Sequence[Accelerator]:
    return ["card"]  # type: ignore[list-item]


@hookimpl
def headrace_accelerator_detectors() -> Sequence[AcceleratorDetector]:
    def closure() -> Sequence[Accelerator]:
        return [Accelerator("acme", "in a closure")]

    return [AcceleratorDetector("acme-closure", closure)]
