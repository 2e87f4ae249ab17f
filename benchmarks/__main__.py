"""``python -m benchmarks``: one table of ratios, measured in one run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cases, report
from benchmarks.bench import Bench, Goal, Row, Skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases; 1 when a goal is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", choices=cases.NAMES)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="smaller files, fewer contenders; without --only the rows that matter most, in less "
        "than five minutes",
    )
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="medians of N runs")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    asked = parser.parse_args(argv)
    if asked.list:
        for name in cases.NAMES:
            print(f"{name:<18} {cases.load(name)[0]}")
        return 0
    # End as after Ctrl-C: gateways, labs and folders go on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    stamp = time.strftime("%Y%m%d-%H%M%S")
    results = Path(__file__).with_name("results") / f"{stamp}-{os.getpid()}"
    bench = Bench(asked.repeat, asked.quick, results)
    rows: list[tuple[str, Row]] = []
    began = time.monotonic()
    try:
        for name in asked.only or (cases.QUICK if asked.quick else cases.NAMES):
            rows += _run(bench, name)
    finally:
        path = report.save(bench, rows)
        print("", *report.worst(rows), sep="\n")
        took = f"{time.monotonic() - began:.0f} s"
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        print(f"\n{took}; {load}; raw figures in {path}")
    return 1 if any(row.met is False for _, row in rows) else 0


def _run(bench: Bench, name: str) -> list[tuple[str, Row]]:
    bench.case, bench.lab_kind = name, ""
    title, run = cases.load(name)
    rows: list[tuple[str, Row]] = []
    try:
        for row in run(bench):
            if not rows:
                print(report.heading(title, bench.lab_kind), flush=True)
            print(report.line(row), flush=True)
            rows.append((name, row))
    except Skip as reason:
        print(report.heading(title, bench.lab_kind), f"  skipped: {reason}", sep="\n", flush=True)
    except (RuntimeError, OSError) as error:
        # One case that cannot run takes its rows from the table, not the table from the others.
        failed = Row("the case did not run", None, Goal(least=1), str(error))
        print(report.heading(title, bench.lab_kind), report.line(failed), sep="\n", flush=True)
        rows.append((name, failed))
    return rows


if __name__ == "__main__":
    sys.exit(main())
