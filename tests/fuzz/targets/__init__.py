"""The targets, by what they read."""

from __future__ import annotations

import importlib
from functools import cache

from fuzz.model import Target

__all__ = ["MODULES", "every", "find"]

MODULES = (
    *("python", "conda", "docker", "http", "upstream", "tool_files", "machine", "accelerators"),
    "guards",
    "gateway",
)


@cache
def every() -> dict[str, Target]:
    """Return all targets by name."""
    found: dict[str, Target] = {}
    for module in MODULES:
        for target in importlib.import_module(f"fuzz.targets.{module}").TARGETS:
            assert target.name not in found, target.name
            found[target.name] = target
    return found


def find(module: str, name: str) -> Target:
    """Return a target of a module, without importing what the others need."""
    targets: list[Target] = importlib.import_module(module).TARGETS
    return next(target for target in targets if target.name == name)
