"""The table for people, and the raw figures for those who doubt it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.bench import Bench, Row

__all__ = ["heading", "line", "save", "worst"]


def heading(title: str, kind: str) -> str:
    """Give the line above a case's rows."""
    return f"\n{title}" + (f"  [{kind}]" if kind else "")


def line(row: Row) -> str:
    """Give one row: what, got, goal, met or not, note."""
    got = "failed" if row.got is None else f"{row.got:.2f}{row.unit}"
    verdict = {None: "", True: "met", False: "NOT MET"}[row.met]
    goal = str(row.goal) + row.unit if row.goal is not None else ""
    return f"  {row.what:<44} {got:>10}  {goal:<10} {verdict:<8} {row.note}".rstrip()


def worst(rows: Sequence[tuple[str, Row]]) -> list[str]:
    """Give a line for each row that misses its goal, the furthest away first."""
    missed = sorted((each for each in rows if each[1].met is False), key=lambda r: -r[1].short_of)
    if not missed:
        return ["every goal is met"]
    counted = sum(row.goal is not None for _, row in rows)
    head = f"{len(missed)} of {counted} goals are not met, the furthest away first:"
    return [head, *(f"{line(row)}  [{case}]" for case, row in missed)]


def save(bench: Bench, rows: Sequence[tuple[str, Row]]) -> Path:
    """Write everything that was measured, with the machine and the programs' versions."""
    path = bench.results / "figures.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = [{"case": case, **asdict(row), "met": row.met} for case, row in rows]
    figures = {
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load": os.getloadavg(),
        },
        "programs": {name: _version(name) for name in ("curl", "aria2c", "uv", "nginx")},
        "lab": bench.lab_kind,
        "repeat": bench.repeat,
        "quick": bench.quick,
        "rows": table,
        "runs": bench.records,
    }
    path.write_text(json.dumps(figures, indent=1) + "\n")
    return path


def _version(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        return ""
    flag = "-v" if name == "nginx" else "--version"
    told = subprocess.run([program, flag], check=False, capture_output=True, text=True)
    return (told.stdout or told.stderr).partition("\n")[0]
