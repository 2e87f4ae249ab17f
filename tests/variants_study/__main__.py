"""``python -m variants_study``."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import tempfile
import time
from pathlib import Path

from lib.clients import PIPS
from variants_study.asked import ASKED, by_name
from variants_study.hosts import described
from variants_study.play import Cell, cells, play
from variants_study.report import Notes, table
from variants_study.stage import Stage


def main(words: list[str]) -> int:
    """Play what is asked for; 1 where a cell is not fine."""
    parser = argparse.ArgumentParser(prog="variants_study", description=__doc__)
    parser.add_argument("--hosts", type=int, default=60, metavar="NUMBER")
    help_ = "so many requests for each host, of those that are written down; 0: all"
    parser.add_argument("--each", type=int, default=12, metavar="NUMBER", help=help_)
    help_ = "and so many for each host with specifiers that nobody wrote down"
    parser.add_argument("--drawn", type=int, default=4, metavar="NUMBER", help=help_)
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same cells")
    help_ = "this host instead of drawn ones, as in 'driver=550.54.15,gpu=Tesla V100'"
    parser.add_argument("--host", action="append", metavar="FACTS", help=help_)
    help_ = "this request alone, as the report writes it; may be repeated"
    parser.add_argument("--asked", action="append", metavar="WORDS", help=help_)
    parser.add_argument("--minutes", type=float, default=math.inf, help="none begins after that")
    parser.add_argument("--side-by-side", type=int, default=4, metavar="PIPS")
    parser.add_argument("--pip", choices=PIPS, default=PIPS[-1])
    parser.add_argument("--report", type=Path, default=Path("variants-report"), metavar="FOLDER")
    asked = parser.parse_args(words)
    if asked.host or asked.asked:
        drawn = dict.fromkeys(cell.host for cell in cells(asked.seed, asked.hosts, 1, drawn=0))
        hosts = [described(text) for text in asked.host or ()] or list(drawn)
        requests = [by_name(text) for text in asked.asked or ()]
        chosen = [Cell(host, each) for host in hosts for each in requests or ASKED]
    else:
        chosen = cells(asked.seed, asked.hosts, asked.each, drawn=asked.drawn)
    sys.stderr.write(f"{len(chosen)} cells\n")
    began = time.monotonic()
    notes = Notes(asked.report)
    # What is known by then is written down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="variants-study") as folder,
            Stage(Path(folder), side_by_side=asked.side_by_side, pip=asked.pip) as stage,
        ):
            play(chosen, stage, until=began + 60 * asked.minutes, note=notes)
    finally:
        written = table(notes.outcomes, time.monotonic() - began)
        (asked.report / "table.md").write_text(written, "utf-8")
        sys.stdout.write(written)
    fine = not any(each.wrong or each.failed for each in notes.outcomes)
    return 0 if notes.outcomes and fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
