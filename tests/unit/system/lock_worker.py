"""One of two processes that do the same at the same time: see test_locks.py."""

from __future__ import annotations

import sys
from pathlib import Path

from headrace.config import Folders
from headrace.interface.hookspecs import FileEdit
from headrace.system.edits.journal import Journal
from headrace.system.state import State


def main(what: str, root: str, number: str) -> None:
    """Say that this one is ready, wait for the word, and do it twenty times."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    folder = Path(root)
    journal = Journal(folder / "state" / "journal")
    for turn in range(20):
        if what == "journal":
            edit = FileEdit(folder / f"file-{number}-{turn}", None, b"ours\n", "why")
            tool = f"tool-{number}-{turn}"
            journal.apply([(tool, edit)], of=[tool])
        else:
            state = State(Folders(*(folder / str(turn) / name for name in ("c", "s", "h"))))
            sys.stdout.write(f"{state.ensure_token()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
