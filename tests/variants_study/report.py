"""The table: what was tried, how often each kind of mistake was seen, and examples of each."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from variants_study.play import Outcome
from variants_study.verdicts import Verdict

__all__ = ["Notes", "table"]

#: Examples of each kind.
_EXAMPLES = 8
_KEYS = {
    "regression": "fails where plain pip succeeds",
    "mixed": "torch and what follows it of different stacks, where one stack was to be had",
    "wrong": "cannot run, where an admitted build that can was listed",
    "exchanged": "a default that runs became an older release, or another major for no more GPUs",
    "overruled": "not the build that the user named",
    "oracle": "`explain` names another file than pip takes",
}


class Notes:
    """Keeps what is known so far, a line for each cell."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`."""
        self.outcomes: list[Outcome] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = folder / "cells.jsonl"
        self._lines.write_text("")

    def __call__(self, outcome: Outcome) -> None:
        """Note one."""
        self.outcomes.append(outcome)
        cell = outcome.cell
        line = {
            "host": str(cell.host),
            "asked": str(cell.asked),
            "wrong": outcome.wrong,
            "plain": dict(outcome.plain.versions) if outcome.plain else None,
            "ours": dict(outcome.ours.versions) if outcome.ours else None,
            "failed": outcome.failed,
        }
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for kind, text in outcome.wrong:
            sys.stderr.write(f"{kind}: {cell}: {text}\n")
        if outcome.failed:
            sys.stderr.write(f"{cell}: {outcome.failed}\n")


def table(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Write it all as Markdown."""
    fine = sum(not each.wrong and not each.failed for each in outcomes)
    tried = {each.cell.host for each in outcomes}
    lines = [f"# {fine} of {len(outcomes)} cells are fine", ""]
    asked = sum(each.explained for each in outcomes)
    took = f"{seconds / 60:.0f} minutes"
    lines += [f"{len(tried)} hosts, {took}. `explain` was asked the same in {asked} cells.", ""]
    counts = Counter(kind for each in outcomes for kind, _ in each.wrong)
    lines += ["| | cells | what |", "| --- | --- | --- |"]
    lines += [f"| {kind} | {counts[kind]} | {_KEYS[kind]} |" for kind in Verdict]
    unknown = [each for each in outcomes if each.failed]
    lines += [f"| not told | {len(unknown)} | the study itself failed |", ""]
    lines += _rows("asked", outcomes, lambda each: str(each.cell.asked))
    for kind in Verdict:
        seen = [(o.cell, text) for o in outcomes for this, text in o.wrong if this is kind]
        if seen:
            lines += ["", f"## {kind}", ""]
            lines += [f"- {cell}: {text[:300]}" for cell, text in seen[:_EXAMPLES]]
    lines += ["", *(f"- {each.cell}: {each.failed[-300:]}" for each in unknown[:_EXAMPLES])]
    return "\n".join(lines).rstrip() + "\n"


def _rows(title: str, outcomes: Sequence[Outcome], row_of: Callable[[Outcome], str]) -> list[str]:
    """Write the rows in which something is wrong, the worst first."""
    tried = Counter(row_of(each) for each in outcomes)
    wrong = Counter(row_of(each) for each in outcomes if each.wrong)
    kinds: dict[str, Counter[Verdict]] = {}
    for each in outcomes:
        kinds.setdefault(row_of(each), Counter()).update(kind for kind, _ in each.wrong)
    if not wrong:
        return []
    lines = [f"| {title} | wrong | tried | what |", "| --- | --- | --- | --- |"]
    for name, number in wrong.most_common(3 * _EXAMPLES):
        what = ", ".join(f"{kind} {count}" for kind, count in kinds[name].most_common())
        lines.append(f"| `{name}` | {number} | {tried[name]} | {what} |")
    return lines
