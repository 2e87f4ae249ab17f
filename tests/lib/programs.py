"""Programs as a gateway finds them at the other end of a connection, with files of a test's own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from headrace.ownership.processes import Program

__all__ = ["Sandbox", "started"]

#: Where such a program works.
HERE = Path("/here")


class Sandbox(Program):
    """A program whose file system is what `files` say, by path."""

    files_of_it: Mapping[str, bytes]

    def read(self, path: Path) -> bytes | None:
        """Return a file's content; None: there is none."""
        return self.files_of_it.get(str(HERE / path))

    def names(self, folder: Path) -> tuple[str, ...]:
        """Return what is directly below a folder."""
        below = f"{HERE / folder}/"
        inside = (path[len(below) :] for path in self.files_of_it if path.startswith(below))
        return tuple({name.partition("/")[0] for name in inside})


def started(
    command: str,
    files: Mapping[str, str | bytes] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Sandbox:
    """Make a program of a command line; `files` by paths, those that are not absolute below
    ``/here``, where it works and where its home is.
    """
    words = tuple(shlex.split(command))
    environment = {"HOME": str(HERE), **(variables or {})}
    made = Sandbox(
        words,
        HERE,
        Path(words[0]),
        Path("/usr/bin/python3.11"),
        b"".join(f"\0{name}={value}".encode() for name, value in environment.items()),
    )
    made.files_of_it = {
        str(HERE / path): text.encode() if isinstance(text, str) else text
        for path, text in (files or {}).items()
    }
    return made
