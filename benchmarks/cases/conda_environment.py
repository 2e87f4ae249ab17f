"""conda makes an environment: an index to solve with, forty packages, a far origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.bench import Bench, Contest, Goal, Row, Skip
from benchmarks.cases.conda_big_package import (
    against_origin,
    direct,
    requests_told,
    through_gateway,
)
from benchmarks.corpus import Channel
from benchmarks.corpus.channel import Kind
from benchmarks.lab import UNEVEN, Lab, nginx
from benchmarks.lab.topology import PAYLOAD_SHARE
from benchmarks.loopback import served
from benchmarks.peers import conda
from benchmarks.peers.conda import How
from benchmarks.stage import Outcome, Stage

TITLE = "conda: an environment of 40 packages; origin 200 ms, 2 % loss, https"

#: The origin has shards and each mirror a flat index of 31 MB (5 MB packed), as the public ones;
#: nobody has shards, and the index is small; the same with the large index.
_KINDS: tuple[Kind, ...] = ("sharded", "flat", "large")
_DIRECT = ("download, b", "download, a")
_MINE, _WARM = "download, headrace", "download, headrace, warm"
#: In other ways, where the origin has shards: what is special, for the table.
_WAYS: dict[How, str] = {"primed": "index cached", "link": "linked too"}


def run(bench: Bench) -> Iterator[Row]:
    """Compare with conda on the best mirror, with conda on the origin, and with the links."""
    if conda.base() is None:
        raise Skip(conda.NO_BASE)
    channel = bench.environment
    with bench.lab(UNEVEN, channel) as (lab, stage):
        for kind in _KINDS:
            contest = bench.contest(_contenders(bench, lab, stage, channel, kind))
            yield from _rows(contest, channel, kind, _alone(bench, channel, kind))
            if not bench.quick:
                seconds, what = contest.seconds(_MINE), f"{kind}: headrace"
                yield against_origin(bench, lab, stage, channel, kind, seconds=seconds, what=what)


def _alone(bench: Bench, channel: Channel, kind: Kind) -> float:
    """Take the time of conda itself, all that it does when bytes cost nothing; infinity where that
    cannot be told.
    """
    if not nginx.available():
        return float("inf")
    with served(channel) as origin:
        outcome = conda.create(Stage(), "conda, no lines", origin.url + channel.at(kind), channel)
    outcome.detail.update(kind=kind)
    bench.record(outcome)
    return outcome.seconds if outcome.good else float("inf")


def _rows(contest: Contest, channel: Channel, kind: Kind, alone: float) -> Iterator[Row]:
    best_mirror = contest.best(*(name for name in _DIRECT if name in contest.runs))
    pairs = [
        (_MINE, best_mirror, "", Goal(most=1.0)),
        (_WARM, best_mirror, ", warm", Goal(most=1.0)),
        *((f"{how}, headrace", f"{how}, b", f", {what}", None) for how, what in _WAYS.items()),
    ]
    for mine, best, what, goal in pairs:
        if mine not in contest.runs:
            continue
        times = f"{contest.seconds(mine):.1f} s : {contest.seconds(best):.1f} s ({best[-1]})"
        times += requests_told(contest.runs[mine][-1])
        note = contest.trouble(mine) or contest.trouble(best) or times
        yield Row(f"{kind}{what}: headrace / mirror", contest.ratio(mine, best), goal, note)
    seconds, bound = contest.seconds(_MINE), UNEVEN.bound(channel.size)
    got = bound / seconds if seconds != float("inf") else None
    note = f"links {bound:.1f} s"
    if alone != float("inf"):
        note += f"; conda by itself {alone:.1f} s"
    yield Row(f"{kind}: bound / time", got, None, note)
    yield from _price(contest.runs[_MINE][-1], channel, kind)


def _price(outcome: Outcome, channel: Channel, kind: Kind) -> Iterator[Row]:
    """Compare all that came over the lines, TLS and heads too, with the index and the packages."""
    if outcome.good:
        sent: dict[str, int] = outcome.detail["sent"]
        shares = ", ".join(f"{host} {count / 1e6:.1f}" for host, count in sent.items())
        got = sum(sent.values()) * PAYLOAD_SHARE / (channel.size + channel.index_size(kind))
        yield Row(f"{kind}: bytes fetched / needed", got, Goal(most=1.03), f"MB: {shares}")


def _contenders(
    bench: Bench, lab: Lab, stage: Stage, channel: Channel, kind: Kind
) -> dict[str, Callable[[], Outcome]]:
    contenders: dict[str, Callable[[], Outcome]] = {
        "download, b": lambda: direct(lab, stage, "b", channel, kind),
        _MINE: lambda: through_gateway(bench, lab, stage, channel, kind),
    }
    if not bench.quick:
        contenders["download, a"] = lambda: direct(lab, stage, "a", channel, kind)
    if kind == "sharded":
        contenders[_WARM] = lambda: through_gateway(bench, lab, stage, channel, kind, warm=True)
        for how in () if bench.quick else _WAYS:
            contenders[f"{how}, b"] = partial(direct, lab, stage, "b", channel, kind, how=how)
            contenders[f"{how}, headrace"] = partial(
                through_gateway, bench, lab, stage, channel, kind, how=how
            )
    return contenders
