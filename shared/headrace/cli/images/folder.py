"""A folder that is written: how it differs from what is there, and how it gets to the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from headrace.errors import LocalError
from headrace.interface.activations import FileEdit
from headrace.system import atomic, folders

if TYPE_CHECKING:
    from headrace.interface.images import FolderFile

__all__ = ["NOBODY_ELSE", "FileBeside", "Owners", "compare", "put"]


@dataclass(frozen=True)
class Owners:
    """Whose what root writes is to be, as (user, group); None: root's own."""

    caller: tuple[int, int] | None = None
    """Of everything: who became root for this command."""
    inside: tuple[int, int] | None = None
    """Of the folder that the account inside works in."""


NOBODY_ELSE = Owners()
"""Where another user than root writes, and nothing can be given away."""
#: Bytes of a file that is there already and is compared; a longer one differs.
_LONGEST = 4 << 20


@dataclass(frozen=True)
class FileBeside:
    """One file, beside what is there."""

    file: FolderFile
    path: Path
    before: bytes | None
    """None: there is nothing."""

    @property
    def state(self) -> str:
        """``new``, ``same`` or ``differs``."""
        if self.before is None:
            return "new"
        return "same" if self.before == self.file.data else "differs"

    @property
    def edit(self) -> FileEdit:
        """The change, to be shown."""
        return FileEdit(self.path, self.before, self.file.data, "image write")

    def table(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "path": self.file.path,
            "state": self.state,
            "size": len(self.file.data),
            "mode": f"{self.file.mode:04o}",
        }


def compare(directory: Path, files: Sequence[FolderFile]) -> list[FileBeside]:
    """Read what is there; LocalError, where something that is no file stands in the way."""
    found = []
    for file in files:
        path = _place(directory, file.path)
        try:
            there = file.private and os.path.lexists(path)
            found.append(FileBeside(file, path, file.data if there else _before(path)))
        except OSError as error:
            what = f"{path} cannot be read: {error.strerror}"
            raise LocalError("unreadable-folder", what, hint="name another folder") from error
    return found


def _place(directory: Path, name: str) -> Path:
    """Return where a file goes, which is below the directory whatever a plugin calls it."""
    parts = PurePosixPath(name).parts
    if not parts or {"..", "/"} & set(parts):
        raise LocalError(
            "outside-folder",
            f"a plugin names a file outside the folder: {name}",
            hint="tell whoever made that plugin",
        )
    path = directory
    for part in parts[:-1]:
        path /= part
        if path.is_symlink():
            raise LocalError(
                "linked-folder",
                f"{path} is a link, and files would be written where it leads",
                hint="name another folder, or put a real one in its place",
            )
    return path / parts[-1]


def _before(path: Path) -> bytes | None:
    if path.is_symlink():
        # It would be replaced, and what it leads to would stay; that is what is shown.
        return f"a link to {path.readlink()}\n".encode()
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None


def put(compared: Sequence[FileBeside], owners: Owners = NOBODY_ELSE) -> None:
    """Write what differs, each file at once or not at all; LocalError says which could not be."""
    written = 0
    for each in compared:
        if each.state == "same":
            continue
        try:
            _write(each, owners)
        except OSError as error:
            what = f"{each.path} cannot be written: {error.strerror}"
            hint = "what was written before it is there; the same command writes the rest"
            hint = hint if written else "nothing was written; name another folder"
            raise LocalError("unwritable-folder", what, hint=hint) from error
        written += 1


def _write(each: FileBeside, owners: Owners) -> None:
    folder = each.path.parent
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    if missing:
        folders.make(folder, 0o755)
    for above in missing if owners.caller is not None else ():
        folders.set_mode(above, 0o755, owners.caller)
    if each.file.private:
        folders.set_mode(folder, 0o700)
    if each.file.worked_in and missing and owners.inside is not None:
        folders.set_mode(folder, 0o755, owners.inside)
    owner = owners.inside if each.file.worked_in else owners.caller
    atomic.replace(each.path, each.file.data, mode=each.file.mode, owner=owner)
