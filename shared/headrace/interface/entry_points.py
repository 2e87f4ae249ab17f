"""The entry points of one group, read from the folders of the path by themselves.

`importlib.metadata` gives the same, and brings the readers of mail and of archives for it: as much
as a short command costs in all. Whatever it knows beside plain folders (archives, eggs, finders of
others) is left to it.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

__all__ = ["EntryPoint", "of_group"]

_METADATA = (".dist-info", ".egg-info")
#: As names are compared (packaging's core metadata specification).
_SEPARATORS = re.compile(r"[-_.]+")


class EntryPoint(NamedTuple):
    """A name, and the object that it leads to."""

    name: str
    value: str
    """``package.module:object.attribute``, or the module alone."""
    distribution: str
    """Whose it is, as names are compared."""

    def load(self) -> Any:
        """Import and return it; whatever that raises."""
        module, _, attributes = self.value.partition("[")[0].partition(":")
        found: Any = importlib.import_module(module.strip())
        for attribute in filter(None, attributes.strip().split(".")):
            found = getattr(found, attribute)
        return found


def of_group(group: str) -> list[EntryPoint]:
    """Return the group's entry points, in the order of the path; of a distribution that is there
    twice those of the first.
    """
    if not _all_plain():
        from importlib import metadata  # noqa: PLC0415 - see above

        return [
            EntryPoint(each.name, each.value, _normal(each.dist.name if each.dist else ""))
            for each in metadata.entry_points(group=group)
        ]
    return list(_of_folders(group))


def _all_plain() -> bool:
    """Whether there is nothing on the path that only `importlib.metadata` can read."""
    others = [each for each in sys.meta_path if hasattr(each, "find_distributions")]
    if others != [PathFinder]:
        return False
    return not any(
        os.path.isfile(folder) or folder.rstrip("/\\").endswith(".egg")  # noqa: PTH113 - words
        for folder in sys.path
    )


def _of_folders(group: str) -> Iterator[EntryPoint]:
    seen: set[str] = set()
    for folder in sys.path:
        try:
            names = sorted(os.listdir(folder or "."))  # noqa: PTH208 - as above
        except OSError:
            continue
        for name in names:
            if not name.endswith(_METADATA):
                continue
            distribution = _normal(name.rpartition(".")[0].partition("-")[0])
            if distribution in seen:
                continue
            seen.add(distribution)
            path = os.path.join(folder, name, "entry_points.txt")  # noqa: PTH118 - as above
            for point, value in _of_file(path, group):
                yield EntryPoint(point, value, distribution)


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


def _of_file(path: str, group: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as above
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return  # most have none
    section = ""
    for line in map(str.strip, text.splitlines() if group in text else ()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and line and not line.startswith("#"):
            name, equals, value = (part.strip() for part in line.partition("="))
            if equals:
                yield name, value
