"""The table: clients and faults, and each cell that is not fine with what was said."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from matrix.cells import BAD, told
from matrix.faults import AT_FILES, AT_PAGES
from matrix.play import Outcome

__all__ = ["Notes", "table"]

_KEY = (
    "In a field: fine / tried · seconds of the client's own command · share of the file's bytes "
    "that the origin gave. *Not met*: nobody with the fault was asked. *Older*: a release that the "
    "origin has, too, named by a mirror's page while the origin's own was slow."
)


class Notes:
    """Keeps what is known so far: a line for each cell, and a file for each that is not fine."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`."""
        self.folder = folder
        self.outcomes: list[Outcome] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = folder / "cells.jsonl"
        self._lines.write_text("")

    def __call__(self, outcome: Outcome) -> None:
        """Note one."""
        self.outcomes.append(outcome)
        line = {**asdict(outcome), "told": None}
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if outcome.wrong:
            name = str(outcome.cell).replace("/", "-").replace(" ", "_")
            text = "\n".join((str(outcome.cell), *outcome.wrong, "", outcome.told))
            (self.folder / f"{name}.txt").write_text(text, "utf-8")
            sys.stderr.write(f"{outcome.cell}: {'; '.join(outcome.wrong)[:200]}\n")


def table(outcomes: Sequence[Outcome], left_out: Mapping[str, str], seconds: float) -> str:
    """Write it all as Markdown."""
    clients = list(dict.fromkeys(each.cell.client for each in outcomes))
    tried = {each.cell.fault for each in outcomes}
    faults = [fault for fault in (*AT_FILES, *AT_PAGES) if fault in tried]
    failed = [each for each in outcomes if each.wrong]
    lines = [
        f"# {len(outcomes) - len(failed)} of {len(outcomes)} cells are fine",
        "",
        f"{len(clients)} clients, {len(faults)} faults, {seconds / 60:.0f} minutes. {_KEY}",
        "",
        *_grid("fault", faults, clients, outcomes, lambda each: each.cell.fault),
        "",
        *_grid("file", _sizes(outcomes), clients, outcomes, lambda each: told(each.cell.size)),
        "",
        *_grid("fault at", list(BAD), clients, outcomes, lambda each: each.cell.bad),
    ]
    if left_out:
        lines += ["", "## Not tried here", ""]
        lines += [f"- {client}: {why}" for client, why in left_out.items()]
    if failed:
        lines += ["", "## Not fine", ""]
        lines += [f"- {each.cell}: {'; '.join(each.wrong)[:300]}" for each in failed]
    return "\n".join(lines) + "\n"


def _sizes(outcomes: Sequence[Outcome]) -> list[str]:
    return [told(size) for size in sorted({each.cell.size for each in outcomes})]


def _grid(
    title: str,
    rows: Sequence[str],
    clients: Sequence[str],
    outcomes: Sequence[Outcome],
    row_of: Callable[[Outcome], str],
) -> list[str]:
    found: dict[tuple[str, str], list[Outcome]] = {}
    for each in outcomes:
        found.setdefault((row_of(each), each.cell.client), []).append(each)
    lines = [f"| {title} | {' | '.join(clients)} |", f"| --- |{' --- |' * len(clients)}"]
    for row in rows:
        fields = [_field(found.get((row, client), ())) for client in clients]
        lines.append(f"| {row} | {' | '.join(fields)} |")
    return lines


def _field(of: Sequence[Outcome]) -> str:
    if not of:
        return ""
    fine = sum(not each.wrong for each in of)
    count = f"{fine}/{len(of)}" if fine == len(of) else f"**{fine}/{len(of)}**"
    seconds = _span([each.seconds for each in of], "{:.1f}")
    share = _span([100 * each.share for each in of], "{:.0f}")
    unmet = sum(not each.met for each in of)
    older = sum(each.older for each in of)
    more = [f"{n} {word}" for n, word in ((unmet, "not met"), (older, "older")) if n]
    return " · ".join((count, f"{seconds} s", f"{share} %", *more))


def _span(values: Sequence[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"
