"""The files of the store with the names that people know them by."""

from __future__ import annotations

import fnmatch
import stat
from collections.abc import Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from headrace.cli.context import Context
from headrace.cli.upkeep.recorded import recorded
from headrace.errors import UnfitError
from headrace.models import Digest
from headrace.system.storage.store import Store
from headrace.values import dataclass
from headrace.wording import meant, shown

__all__ = ["KeptFile", "chosen", "kept_files", "open_store", "size_below"]

#: Hex digits of a digest that name a file.
_FEWEST = 6


@dataclass(slots=True)
class KeptFile:
    """One whole file in the store."""

    digest: Digest
    size: int
    used: float
    """Epoch."""
    name: str = ""
    """Empty: it came before the record begins."""
    ecosystem: str = ""
    tools: set[str] = field(default_factory=set)
    """Programs that were given it, as far as the record goes back."""
    pinned: bool = False

    def table(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "name": self.name or None,
            "digest": str(self.digest),
            "size": self.size,
            "used": self.used,
            "ecosystem": self.ecosystem or None,
            "tools": sorted(self.tools),
            "pinned": self.pinned,
        }


def open_store(context: Context, *, limit: int | None = None, reserve: float = 0.0) -> Store:
    """Return the scope's own store; nothing is removed from it by looking."""
    settings = context.understood
    return Store(
        context.folders.cache / "store",
        limit=settings.store_limit if limit is None else limit,
        reserve=reserve,
    )


def kept_files(context: Context, store: Store) -> list[KeptFile]:
    """List what is here whole, the last used first."""
    pins = store.pins.all()
    found = {
        entry.file.digest: KeptFile(entry.file.digest, entry.size, entry.used)
        for entry in reversed(store.entries())
        if entry.file is not None
    }
    for digest, name in pins.items():
        if digest in found:
            found[digest].pinned, found[digest].name = True, name
    by_text = {str(digest): file for digest, file in found.items()}
    for entry in recorded(context):
        file = by_text.get(str(entry.get("digest")))
        if file is not None:
            file.name = str(entry.get("name") or file.name)
            file.ecosystem = str(entry.get("ecosystem") or "")
            file.tools |= {str(entry["tool"])} if entry.get("tool") else set()
    return list(found.values())


def chosen(words: Sequence[str], files: Iterable[KeptFile]) -> list[KeptFile]:
    """Return the files that words name: a name, a pattern of names, the beginning of a digest.
    UnfitError for a word that names none.
    """
    every = list(files)
    found: dict[Digest, KeptFile] = {}
    for word in words:
        fitting = [each for each in every if _is_meant(word, each)]
        if not fitting:
            names = [each.name for each in every if each.name]
            raise UnfitError(
                "no-such-file",
                f"no file in the store is called {shown(word)}{meant(word, names[:1000])}",
                hint="`headrace cache list --all` shows what is here, each with its digest",
            )
        found |= {each.digest: each for each in fitting}
    return list(found.values())


def _is_meant(word: str, file: KeptFile) -> bool:
    value = word.rpartition(":")[2].lower()
    by_digest = len(value) >= _FEWEST and file.digest.value.startswith(value)
    return by_digest or (bool(file.name) and fnmatch.fnmatchcase(file.name, word))


def size_below(folder: Path) -> int:
    """Return the bytes of all files below a folder; what cannot be read counts for nothing."""
    total = 0
    for each in folder.rglob("*"):
        try:
            found = each.lstat()
        except OSError:
            continue
        total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total
