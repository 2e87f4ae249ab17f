"""What another program said, kept while nothing has changed that it read.

To start one costs more than all else that a command does, so what it said counts for an hour, for
the same question, environment, folder and user, as long as each path that it read is what it was
before it read it. Nothing is kept that holds a secret, nor where another user could write it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.config import Folders
from headrace.errors import HeadraceError
from headrace.foreign import read_json_or_none
from headrace.interface.activations import Place, Scope
from headrace.ownership import files
from headrace.ownership.changes import fingerprint
from headrace.redact import has_secret

__all__ = ["FOLDER", "Seen", "kept"]

#: Below the state folder; who runs commands makes it, and `off` clears it.
FOLDER = "kept-runs"
#: What each path was that a program read, by `fingerprint`, before it read it.
Seen = Mapping[str, list[int] | int]
#: Seconds that an answer lasts, and that all it was made of must have been unchanged before.
_LASTS, _STEP = 3600.0, 2.1
_MOST_BYTES = 1 << 20


def kept(
    name: str,
    question: Sequence[str],
    place: Place,
    ask: Callable[[], tuple[Any, Seen] | None],
) -> Any:
    """Return what is kept of a question, else what `ask` gives: what was said, as JSON has it, and
    what was read for it; or None. `name` is that of the one file that is kept.
    """
    file = _file(name, place)
    key = _key(question, place)
    if file is not None:
        # Of what is none of ours there is nothing to read.
        wrong = (OSError, HeadraceError, ValueError, KeyError, TypeError, AttributeError)
        with contextlib.suppress(*wrong):
            told: Any = read_json_or_none(files.read(file, most=_MOST_BYTES))
            if told["key"] == key and _stands(told):
                for path in told["seen"]:
                    sys.audit(files.LOOKED, path)
                return told["said"]
    asked = ask()
    if asked is None:
        return None
    said, seen = asked
    made = {"key": key, "made": time.time(), "seen": seen, "said": said}
    if file is not None and seen and _settled(made) and not _is_secret(said):
        with contextlib.suppress(OSError, ValueError):
            _write(file, json.dumps(made).encode())
    return said


def _file(name: str, place: Place) -> Path | None:
    """Return where an answer is kept; None: nowhere. Elsewhere than on Linux nobody says with such
    certainty that a file is the same.
    """
    by_sudo = place.environment.get("SUDO_UID")
    if place.platform != "linux" or place.scope is not Scope.USER or by_sudo:
        return None
    folder = Folders.of_user(place.environment).state / FOLDER
    return folder / f"said-by-{name}" if os.path.isdir(folder) else None  # noqa: PTH112 - of no tool


def _key(question: Sequence[str], place: Place) -> str:
    told = [
        list(question),
        sorted(place.environment.items()),
        str(place.working_directory),
        [os.geteuid(), sorted(os.getgroups())] if sys.platform != "win32" else [],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _stands(told: Any) -> bool:
    if not 0 <= time.time() - told["made"] < _LASTS:
        return False
    return all(fingerprint(path) == seen for path, seen in told["seen"].items())


def _settled(made: Any) -> bool:
    """Whether nothing was changed while it was read, nor so shortly before that the times of a file
    system might not tell.
    """
    late = (time.time() - _STEP) * 1e9
    times = (max(seen[-2:]) for seen in made["seen"].values() if isinstance(seen, list))
    return all(each <= late for each in times) and _stands(made)


def _is_secret(said: Any) -> bool:
    return any(has_secret(text) for text in _texts(said))


def _texts(said: Any) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping):
        for key, value in said.items():
            yield from (*_texts(key), *_texts(value))
    elif isinstance(said, list):
        for each in said:
            yield from _texts(each)


def _write(file: Path, content: bytes) -> None:
    """Put it there in one step, for this user alone. After a crash there is the old one or none."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(content)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
