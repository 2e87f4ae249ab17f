"""conda and one big package: what a CUDA library or a pretrained model is like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.bench import Bench, Goal, Row, Skip
from benchmarks.calibrate import practical_rates
from benchmarks.corpus import Channel
from benchmarks.corpus.channel import Kind
from benchmarks.lab import ORIGIN, UNEVEN, Lab
from benchmarks.lab.topology import PAYLOAD_SHARE
from benchmarks.peers import conda
from benchmarks.peers.conda import How
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "conda: one big package, downloaded and unpacked, nothing known before"

_KIND: Kind = "sharded"
#: Seconds for which the origin alone is watched: to its end it would take an hour.
_GLIMPSE = 40.0


def run(bench: Bench) -> Iterator[Row]:
    """Compare with the links, with conda on the best mirror, and with conda on the origin."""
    if conda.base() is None:
        raise Skip(conda.NO_BASE)
    channel = bench.package
    with bench.lab(UNEVEN, channel) as (lab, stage):
        package = channel.largest
        rates = practical_rates(lab, channel.path(_KIND, package), package.size)
        mine, best = "download, headrace", "download, b"
        contenders: dict[str, Callable[[], Outcome]] = {
            best: lambda: direct(lab, stage, "b", channel, _KIND),
            mine: lambda: through_gateway(bench, lab, stage, channel, _KIND),
        }
        contest = bench.contest(contenders)
        times = f"{contest.seconds(mine):.1f} s : {contest.seconds(best):.1f} s"
        times += requests_told(contest.runs[mine][-1])
        note = contest.trouble(mine) or contest.trouble(best) or times
        yield Row("headrace / best mirror", contest.ratio(mine, best), Goal(most=0.7), note)
        seconds = contest.seconds(mine)
        good = seconds != float("inf")
        bound, practical = UNEVEN.bound(package.size), package.size / sum(rates.values())
        note = f"links {bound:.1f} s; conda starts, solves and unpacks besides"
        yield Row("bound / time", bound / seconds if good else None, None, note)
        yield Row("practical bound / time", practical / seconds if good else None)
        yield against_origin(bench, lab, stage, channel, _KIND, seconds=seconds, what="headrace")
        if good:
            yield _price(contest.runs[mine][-1], package.size)


def _price(outcome: Outcome, size: int) -> Row:
    sent: dict[str, int] = outcome.detail["sent"]
    shares = ", ".join(f"{host} {count / 1e6:.0f}" for host, count in sent.items())
    got = sum(sent.values()) * PAYLOAD_SHARE / size
    return Row("bytes fetched / bytes of the file", got, None, f"MB: {shares}")


# -------------------------------------------------------------- contenders of both conda cases


def direct(
    lab: Lab, stage: Stage, host: str, channel: Channel, kind: Kind, *, how: How = "download"
) -> Outcome:
    """Run conda with one host's channel; a mirror's has no shards."""
    url = lab.url(host, secure=True) + channel.at(kind, mirrored=host != ORIGIN)
    outcome = conda.create(stage, f"{how}, {host}", url, channel, how=how)
    outcome.detail.update(kind=kind)
    return outcome


def through_gateway(
    bench: Bench,
    lab: Lab,
    stage: Stage,
    channel: Channel,
    kind: Kind,
    *,
    how: How = "download",
    warm: bool = False,
) -> Outcome:
    """Run conda with the origin's channel through a gateway that has just been installed.

    With `warm` another environment of the same packages was made before.
    """
    name = f"{how}, headrace{', warm' if warm else ''}"
    origin = lab.url(ORIGIN, secure=True)
    mirrors = {h: lab.url(h, secure=True) + channel.mirror_base for h in lab.topology.mirrors}
    url = origin + channel.at(kind)
    log = bench.log(f"{kind}-{name.replace(', ', '-')}")
    with Gateway(stage, origin, mirrors, keep=log, ecosystem="conda") as gateway:
        if warm:
            conda.create(stage, "warming", url, channel, gateway=gateway.url)
        before, asked = lab.traffic(), lab.requests()
        outcome = conda.create(stage, name, url, channel, gateway=gateway.url, how=how)
        sent = {h: t.bytes - before[h].bytes for h, t in lab.traffic().items()}
        requests = {h: count - asked[h] for h, count in lab.requests().items()}
        outcome.detail.update(
            kind=kind,
            sent=sent,
            requests=requests,
            cpu=gateway.cpu(),
            peak=gateway.resident(peak=True),
        )
    return outcome


def requests_told(outcome: Outcome) -> str:
    """Say what a run asked of the origin and of the mirrors together; empty where nobody counted.

    A request that is still under way when conda ends is not in it.
    """
    requests: dict[str, int] = outcome.detail.get("requests", {})
    if not requests:
        return ""
    mirrors = sum(count for host, count in requests.items() if host != ORIGIN)
    return f"; requests: origin {requests[ORIGIN]}, mirrors {mirrors}"


def against_origin(
    bench: Bench,
    lab: Lab,
    stage: Stage,
    channel: Channel,
    kind: Kind,
    *,
    seconds: float,
    what: str,
) -> Row:
    """Compare `seconds` with conda on the origin, watched for a while.

    What it would have taken is told from the bytes that came meanwhile, as if all connections
    stayed busy to the end: the truth is longer.
    """
    before = lab.traffic()[ORIGIN].bytes
    outcome = direct(lab, replace(stage, patience=_GLIMPSE), ORIGIN, channel, kind)
    sent = (lab.traffic()[ORIGIN].bytes - before) * PAYLOAD_SHARE
    alone = outcome.seconds
    note = f"origin {alone:.1f} s"
    if not outcome.good:
        alone *= max(1.0, channel.size / max(sent, 1.0))
        note = f"origin {alone:.0f} s at least, by what came in {outcome.seconds:.0f} s"
    outcome.detail.update(kind=kind, projected=alone)
    bench.record(outcome)
    got = seconds / alone if seconds != float("inf") else None
    return Row(f"{what} / origin", got, Goal(most=1.0), note)
