"""What a client asks for next is here before it asks; bounded, dropped when nobody comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from headrace.documents import read_ahead
from headrace.documents.read_ahead import AGAIN, DEPTH, IN_FLIGHT, PATIENCE, QUEUED, ReadAhead
from headrace.errors import UpstreamError
from headrace.interface.hookspecs import Ecosystem
from headrace.interface.request_reading import NamedDocument
from headrace.models import (
    Document,
    Fault,
    Origin,
    Request,
    ServeArtifact,
    ServeDocument,
)
from headrace.ownership.processes import Program
from lib import wheels
from lib.app import App
from lib.index import Index
from lib.serial_resolver import PIP, resolve
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

RTT = 0.2
TREE = 40


@pytest.fixture
def tree() -> Index:
    """Forty packages; number n requires numbers 3n+1 to 3n+3."""
    made = Index()
    for number in range(TREE):
        below = [f"p{child}" for child in range(3 * number + 1, 3 * number + 4) if child < TREE]
        made.add(wheels.wheel(f"p{number}", "1.0", requires=below))
    return made


@pytest.fixture
def origin(tree: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        made.cache_control = "max-age=600"
        tree.mount_origin(made)
        made.delay = RTT
        yield made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is dropped because this machine is slow."""
    monkeypatch.setattr(read_ahead, "PATIENCE", HANG)


@pytest.mark.usefixtures("patient")
def test_serial_resolver_finds_the_tree_read_ahead(tmp_path: Path, origin: RecordingServer) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        assert resolve(app) == TREE
        assert app.status()["read_ahead"]["fetched"] >= TREE
    # Whoever asks serially has one question under way at a time.
    assert origin.at_once() >= 4
    assert max(len(origin.requests(f"/simple/p{n}/")) for n in range(TREE)) == 1


@pytest.mark.usefixtures("patient")
def test_page_from_the_store_leads_to_the_same(tmp_path: Path, origin: RecordingServer) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        app.page("p0", User_Agent=PIP)
        until(lambda: len(origin.requests("*.metadata")) >= TREE)
        time.sleep(2 * RTT)
    origin.close()
    with App(tmp_path, f"{origin.url}/simple") as app:
        assert resolve(app) == TREE


# ------------------------------------------------------------------ the bounds


class Endless:
    """A world where every page leads to ten more."""

    name = "endless"

    def leads_to(
        self, plan: ServeDocument | ServeArtifact, document: Document, request: Request
    ) -> Iterable[ServeDocument]:
        del document, request
        assert isinstance(plan, ServeDocument)
        return [page(f"{plan.key}.{number}") for number in range(10)]


def page(key: str) -> ServeDocument:
    return ServeDocument(Origin("endless", "http://127.0.0.1:9"), key, "*/*", key)


class Fetcher:
    """Counts, and waits for nothing longer than it is told."""

    def __init__(self, error: UpstreamError | None = None, seconds: float = 0.001) -> None:
        self.error = error
        self.seconds = seconds
        self.now = 0
        self.most = 0
        self.keys: list[str] = []
        self.foreseen: list[str] = []

    async def document(
        self, ecosystem: Ecosystem, plan: ServeDocument, request: Request
    ) -> Document | None:
        del ecosystem, request
        self.now += 1
        self.most = max(self.most, self.now)
        self.keys.append(plan.key)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        if self.error is not None:
            raise self.error
        return Document(plan.url, b"", "text/plain")

    async def artifact(
        self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request
    ) -> Document | None:
        del ecosystem, plan, request
        raise AssertionError("nothing leads to an artifact here")

    async def foresee(self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request) -> None:
        del ecosystem, request
        self.foreseen.append(plan.path)


def follow(
    fetcher: Fetcher, *, in_flight: int = IN_FLIGHT, queued: int = QUEUED, depth: int = DEPTH
) -> ReadAhead:
    async def run() -> ReadAhead:
        ahead = ReadAhead(fetcher, in_flight=in_flight, queued=queued, depth=depth)
        document = Document("http://127.0.0.1:9", b"", "text/plain")
        ahead.follow(Endless(), page("0"), document, Request("GET", "/"))  # type: ignore[arg-type]
        await asyncio.sleep(0.5)
        assert ahead.waiting <= queued
        await ahead.aclose()
        return ahead

    return asyncio.run(run())


class Naming(Endless):
    """A world whose clients name everything with their first page."""

    def asks_in_turn(self, request: Request) -> bool:
        return bool(request.ends)

    def named(
        self, plan: ServeDocument, program: Program, request: Request
    ) -> Iterable[NamedDocument]:
        del plan, program, request
        return [
            NamedDocument(page(name), wanted) for name, wanted in zip("012", " ab", strict=True)
        ]

    def leads_to_of(
        self, named: NamedDocument, document: Document, request: Request
    ) -> Iterable[ServeDocument]:
        del document, request
        return [page(named.plan.key + named.wanted)]


def begin(*clients: int) -> list[str]:
    """Ask for the first page, on so many connections; return what is read ahead."""

    async def run() -> list[str]:
        fetcher = Fetcher()
        ahead = ReadAhead(fetcher, depth=2, program=lambda *_: Program((), Path(), Path(), Path()))
        for client in clients:
            ends = (("127.0.0.1", client), ("127.0.0.1", 1))
            request = Request("GET", "/", ends=ends)
            ahead.begin(Naming(), page("0"), request)  # type: ignore[arg-type]
            while ahead._workers:  # noqa: ASYNC110 - the code under test sets no event
                await asyncio.sleep(0)
        await ahead.aclose()
        return fetcher.keys

    return asyncio.run(run())


def test_what_the_user_named_is_fetched_with_the_first_page_and_what_of_it_is_wanted() -> None:
    assert sorted(begin(7)) == ["1", "1a", "2", "2b"]


def test_program_is_asked_for_once_for_each_connection() -> None:
    assert sorted(begin(7, 7, 8)) == ["1", "1a", "2", "2b"]


def test_so_many_at_a_time_and_no_more() -> None:
    fetcher = Fetcher(seconds=0.01)
    follow(fetcher)
    assert 0 < fetcher.most <= IN_FLIGHT
    assert len(set(fetcher.keys)) == len(fetcher.keys)


def test_queue_is_bounded_and_drops_what_does_not_fit() -> None:
    assert follow(Fetcher(), queued=20).dropped > 0


def test_depth_is_bounded() -> None:
    fetcher = Fetcher()
    follow(fetcher, depth=2)
    assert max(key.count(".") for key in fetcher.keys) == 2
    assert len(fetcher.keys) == 110
    assert DEPTH < 20


def test_origin_that_asks_for_a_pause_gets_one() -> None:
    fetcher = Fetcher(UpstreamError(Fault.RATE_LIMITED, "slow down", retry_after=30.0))
    ahead = follow(fetcher, in_flight=2)
    assert len(fetcher.keys) <= 3
    assert ahead.dropped >= 7


def test_queue_is_dropped_when_no_client_comes_any_more() -> None:
    async def run() -> tuple[int, int]:
        now = 0.0
        fetcher = Fetcher(seconds=0.02)
        ahead = ReadAhead(fetcher, in_flight=1, clock=lambda: now)
        document = Document("http://127.0.0.1:9", b"", "text/plain")
        ahead.follow(Endless(), page("0"), document, Request("GET", "/"))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        now = PATIENCE + 1
        await asyncio.sleep(0.1)
        before = len(fetcher.keys)
        await asyncio.sleep(0.1)
        after = len(fetcher.keys)
        assert ahead.waiting == 0
        await ahead.aclose()
        return before, after

    before, after = asyncio.run(run())
    assert 0 < before == after


def test_what_was_followed_a_moment_ago_is_not_however_often_it_is_served() -> None:
    async def run() -> list[int]:
        now = 0.0
        fetcher = Fetcher(seconds=0.0)
        ahead = ReadAhead(fetcher, depth=1, clock=lambda: now)
        document = Document("http://127.0.0.1:9", b"", "text/plain")
        fetched = []
        for now in (0.0, 1.0, 2.0, 3.0, 4.0, AGAIN):  # noqa: B007 - the clock reads it
            ahead.follow(Endless(), page("0"), document, Request("GET", "/"))  # type: ignore[arg-type]
            while ahead._workers:  # noqa: ASYNC110 - the code under test sets no event
                # Not gather: of workers that are done it gives the loop no turn to forget them.
                await asyncio.sleep(0)
            fetched.append(len(fetcher.keys))
        return fetched

    assert asyncio.run(run()) == [10] * 5 + [20]


class Released(Endless):
    """A world where every page leads to a file and to what lies beside it."""

    def leads_to(  # type: ignore[override]
        self, plan: ServeDocument | ServeArtifact, document: Document, request: Request
    ) -> Iterable[ServeArtifact]:
        del document, request
        if isinstance(plan, ServeArtifact):
            return []
        return [ServeArtifact(f"/{plan.key}.whl{end}", plan) for end in (".metadata", "")]


class Holding(Fetcher):
    """Gives no file before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def artifact(
        self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request
    ) -> Document | None:
        del ecosystem, request
        self.keys.append(plan.path)
        await self.let.wait()
        return Document(plan.path, b"", "text/plain")


async def release(fetcher: Holding, mirror: str | None, *, in_flight: int) -> ReadAhead:
    """Give a client four pages, which a mirror may have supplied; none of their files comes."""
    ahead = ReadAhead(fetcher, in_flight=in_flight)
    for number in range(4):
        document = Document(f"http://127.0.0.1:9/{number}", b"", "", supplied_by=mirror)
        plan = page(str(number))
        ahead.follow(Released(), plan, document, Request("GET", "/"))  # type: ignore[arg-type]
    for _ in range(200):
        await asyncio.sleep(0.001)
        if ahead.under_way + ahead.waiting == 4 and ahead.under_way == len(fetcher.keys):
            break
    return ahead


@pytest.mark.parametrize(("mirror", "asked"), [("a", [0, 1, 2, 3]), (None, [])])
def test_origin_is_asked_about_all_that_mirrors_pages_lead_to_before_a_byte_of_it_comes(
    mirror: str | None, asked: list[int]
) -> None:
    async def run() -> list[str]:
        fetcher = Holding()
        ahead = await release(fetcher, mirror, in_flight=1)
        assert len(fetcher.keys) == 1
        await ahead.aclose()
        return [path for path in fetcher.foreseen if path.endswith(".whl")]

    assert sorted(asyncio.run(run())) == [f"/{number}.whl" for number in asked]


def test_what_lies_beside_a_file_waits_for_that_in_one_place() -> None:
    async def run() -> tuple[list[str], list[str]]:
        fetcher = Holding()
        ahead = await release(fetcher, "a", in_flight=4)
        first = list(fetcher.keys)
        fetcher.let.set()
        while ahead._workers:  # noqa: ASYNC110 - the code under test sets no event
            await asyncio.sleep(0)
        await ahead.aclose()
        return first, fetcher.keys

    first, every = asyncio.run(run())
    assert sorted(first) == [f"/{number}.whl.metadata" for number in range(4)]
    assert sorted(every) == sorted(f"/{n}.whl{end}" for n in range(4) for end in ("", ".metadata"))


def test_guess_that_fails_is_felt_by_nobody(tmp_path: Path, origin: RecordingServer) -> None:
    origin.delay = 0
    with App(tmp_path, f"{origin.url}/simple") as app:
        app.page("p0", User_Agent="pip/26.3 {broken")
        assert app.page("p1", User_Agent="pip/26.3 []").status == 200
        assert app.status()["incidents"] == []
