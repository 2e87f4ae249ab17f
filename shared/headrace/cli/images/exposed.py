"""What of a folder a build is sent that should stay on this machine: plugins say what it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.interface.images import FolderFile, HeldSecret, ImageTool

__all__ = ["exposed"]

#: Files that are looked at: an image's sources are fewer, and nobody waits for a folder of data.
_MOST = 10_000
#: Bytes of each.
_LONGEST = 1 << 18


def exposed(
    directory: Path, files: Sequence[FolderFile], tools: Iterable[ImageTool]
) -> list[HeldSecret]:
    """Return the secrets in what a build is sent of a folder in which these files are written."""
    ours = {each.path: each.data for each in files}

    def read(path: str) -> bytes:
        if path in ours:
            return ours[path]
        try:
            with (directory / path).open("rb") as file:
                return file.read(_LONGEST)
        except OSError:
            return b""  # nor can a build read it

    paths = {*ours, *_paths(directory)}
    return [each for tool in tools for each in tool.secrets_sent(paths, read)]


def _paths(directory: Path) -> list[str]:
    """Return the plain files below a folder; what links lead to is not sent."""
    found: list[str] = []
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                found.append(path.relative_to(directory).as_posix())
            if len(found) == _MOST:
                return found
    return found
