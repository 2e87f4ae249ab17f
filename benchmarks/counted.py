"""What a run has asked of the origin and of the mirrors, beside its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.bench import Contest
from benchmarks.lab import ORIGIN, Lab
from benchmarks.stage import Outcome

__all__ = ["AT_ORIGIN", "counting", "requests"]

#: The names of these figures.
AT_ORIGIN, AT_MIRRORS = "requests at the origin", "requests at mirrors"


def counting(lab: Lab, run: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """Make of a run one that counts, where the lab does."""

    def counted() -> Outcome:
        before = lab.requests()
        outcome = run()
        asked = {host: count - before.get(host, 0) for host, count in lab.requests().items()}
        if not asked:
            return outcome
        mirrors = sum(count for host, count in asked.items() if host != ORIGIN)
        detail = {AT_ORIGIN: asked[ORIGIN], AT_MIRRORS: mirrors}
        return replace(outcome, detail={**outcome.detail, **detail})

    return counted


def requests(contest: Contest, contender: str, packages: int) -> str:
    """Tell both for each package; empty where nobody counted."""
    origin, mirrors = (contest.detail(contender, name) for name in (AT_ORIGIN, AT_MIRRORS))
    if origin is None or mirrors is None:
        return ""
    return f"asked a package: origin {origin / packages:.1f}, mirrors {mirrors / packages:.1f}"
