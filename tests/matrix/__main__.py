"""``python -m matrix``."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from pathlib import Path

from matrix.cells import BAD, cells, told
from matrix.clients import CLIENTS
from matrix.faults import AT_FILES, AT_PAGES
from matrix.play import play
from matrix.report import Notes, table

_FAULTS = (*AT_FILES, *AT_PAGES)


def main(words: list[str]) -> int:
    """Play what is asked for; 1 where a cell is not fine."""
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__)
    parser.add_argument("--client", action="append", choices=CLIENTS, help="may be repeated")
    parser.add_argument("--fault", action="append", choices=_FAULTS, help="may be repeated")
    parser.add_argument("--size", action="append", metavar="TEXT", help="as in '8 MiB + 1'")
    parser.add_argument("--bad", action="append", choices=BAD)
    help_ = "so many sizes of each client and fault; 0: all of them, which takes a night"
    parser.add_argument("--rounds", type=int, default=2, help=help_)
    parser.add_argument("--minutes", type=float, default=math.inf, help="none begins after that")
    parser.add_argument("--side-by-side", type=int, default=4, metavar="CELLS")
    parser.add_argument("--report", type=Path, default=Path("matrix-report"), metavar="FOLDER")
    asked = parser.parse_args(words)
    wanted = {name: CLIENTS[name] for name in asked.client or CLIENTS}
    left_out = {name: why for name, client in wanted.items() if (why := client.why_not())}
    here = {name: each.ecosystem for name, each in wanted.items() if name not in left_out}
    narrow = bool(asked.size or asked.bad)
    chosen = [
        cell
        for cell in cells(here, 0 if narrow else asked.rounds, asked.fault or _FAULTS)
        if (not asked.size or told(cell.size) in asked.size)
        and (not asked.bad or cell.bad in asked.bad)
    ]
    sys.stderr.write(f"{len(chosen)} cells\n")
    began = time.monotonic()
    notes = Notes(asked.report)
    # What is known by then is written down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        until = began + 60 * asked.minutes
        play(chosen, side_by_side=asked.side_by_side, until=until, note=notes)
    finally:
        written = table(notes.outcomes, left_out, time.monotonic() - began)
        (asked.report / "table.md").write_text(written, "utf-8")
        sys.stdout.write(written)
    return 1 if not notes.outcomes or any(each.wrong for each in notes.outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
