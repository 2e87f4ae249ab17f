"""How this headrace was installed, and so by which one command it is removed or renewed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
import site
import sys
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from headrace import data
from headrace.foreign import read_json_or_none
from headrace.values import dataclass

__all__ = ["InstalledPackage", "as_typed", "look"]

_PROJECT = "headrace"


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """Where it is, who put it there, and what to say to that one."""

    by: str
    """The installer's name, for people; "" where nobody installed it."""
    folder: Path
    remove: tuple[str, ...] = ()
    """The command that removes it; empty: there is none."""
    yes: tuple[str, ...] = ()
    """What keeps that command from asking."""
    renew: tuple[tuple[str, ...], ...] = ()
    """The commands, one after the other, that bring a newer one from where this one came."""
    wakes: bool = False
    """Whether something of the package goes on starting the gateway while it is there."""

    def table(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "by": self.by or None,
            "folder": str(self.folder),
            "remove": list(self.remove),
            "renew": [list(words) for words in self.renew],
        }


def look(
    prefix: Path | None = None, found: importlib.metadata.Distribution | None = None
) -> InstalledPackage:
    """Find it out by what installers leave (PEP 376 and 610, and their own files). `prefix`: of
    this Python's environment; `found`: the installed package.
    """
    prefix = prefix or Path(sys.prefix)
    folder = Path(__file__).parents[2]
    try:
        found = found or importlib.metadata.distribution(_PROJECT)
    except importlib.metadata.PackageNotFoundError:
        return InstalledPackage("", folder)
    known = tomllib.loads(data.text("installers.toml"))
    record = (found.read_text("INSTALLER") or "").strip()
    row = next(each for each in known["installer"] if _fits(each, prefix, record))
    around = [each for each in known["environment"] if (prefix / each["marker"]).exists()]
    told: Any = read_json_or_none(found.read_text("direct_url.json") or "null")
    source = _source(told)
    user = Path(str(found.locate_file(""))).resolve() == Path(site.getusersitepackages()).resolve()
    words = {
        "{python}": sys.executable,
        "{source}": source,
        "{user}": "--user" if user else "",
        "{managed}": "--break-system-packages" if _is_managed(prefix) else "",
    }
    renew = _filled(row["renew_from"] if source else row["renew"], words)
    # A checkout is brought up to date first; one that is run as it lies needs no more.
    pull = [("git", "-C", source, "pull")] if source and (Path(source) / ".git").exists() else []
    editable = isinstance(told, dict) and (told.get("dir_info") or {}).get("editable")
    names = [row["name"], "--user" if user else "", *(each["name"] for each in around)]
    return InstalledPackage(
        by=" ".join(filter(None, names)),
        folder=folder,
        remove=_filled(row["remove"], words),
        yes=tuple(row.get("yes", ())),
        renew=tuple(pull) if editable else (*pull, renew),
        wakes=any(each.get("wakes") for each in around),
    )


def as_typed(words: Sequence[str]) -> str:
    """Return a command as one types it."""
    return shlex.join(words)


def _fits(row: Mapping[str, Any], prefix: Path, record: str) -> bool:
    if "marker" in row:
        return (prefix / str(row["marker"])).exists()
    if "record" in row:
        return record == row["record"] and importlib.util.find_spec(row["without"]) is None
    return True


def _filled(row: Sequence[str], words: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(filter(None, (words.get(each, each) for each in row)))


def _source(told: Any) -> str:
    """Return the folder or file that it was installed from; "": an index."""
    url = str(told.get("url", "")) if isinstance(told, dict) else ""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "file":
            return unquote(parts.path)
    return ""


def _is_managed(prefix: Path) -> bool:
    """Whether the system keeps this Python's packages (PEP 668)."""
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    return str(prefix) == sys.base_prefix and marker.exists()
