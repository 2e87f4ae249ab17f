"""The cases, by name, in the order of the table. Each module has TITLE and `run(bench)`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

from benchmarks.bench import Bench, Row

__all__ = ["NAMES", "load"]

NAMES = (
    "big-file",
    "faults",
    "access-limited",
    "one-source",
    "fast-origin",
    "small-files",
    "resolve",
    "conda-environment",
    "conda-big-package",
    "image",
    "image-loopback",
    "held-back",
    "store-hit",
    "pass-through",
    "index-page",
    "cost",
)


def load(name: str) -> tuple[str, Callable[[Bench], Iterator[Row]]]:
    """Give a case's title and its function."""
    module = importlib.import_module(f"benchmarks.cases.{name.replace('-', '_')}")
    return module.TITLE, module.run
