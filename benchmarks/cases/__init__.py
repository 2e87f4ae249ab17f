"""The cases, by name, in the order of the table. Each module has TITLE and `run(bench)`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

from benchmarks.bench import Bench, Row

__all__ = ["NAMES", "QUICK", "load"]

NAMES = (
    "big-file",
    "faults",
    "access-limited",
    "one-source",
    "fast-origin",
    "small-files",
    "resolve",
    "projects",
    "proxy",
    "conda-environment",
    "conda-big-package",
    "image",
    "image-loopback",
    "held-back",
    "store-hit",
    "full-store",
    "pass-through",
    "many-clients",
    "index-page",
    "start-up",
    "warm-pages",
    "cost",
    "fleet-peers",
    "fleet-replicas",
)
#: What `--quick` runs, in this order: what most people do first.
QUICK = (
    "small-files",
    "resolve",
    "projects",
    "proxy",
    "big-file",
    "warm-pages",
    "start-up",
    "cost",
)
#: Those that lie in folders of their own.
_FOLDERS = {
    "upkeep": ("full-store", "start-up", "warm-pages", "cost"),
    "intercepting": ("projects", "proxy"),
    "fleet": ("fleet-peers", "fleet-replicas"),
}


def load(name: str) -> tuple[str, Callable[[Bench], Iterator[Row]]]:
    """Give a case's title and its function."""
    folder = next((f".{folder}" for folder, names in _FOLDERS.items() if name in names), "")
    module = importlib.import_module(f"benchmarks.cases{folder}.{name.replace('-', '_')}")
    return module.TITLE, module.run
