"""``uv sync`` of a project, led for one command: its lock names the origin, its bytes come from
mirrors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, Contest, Goal, Row, Skip
from benchmarks.corpus import Wheel
from benchmarks.counted import counting, requests
from benchmarks.lab import ORIGIN, UNEVEN, Lab
from benchmarks.peers import uv
from benchmarks.peers.led import LedUser
from benchmarks.stage import Outcome, Stage

TITLE = "headrace run -- uv sync, nothing known before, https"

_SMALL = "60 small packages, no lock, gateway to start"
_LOCKED = "60 small packages, lock committed, gateway up"
_LARGE = "one large wheel, no lock, gateway to start"
_GOALS = {_SMALL: Goal(most=1.3), _LOCKED: Goal(most=1.3), _LARGE: Goal(most=0.75)}
_MINE = "uv sync, headrace"
#: Of many small files chance decides more than of one large one.
_MEDIAN_OF = {_SMALL: 5, _LOCKED: 5, _LARGE: 1}


def run(bench: Bench) -> Iterator[Row]:
    """Compare a led command with the same one whose project names the best mirror."""
    if not uv.program():
        raise Skip("uv is not installed")
    with bench.lab(UNEVEN) as (lab, stage):
        for what in _GOALS:
            wheels = [bench.corpus.big] if what == _LARGE else bench.corpus.small
            contenders = _contenders(bench, lab, stage, wheels, what)
            contest = bench.contest(contenders, least=_MEDIAN_OF[what])
            yield _row(contest, what, len(wheels))


def _row(contest: Contest, what: str, packages: int) -> Row:
    best = contest.best(*(name for name in contest.runs if name != _MINE))
    times = f"{contest.seconds(_MINE):.2f} s : {contest.seconds(best):.2f} s ({best})"
    told = "; ".join(filter(None, (times, requests(contest, _MINE, packages))))
    note = contest.trouble(_MINE) or contest.trouble(best) or told
    return Row(f"{what}: led / best mirror", contest.ratio(_MINE, best), _GOALS[what], note)


def _contenders(
    bench: Bench, lab: Lab, stage: Stage, wheels: Sequence[Wheel], what: str
) -> dict[str, Callable[[], Outcome]]:
    origin = lab.url(ORIGIN, secure=True)
    # Of which one is the best.
    direct = ("b",) if what == _LARGE else ("a", "b")
    lock = ""
    if what == _LOCKED:
        near = lab.url(direct[0], secure=True)
        lock = uv.locked(f"{near}/simple", wheels, stage).replace(f"{near}/", f"{origin}/")

    def of_mirror(host: str) -> Outcome:
        name, base = f"uv sync, {host}", lab.url(host, secure=True)
        own = lock.replace(f"{origin}/", f"{base}/")
        return uv.synced(
            f"{base}/simple", wheels, lambda words, folder: stage.run(name, words, folder), lock=own
        )

    def of_origin() -> Outcome:
        mirrors = {host: lab.url(host, secure=True) for host in lab.topology.mirrors}

        def through(words: list[str], folder: Path) -> Outcome:
            log = bench.log(f"{len(wheels)}-wheels{'-locked' if lock else ''}")
            user = LedUser(stage, origin, mirrors, gateway=bool(lock))
            return user.run(_MINE, words, folder, keep=log)

        return uv.synced(f"{origin}/simple", wheels, through, lock=lock)

    contenders: dict[str, Callable[[], Outcome]] = {
        f"uv sync, {host}": partial(of_mirror, host) for host in direct
    }
    return {**contenders, _MINE: counting(lab, of_origin)}
