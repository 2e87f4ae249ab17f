"""The files of a state folder: who may read them, and whose words in them are believed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from headrace import __version__
from headrace.errors import LocalError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.ownership import files as ownership
from headrace.system import atomic, folders
from headrace.system.locks import locked

__all__ = ["FORMAT", "StateFiles", "refuse_newer"]

#: The form of what is recorded about `on`: the journal, and where the gateway is. One that this
#: code could not read to the end without loss has a greater number.
FORMAT = 1

_T = TypeVar("_T")
_D = TypeVar("_D")


class StateFiles:
    """Small JSON files of a user, or of the machine."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        """`shared`: the machine's, which every user may read as far as it holds no secret."""
        self.folder = folder
        self._shared = shared
        self._folder_mode = 0o755 if shared else 0o700

    def owners(self) -> frozenset[int]:
        """Return whose files here are believed, beside root's and one's own."""
        return ownership.account_of(self.folder) if self._shared else frozenset()

    def read(self, name: str, meant: Callable[[Any], _T], default: _D) -> _T | _D:
        """Return what is meant by a file: `default` where there is none. LocalError where it is
        broken, cannot be read, or can be written by somebody else.
        """
        path = self.folder / name

        def broken(why: str) -> LocalError:
            return LocalError(
                "state-unreadable",
                f"{path} cannot be read: {why}",
                hint="`headrace on` writes it anew once it is readable or gone",
            )

        with foreign("the state", broken):
            try:
                told = read_json(ownership.read(path, ownership.trusted() | self.owners()))
            except FileNotFoundError:
                return default
            except UnreadableError as error:
                raise broken(error.message) from error
            return default if told is None else meant(told)

    def write(self, name: str, value: Any, *, secret: bool = False) -> None:
        """Put a value there, for its owner's eyes alone when it is a `secret`; LocalError."""
        try:
            folders.make(self.folder, self._folder_mode)
            atomic.replace(
                self.folder / name,
                json.dumps(value, indent=1).encode() + b"\n",
                mode=0o644 if self._shared and not secret else 0o600,
                owner=_owner(self.folder),
            )
        except OSError as error:
            raise _unwritable(self.folder / name, error) from error

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Let one process at a time make a file, where the file system has locks."""
        with contextlib.ExitStack() as stack:
            try:
                folders.make(self.folder, self._folder_mode)
                stack.enter_context(locked(self.folder / f"{name}.lock"))
            except OSError as error:
                raise _unwritable(self.folder / name, error) from error
            yield

    def forget(self, name: str) -> None:
        """Remove it, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / name).unlink()


def refuse_newer(path: Path, told: Mapping[str, Any], reference: str) -> None:
    """Leave alone what a newer version wrote in a form of its own; LocalError names that version.

    To write it anew by what is understood of it would lose the rest.
    """
    if int(told.get("format", 1)) <= FORMAT:
        return
    newer = str(told.get("written_by") or "of a later version")[:40]
    raise LocalError(
        reference,
        f"{path} was written by headrace {newer}, in a form that this headrace ({__version__}) "
        "does not know; it is left alone",
        hint="use that version, or install one that is at least as new; where this one is to stay: "
        "`headrace off` with that one first",
    )


def _unwritable(path: Path, error: OSError) -> LocalError:
    return LocalError(
        "state-unwritable",
        f"{path} cannot be written: {error.strerror or error}",
        hint="check the disk and the folder's owner",
    )


def _owner(folder: Path) -> tuple[int, int] | None:
    if os.name == "nt":
        return None
    status = folder.stat()
    return status.st_uid, status.st_gid
