"""Where an artifact may come from: trust, experience, order, and the first race."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import math
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from headrace.config import Settings
from headrace.errors import UpstreamError
from headrace.interface.hookspecs import Ecosystem, hookimpl
from headrace.interface.manager import Plugins
from headrace.models import (
    Artifact,
    Digest,
    Fault,
    Limits,
    Mirror,
    MirrorStats,
    OperatorClass,
    Origin,
    SourceFailed,
    TransferFinished,
)
from headrace.policy import selection
from headrace.policy.reputation import standing
from headrace.sources import probes
from headrace.sources.candidates import Candidates
from headrace.sources.probes import BUDGET, CONNECT, FIRST_BYTE, READING
from headrace.system.absences import AbsenceFile
from headrace.system.statistics import Statistics
from headrace.upstream import resolver
from headrace.upstream.client import Client
from lib.serving import modes, ports
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

NOW = 1_800_000_000.0
BODY = os.urandom(600_000)
ORIGIN = Origin("python", "https://index.example/simple")
FILE = Artifact(
    "python",
    "/packages/f.whl",
    "f.whl",
    "https://files.example/packages/f.whl",
    ORIGIN,
    digest=Digest("sha256", hashlib.sha256(BODY).hexdigest()),
    size=len(BODY),
    object_class="wheel",
)
BIG = replace(FILE, size=200 << 20)


class Below:
    """An ecosystem whose mirrors keep everything at the origin's own path."""

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        return None if mirror.layout == "other" else mirror.url + artifact.path


BELOW = cast("Ecosystem", Below())


class Catalogue:
    def __init__(self, mirrors: Iterable[Mirror]) -> None:
        self.listed = list(mirrors)

    @hookimpl
    def headrace_mirrors(self, ecosystem: str) -> list[Mirror]:
        return [mirror for mirror in self.listed if mirror.ecosystem == ecosystem]


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def mirror(name: str, url: str = "", rank: int = 100, **more: Any) -> Mirror:
    return Mirror(name, "python", url or f"https://{name}.example", "packages", rank=rank, **more)


def build(
    mirrors: Sequence[Mirror],
    *,
    settings: Settings | None = None,
    extra: Sequence[object] = (),
    client: Client | None = None,
    path: Path | None = None,
    busy: Mapping[str, int] | None = None,
    absences: AbsenceFile | None = None,
) -> tuple[Candidates, Statistics, Clock]:
    clock = Clock()
    statistics = Statistics(path, clock=clock)
    plugins = Plugins([Catalogue(mirrors), *extra], entry_points=False)
    sources = Candidates(
        plugins,
        settings or Settings(),
        statistics,
        client or Client({}),
        "home",
        busy=busy,
        absences=absences,
        clock=clock,
    )
    return sources, statistics, clock


def known_of(statistics: Statistics, mirrors: Sequence[Mirror]) -> list[MirrorStats]:
    records = statistics.snapshot("home")
    return [standing(mirror, "wheel", records) for mirror in mirrors]


def ids(sources: Candidates, artifact: Artifact = BIG) -> list[str]:
    """Give those that are asked while all goes well."""
    return [source.id for source in sources.choose(artifact, BELOW) if not source.reserve]


A, B = mirror("a", rank=1), mirror("b", rank=2)


def test_mirrors_come_by_rank_and_the_origin_last() -> None:
    sources, _, _ = build([B, A])
    chosen = sources.choose(BIG, BELOW)
    assert [source.id for source in chosen] == ["a", "b", "origin"]
    assert [source.url for source in chosen] == [
        "https://a.example/packages/f.whl",
        "https://b.example/packages/f.whl",
        FILE.url,
    ]
    assert [source.is_origin for source in chosen] == [False, False, True]


@pytest.mark.parametrize(
    "artifact",
    [
        replace(BIG, origin=replace(ORIGIN, private=True)),
        replace(BIG, digest=None),
        replace(BIG, mirrored=False),
    ],
    ids=["private", "no digest", "not mirrored"],
)
def test_these_come_from_the_origin_alone_whatever_a_plugin_says(artifact: Artifact) -> None:
    class Pushy:
        @hookimpl
        def headrace_order_mirrors(
            self,
            artifact: Artifact,  # noqa: ARG002 - the hook's
            candidates: Sequence[MirrorStats],  # noqa: ARG002
        ) -> list[Mirror]:
            return [A]

    sources, _, _ = build([A, B], extra=[Pushy()])
    assert ids(sources, artifact) == ["origin"]


@pytest.mark.parametrize(
    ("near", "artifact", "asked"),
    [
        (A, FILE, True),
        (A, replace(FILE, mirrored=False), True),
        (replace(A, login=True), FILE, False),
        (A, replace(FILE, origin=replace(ORIGIN, private=True)), False),
        (A, replace(FILE, digest=None), False),
        (replace(A, layout="other"), FILE, False),
    ],
    ids=["public", "most lack it", "wants a login", "private", "no digest", "another layout"],
)
def test_nobody_is_asked_beside_the_origin_who_may_not_hear_of_it(
    near: Mirror,
    artifact: Artifact,
    asked: bool,  # noqa: FBT001 - a table
) -> None:
    sources, statistics, _ = build([near, B])
    for source, rtt in (("a", 0.01), ("b", 0.4), ("origin", 0.5)):
        statistics.observe(source, "wheel", network="home", bytes=9, seconds=rtt, rtt=rtt)
    found = sources.hedge_mirror(artifact, BELOW)
    place = ("a", "https://a.example/packages/f.whl") if asked else None
    assert (found and (found.source_id, found.url)) == place


@pytest.mark.parametrize("far", ["the mirror", "the mirror's pause", "the mirror lacks it"])
def test_nobody_is_asked_beside_the_origin_for_nothing(far: str) -> None:
    sources, statistics, clock = build([A])
    near = 0.4 if far == "the mirror" else 0.01
    for source, rtt in (("a", near), ("origin", 0.5)):
        statistics.observe(source, "wheel", network="home", bytes=9, seconds=rtt, rtt=rtt)
    if far == "the mirror's pause":
        sources.report("a", "wheel", fault=Fault.RATE_LIMITED)
    elif far == "the mirror lacks it":
        sources.report("a", "wheel", fault=Fault.MISSING, path=FILE.path)
    assert sources.hedge_mirror(FILE, BELOW) is None
    if far == "the mirror's pause":
        clock.now += 40
        assert sources.hedge_mirror(FILE, BELOW) is not None


def test_a_plugins_order_wins_among_those_that_may_be_asked() -> None:
    class Order:
        @hookimpl
        def headrace_order_mirrors(
            self,
            artifact: Artifact,  # noqa: ARG002 - the hook's
            candidates: Sequence[MirrorStats],
        ) -> list[Mirror]:
            return [c.mirror for c in reversed(candidates)] + [mirror("stranger")]

    sources, statistics, _ = build([A, B, mirror("c")], extra=[Order()])
    assert ids(sources) == ["c", "b", "a", "origin"]
    statistics.pause("b", "wheel", network="home", until=NOW + 5)
    assert ids(sources) == ["c", "a", "origin"]


def test_the_users_own_mirrors_come_first_and_can_stand_alone() -> None:
    own = mirror("own", rank=0)
    sources, _, _ = build([A, B], settings=Settings(mirrors=(own,)))
    assert ids(sources) == ["own", "a", "b", "origin"]
    alone = Settings(mirrors=(own,), catalogue=False)
    assert ids(build([A, B], settings=alone)[0]) == ["own", "origin"]
    off = Settings(disabled_mirrors=frozenset(["a"]))
    assert ids(build([A, B], settings=off)[0]) == ["b", "origin"]


def test_a_community_mirror_goes_and_a_campus_stays_when_the_evidence_gets_old() -> None:
    until = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
    community = mirror("community", rank=1, evidence_until=until)
    campus = mirror("campus", rank=2, evidence_until=until, operator_class=OperatorClass.UNIVERSITY)
    sources, _, clock = build([community, campus, mirror("a", rank=9)])
    assert ids(sources) == ["community", "campus", "a", "origin"]
    assert not sources.is_old("campus", "python")
    clock.now += 24 * 3600
    assert ids(sources) == ["a", "campus", "origin"]
    assert sources.is_old("campus", "python")
    assert not sources.is_old("a", "python")
    assert not sources.is_old("origin", "python")


def test_what_gets_no_work_by_an_old_rate_gets_it_by_a_new_one() -> None:
    until = dt.date(2020, 1, 1)
    old = mirror("old", evidence_until=until, operator_class=OperatorClass.UNIVERSITY)
    sources, _, clock = build([old])
    sources.report("old", "wheel", bytes=10 << 20, seconds=1.0, rtt=0.1)
    assert sources.choose(BIG, BELOW)[0].rate == pytest.approx(10 << 20)
    clock.now += 25 * 3600
    first = sources.choose(BIG, BELOW)[0]
    assert (first.id, first.rate) == ("old", None)
    assert first.rtt == pytest.approx(0.1)
    sources.report("old", "wheel", bytes=10 << 20, seconds=1.0, rtt=0.1)
    assert sources.choose(BIG, BELOW)[0].rate == pytest.approx(10 << 20)


def test_a_race_begins_with_those_whose_evidence_is_fresh() -> None:
    university = OperatorClass.UNIVERSITY
    old = mirror("old", rank=1, evidence_until=dt.date(2020, 1, 1), operator_class=university)
    sources, _, _ = build([old, mirror("fresh", rank=9)])
    known, _ = sources._standings(BIG, BELOW, "home", NOW)
    assert [each.id for each in selection.worth_racing(known, NOW)] == ["fresh", "old"]


def test_a_mirror_without_a_place_for_it_is_left_out() -> None:
    assert ids(build([A, replace(B, layout="other")])[0]) == ["a", "origin"]


def test_who_would_not_be_asked_is_in_reserve() -> None:
    many = [mirror(f"m{n}", rank=n) for n in range(12)]
    sources, _, _ = build(many)
    sources.report("origin", "wheel", bytes=1 << 20, seconds=0.1, rtt=0.01)
    sources.report("m7", "wheel", bytes=1 << 20, seconds=10.0, rtt=0.5)
    for artifact, asked, reserve in (
        (FILE, [], ["m7", "m0", "m1", "m2"]),
        (BIG, ["m7", "m0", "m1", "m2", "m3"], ["m4", "m5", "m6", "m8"]),
    ):
        chosen = sources.choose(artifact, BELOW)
        assert [s.id for s in chosen if not s.reserve] == [*asked, "origin"]
        assert [s.id for s in chosen if s.reserve] == reserve
        assert chosen[-1].is_origin


def test_nobody_is_in_reserve_whom_a_plugin_left_out() -> None:
    class First:
        @hookimpl
        def headrace_order_mirrors(
            self,
            artifact: Artifact,  # noqa: ARG002 - the hook's
            candidates: Sequence[MirrorStats],
        ) -> list[Mirror]:
            return [candidates[0].mirror]

    assert ids(build([A, B], extra=[First()])[0]) == ["a", "origin"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, {"tight": 1, "wide": 16, "silent": 8, "ours": 8, "origin": 8}),
        (3, {"tight": 1, "wide": 3, "silent": 3, "ours": 3, "origin": 3}),
        (12, {"tight": 1, "wide": 12, "silent": 8, "ours": 12, "origin": 12}),
    ],
)
def test_connections_are_what_the_operator_names_and_never_more_than_the_user_wants(
    wanted: int | None, expected: Mapping[str, int]
) -> None:
    tight = mirror("tight", limits=Limits(connections=1))
    wide = mirror("wide", limits=Limits(connections=16))
    ours = mirror("ours", own=True)
    mirrors = [tight, wide, mirror("silent"), ours]
    sources, _, _ = build(mirrors, settings=Settings(connections_per_mirror=wanted))
    found = {source.id: source.connections for source in sources.choose(BIG, BELOW)}
    assert found == expected


def test_what_was_measured_decides_and_goes_along() -> None:
    sources, _, _ = build([A, B])
    sources.report("a", "wheel", bytes=10 << 20, seconds=10.0, rtt=0.1)
    sources.report("b", "wheel", bytes=10 << 20, seconds=1.0, rtt=0.1)
    first, second, _ = sources.choose(BIG, BELOW)
    assert (first.id, second.id) == ("b", "a")
    assert first.rate == pytest.approx(10 << 20)
    assert first.rtt == pytest.approx(0.1)


def test_who_lacks_a_file_is_not_asked_for_it_again_for_a_while() -> None:
    sources, _, clock = build([A, B])
    sources.notice(SourceFailed(BIG, "a", Fault.MISSING))
    assert ids(sources) == ["b", "origin"]
    assert ids(sources, replace(BIG, path="/packages/other.whl")) == ["a", "b", "origin"]
    clock.now += 700
    assert ids(sources) == ["a", "b", "origin"]
    sources.report("a", "wheel", fault=Fault.MISSING, path=BIG.path)
    sources.notice(TransferFinished(BIG, 1, 1.0, {"a": 1}, {}))
    assert ids(sources) == ["a", "b", "origin"]


def test_refusal_of_one_repository_is_kept_and_says_nothing_of_the_others(tmp_path: Path) -> None:
    file = AbsenceFile(tmp_path / "absences.json")
    sources, statistics, clock = build([A, B], absences=file)
    one = replace(BIG, path="/v2/one", collection="hub/one")
    again, other = replace(one, path="/v2/one/2"), replace(one, path="/v2/b", collection="hub/b")
    assert ids(sources, one) == ["a", "b", "origin"]
    sources.report("a", "wheel", fault=Fault.FORBIDDEN, path=one.path)
    assert ids(sources, again) == ["b", "origin"]
    assert ids(sources, other) == ["a", "b", "origin"]
    assert not known_of(statistics, [A])[0].paused_until
    assert [each.collection for each in sources.absent("a")] == ["hub/one"]
    file.close()
    later, _, _ = build([A, B], absences=AbsenceFile(tmp_path / "absences.json"))
    assert ids(later, again) == ["b", "origin"]
    clock.now += 86_400
    assert ids(sources, again) == ["a", "b", "origin"]
    # Who refuses whatever he is asked for is left alone altogether.
    for number in range(4):
        each = replace(one, path=f"/v2/{number}", collection=f"hub/{number}")
        ids(sources, each)
        sources.report("b", "wheel", fault=Fault.FORBIDDEN, path=each.path)
    assert known_of(statistics, [B])[0].paused_until > clock.now


def test_size_at_which_a_mirror_cuts_is_kept_for_the_repository(tmp_path: Path) -> None:
    file = AbsenceFile(tmp_path / "absences.json")
    sources, _, clock = build([A, B], absences=file)
    assert BIG.size
    one = replace(BIG, path="/v2/one", collection="hub/one")
    small = replace(one, path="/v2/one/2", size=BIG.size // 4)
    other = replace(one, path="/v2/b", collection="hub/b")
    assert ids(sources, one) == ["a", "b", "origin"]
    sources.report("a", "wheel", path=one.path, cut_at=BIG.size // 2)
    file.close()
    later, _, _ = build([A, B], absences=AbsenceFile(tmp_path / "absences.json"))
    for each in (sources, later):
        assert ids(each, one) == ["b", "origin"]
        assert ids(each, small)[0] == ids(each, other)[0] == "a"
    (told,) = sources.absent("a")
    assert (told.collection, told.above, told.since) == ("hub/one", BIG.size // 2, clock.now)


def test_row_of_missing_files_of_one_repository_leaves_the_others_alone() -> None:
    sources, _, _ = build([A, B])
    for number in range(3):
        lacked = replace(BIG, path=f"/v2/one/{number}", collection="hub/one")
        sources.notice(SourceFailed(lacked, "a", Fault.MISSING))
    assert ids(sources, replace(BIG, path="/v2/one/9", collection="hub/one")) == ["b", "origin"]
    assert ids(sources, replace(BIG, path="/v2/two", collection="hub/two")) == ["a", "b", "origin"]


def test_a_mirror_whose_pause_ended_gets_one_connection_of_one_download() -> None:
    sources, _, clock = build([A, B])
    sources.report("a", "wheel", fault=Fault.REFUSED)
    assert ids(sources) == ["b", "origin"]
    clock.now += 31
    assert ids(sources, FILE) == ["b", "origin"], "a small file tries nobody"
    chosen = sources.choose(BIG, BELOW)
    assert [(source.id, source.connections) for source in chosen] == [
        ("b", 8),
        ("a", 1),
        ("origin", 8),
    ]
    assert ids(sources) == ["b", "origin"], "somebody is trying already"
    sources.report("a", "wheel", bytes=1 << 20, seconds=1.0, rtt=0.1)
    assert ids(sources) == ["a", "b", "origin"]


def test_a_source_with_requests_under_way_comes_later() -> None:
    busy: dict[str, int] = {}
    sources, _, _ = build([A, B], busy=busy)
    for name in ("a", "b"):
        sources.report(name, "wheel", bytes=10 << 20, seconds=1.0, rtt=0.1)
    assert ids(sources) == ["a", "b", "origin"]
    busy["a"] = 3
    assert ids(sources) == ["b", "a", "origin"]


def test_nobody_is_tried_before_the_time_that_it_named() -> None:
    sources, _, clock = build([A, B])
    sources.report("a", "wheel", fault=Fault.REFUSED)
    clock.now += 31
    assert ids(sources) == ["b", "a", "origin"], "its pause is over"
    sources.report("a", "wheel", fault=Fault.RATE_LIMITED, retry_after=3600.0)
    clock.now += 60
    assert ids(sources) == ["b", "origin"], "it asked for an hour"
    clock.now += 3600
    assert ids(sources) == ["b", "a", "origin"]


def test_the_statistics_are_asked_once_for_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    sources, statistics, _ = build([A, B, mirror("quiet", limits=Limits(probe=False))])
    snapshot, asked = statistics.snapshot, []

    def counted(network: str) -> Any:
        asked.append(network)
        return snapshot(network)

    monkeypatch.setattr(statistics, "snapshot", counted)

    async def main() -> None:
        sources.race(BIG, BELOW)
        await sources.aclose()

    for decide in (
        lambda: sources.choose(BIG, BELOW),
        lambda: sources.hedge_mirror(replace(FILE, mirrored=False), BELOW),
        lambda: asyncio.run(main()),
    ):
        decide()
        assert asked == ["home"]
        asked.clear()


def test_the_origins_page_tells_the_origins_round_trip() -> None:
    sources, _, _ = build([A])
    small = replace(FILE, size=1000)
    assert ids(sources, small) == ["a", "origin"], "nothing is known of anybody"
    sources.report("origin", "document", bytes=5000, seconds=0.2, rtt=0.15)
    assert ids(sources, small) == ["origin"], "a known origin before an unknown mirror"
    assert sources.choose(small, BELOW)[-1].rtt == pytest.approx(0.15)
    sources.report("a", "wheel", bytes=1000, seconds=0.02, rtt=0.02)
    assert ids(sources, small) == ["a", "origin"]


# ------------------------------------------------------------------ the race


@contextlib.contextmanager
def running(count: int, **more: Any) -> Iterator[list[RecordingServer]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(RecordingServer({FILE.path: BODY}, name=f"s{n}", **more))
            for n in range(count)
        ]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer is found out; who does is not, however slow this machine is."""
    monkeypatch.setattr(probes, "BUDGET", HANG)
    for name in ("CONNECT", "FIRST_BYTE", "READING"):
        monkeypatch.setattr(probes, name, 4.0)


async def race(sources: Candidates, client: Client, artifact: Artifact = FILE) -> None:
    """Race and wait for the end."""
    sources.race(artifact, BELOW)
    await asyncio.gather(*sources._races)
    await client.aclose()


def test_a_race_asks_a_few_for_the_first_part_of_the_file_and_measures_them() -> None:
    most = probes.WORKERS + probes.ENOUGH - 1
    with running(14) as servers:
        mirrors = [mirror(f"m{n}", server.url, rank=n) for n, server in enumerate(servers)]

        async def main() -> None:
            client = Client({})
            sources, statistics, _ = build(mirrors, client=client)
            await race(sources, client)
            known = known_of(statistics, mirrors)
            measured = [one for one in known if one.rate]
            assert probes.ENOUGH <= len(measured) <= most
            assert all(one.rtt for one in measured)
            assert known[0].rate, "the catalogue's favourite was asked"

        asyncio.run(main())
        asked = [seen for server in servers for seen in server.seen]
        assert len(asked) <= most
        assert {seen.headers["range"] for seen in asked} == {f"bytes=0-{probes.SAMPLE - 1}"}


def test_race_leaves_out_whom_the_transfer_of_a_large_file_measures() -> None:
    many = selection.MOST_MIRRORS + selection.MOST_PROBES
    with running(many + 1) as servers:
        mirrors = [mirror(f"m{n}", server.url, rank=n) for n, server in enumerate(servers)]
        large = replace(FILE, size=BIG.size)

        async def main(those: list[Mirror]) -> None:
            client = Client({})
            await race(build(those, client=client)[0], client, large)

        asyncio.run(main(mirrors[:many]))
        assert not any(server.seen for server in servers), "all of them work on it"
        asyncio.run(main(mirrors))
        assert [len(server.seen) for server in servers] == [0] * many + [1]


def test_one_race_and_not_another_for_a_while() -> None:
    with running(1) as [server]:

        async def main() -> None:
            client = Client({})
            sources, _, clock = build([mirror("m", server.url), A], client=client)
            sources.race(FILE, BELOW)
            sources.race(FILE, BELOW)
            await asyncio.gather(*sources._races)
            sources.race(FILE, BELOW)
            clock.now += 700
            sources.race(FILE, BELOW)
            assert not sources._races, "what is measured needs no race"
            await sources.aclose()
            await client.aclose()

        asyncio.run(main())
        assert len(server.seen) == 1


def test_nobody_is_raced_who_forbids_it_or_may_not_be_asked() -> None:
    with running(2) as servers:
        quiet = mirror("quiet", servers[0].url, limits=Limits(probe=False))

        async def main() -> None:
            client = Client({})
            sources, _, _ = build([quiet], client=client)
            sources.race(FILE, BELOW)
            assert not sources._races
            sources, _, _ = build([mirror("m", servers[1].url)], client=client)
            sources.race(replace(FILE, origin=replace(ORIGIN, private=True)), BELOW)
            sources.race(replace(FILE, digest=None), BELOW)
            assert not sources._races
            await client.aclose()

        asyncio.run(main())
        assert not any(server.seen for server in servers)


def test_each_answer_of_a_race_is_judged() -> None:
    faults = [modes.status(404), modes.status(403), modes.HTML, modes.status(429)]
    with running(5) as servers:
        for server, mode in zip(servers, faults, strict=False):
            server.fail(mode)
        mirrors = [mirror(f"m{n}", server.url, rank=n) for n, server in enumerate(servers)]

        async def main() -> None:
            client = Client({})
            sources, statistics, _ = build(mirrors, client=client)
            await race(sources, client)
            paused = [one.paused_until > NOW for one in known_of(statistics, mirrors)]
            assert paused == [False, True, True, True, False]
            assert ids(sources) == ["m4", "origin"], "and m0 lacks this file"

        asyncio.run(main())


def test_a_race_ends_with_its_budget_whoever_is_still_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (BUDGET, max(CONNECT, FIRST_BYTE, READING) < BUDGET) == (2.0, True)
    monkeypatch.setattr(probes, "BUDGET", 0.3)
    for name in ("CONNECT", "FIRST_BYTE", "READING"):
        monkeypatch.setattr(probes, name, 100 * HANG)
    with running(3) as servers:
        for server in servers:
            server.fail(modes.SILENT)
        mirrors = [mirror(f"m{n}", server.url, rank=n) for n, server in enumerate(servers)]

        async def main() -> None:
            client = Client({})
            sources, _, _ = build(mirrors, client=client)
            await race(sources, client)

        asyncio.run(main())


def test_slow_sources_are_measured_and_silent_ones_are_not_waited_for() -> None:
    with running(3) as servers:
        servers[0].fail(modes.SILENT)
        servers[1].fail(modes.slow(100_000))
        mirrors = [mirror(f"m{n}", server.url, rank=n) for n, server in enumerate(servers)]

        async def main() -> None:
            client = Client({})
            sources, statistics, _ = build(mirrors, client=client)
            await race(sources, client)
            silent, slow, good = known_of(statistics, mirrors)
            assert silent.paused_until > NOW
            assert slow.rtt is not None
            assert good.rate is not None
            assert ids(sources, replace(FILE, size=100_000)) == ["m2", "m1", "origin"]

        asyncio.run(main())


def test_a_catalogue_of_thirty_that_cannot_be_reached_costs_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten refuse, ten never answer the connection, ten have no address; only the origin is there.

    The first request is decided before the race is; after it nobody dead stands
    before the origin, be the file small or large.
    """
    monkeypatch.setattr(probes, "CONNECT", 0.7)
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(ports.refusing()) for _ in range(10)]
        urls += [stack.enter_context(ports.black_hole()) for _ in range(10)]
        urls += [f"http://nobody-{n}.invalid" for n in range(10)]
        # Mixed, so that no kind is met only after the others.
        mirrors = [mirror(f"m{n}", urls[(n * 7) % 30], rank=n) for n in range(30)]
        origin = stack.enter_context(RecordingServer({FILE.path: BODY}))
        artifact = replace(FILE, url=origin.url + FILE.path)

        async def main() -> None:
            client = Client({})
            sources, statistics, _ = build(mirrors, client=client)
            sources.report("origin", "document", bytes=5000, seconds=0.02, rtt=0.01)
            small = replace(artifact, size=900_000)

            chosen = sources.choose(small, BELOW)
            sources.race(small, BELOW)
            assert [source.id for source in chosen if not source.reserve] == ["origin"]
            assert sources._races, "the first request does not wait for the race"
            async with client.open_range(chosen[-1].url, 0, len(BODY)) as stream:
                body = b"".join([part async for part in stream])
            assert body == BODY

            await asyncio.gather(*sources._races)
            known = known_of(statistics, mirrors)
            assert sum(one.paused_until > NOW for one in known) >= 24, "nearly all are found dead"

            sources.race(small, BELOW)
            assert not sources._races, "the second one races nobody"
            assert ids(sources, small) == ["origin"]
            left = ids(sources, replace(artifact, size=200 << 20))
            assert left[-1] == "origin"
            # Of those that the race had no time for a few may be tried beside the origin.
            assert len(left) <= 6
            await sources.aclose()
            await client.aclose()

        asyncio.run(main())


def test_names_that_hang_in_the_resolver_do_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each name that is looked up may hang for seconds; the loop's own few threads stay free."""
    real = socket.getaddrinfo
    released = threading.Event()
    looked_up: list[str] = []
    at_work: set[threading.Thread] = set()

    def hanging(host: Any, *rest: Any, **more: Any) -> Any:
        if not str(host).endswith(".invalid"):
            return real(host, *rest, **more)
        at_work.add(threading.current_thread())
        released.wait(HANG)
        looked_up.append(str(host))
        # Not this machine's resolver, which may need seconds to say the same.
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    def all_known() -> bool:
        """Every name was looked up, and every thread has handed over what it found."""
        return len(looked_up) == 40 and not any(each.is_alive() for each in at_work)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    monkeypatch.setattr(resolver, "_NEGATIVE_LIFETIME", math.inf)
    with running(1) as [server]:

        async def main() -> None:
            client = Client({})

            async def hang(number: int) -> Fault:
                with pytest.raises(UpstreamError) as caught:
                    await client.fetch(f"http://nobody-{number}.invalid/", timeout=0.8)
                return caught.value.fault

            tasks = [asyncio.create_task(hang(number)) for number in range(40)]
            await asyncio.sleep(0.05)
            answer = await client.fetch(f"http://localhost:{server.port}{FILE.path}")
            assert answer.body == BODY
            assert set(await asyncio.gather(*tasks)) == {Fault.UNREACHABLE}
            assert not looked_up
            # The names are looked up all the same, sixteen at a time, and then known.
            released.set()
            await asyncio.to_thread(until, all_known)
            assert await hang(0) is Fault.UNREACHABLE
            assert len(looked_up) == 40
            await client.aclose()

        asyncio.run(main())
