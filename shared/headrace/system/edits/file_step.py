"""One step of a change to a file, and how to perform it; the journal puts steps together.

Links are followed to the file that they lead to, permissions and owner are kept, and folders that
had to be made are known, so that they can go away again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from headrace.config import home_folder
from headrace.errors import ConfigurationError
from headrace.ownership.files import opened
from headrace.system import atomic, folders
from headrace.values import dataclass

__all__ = [
    "LARGEST",
    "FileStep",
    "missing_folders",
    "mode_of",
    "perform",
    "read_file",
    "remove_empty",
    "target",
]


#: Bytes of a configuration file. Those who read and edit them take some microseconds for a byte.
LARGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class FileStep:
    """One file from `old` to `new` (None: no such file), with what is needed to take it back."""

    path: str
    old: bytes | None
    new: bytes | None
    old_mode: int | None
    new_mode: int | None
    folders: tuple[str, ...] = ()
    """Folders that must be made for it, outermost first."""

    def reversed(self) -> FileStep:
        """Return the step that takes this one back."""
        return FileStep(self.path, self.new, self.old, self.new_mode, self.old_mode)


def read_file(path: Path) -> bytes | None:
    """Return a file's bytes, None where there is none; ConfigurationError when unreadable."""
    try:
        with opened(path) as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(
            "unreadable",
            f"{path} cannot be read: {error.strerror or error}",
            hint="check its permissions; nothing was changed",
        ) from error
    if len(content) > LARGEST:
        raise ConfigurationError(
            "too-large",
            f"{path} is larger than {LARGEST >> 20} MiB: no configuration file is",
            hint="look at what it is; nothing was changed",
        )
    return content


def target(path: Path) -> Path:
    """Return the file that a path leads to through links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise ConfigurationError(
            "unreadable", f"{path} leads nowhere: {error}", hint="mend the link"
        ) from error


def mode_of(path: Path) -> int | None:
    """Return the permission bits, None where there is no file."""
    try:
        return path.stat().st_mode & 0o7777
    except OSError:
        return None


def missing_folders(folder: Path) -> tuple[str, ...]:
    """Return the folders that must be made for this one to be there, outermost first."""
    missing: list[str] = []
    while not folder.exists():
        missing.insert(0, str(folder))
        folder = folder.parent
    return tuple(missing)


def perform(step: FileStep) -> None:
    """Make the file be as the step says; OSError when it cannot be."""
    path = Path(step.path)
    if step.new is None:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            atomic.sync_folder(path.parent)
        return
    owner = _owner(path)
    for folder in missing_folders(path.parent):
        mode = _folder_mode(Path(folder), owner)
        Path(folder).mkdir(mode)
        folders.set_mode(Path(folder), mode, owner)
    atomic.replace(
        path, step.new, mode=0o644 if step.new_mode is None else step.new_mode, owner=owner
    )


def _folder_mode(folder: Path, owner: tuple[int, int] | None) -> int:
    """A user's folders are the user's; the system's, which root makes, must be read by all."""
    system = sys.platform != "win32" and os.geteuid() == 0 and (owner is None or owner[0] == 0)
    return 0o755 if system and not folder.is_relative_to(home_folder()) else 0o700


def _owner(path: Path) -> tuple[int, int] | None:
    """Whose the file is; of a new one, whose the folder is when root writes into a home."""
    if sys.platform == "win32":
        return None
    while not path.exists():
        path = path.parent
        if os.geteuid() != 0:
            return None
    status = path.stat()
    return status.st_uid, status.st_gid


def remove_empty(folders: Sequence[str]) -> None:
    """Remove folders that we made, as far as nobody else uses them now."""
    for folder in reversed(folders):
        try:
            Path(folder).rmdir()
        except OSError:  # not empty: somebody else uses it now
            return
