"""Nobody is asked before the time that it named, whatever for and by whichever way."""

from __future__ import annotations

import asyncio
import time as real
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate

import pytest

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream.client import Client
from headrace.upstream.courtesy import Courtesy
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply

EPOCH = 1_800_000_000.0


class Time:
    """A clock that goes when told."""

    now = 1000.0

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return EPOCH + self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer({"/f.whl": b"wheel", "/page": b"page"}) as running:
        yield running


def use(time: Time, work: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        client = Client({})
        client.courtesy = Courtesy(clock=time.clock, wall=time.wall)
        try:
            await work(client)
        finally:
            await client.aclose()

    asyncio.run(main())


async def page(client: Client, url: str) -> int:
    return (await client.fetch(url)).status


async def head(client: Client, url: str) -> int:
    return (await client.fetch(url, method="HEAD")).status


async def part(client: Client, url: str) -> int:
    async with client.open_range(url, 1, 3) as stream:
        return stream.status


async def document(client: Client, url: str) -> int:
    async with client.open_document(url) as stream:
        return stream.status


WAYS = (page, head, part, document)


async def refused(asking: Awaitable[int]) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await asking
    assert caught.value.fault is Fault.RATE_LIMITED
    return caught.value


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("by_date", [False, True], ids=["seconds", "date"])
def test_place_that_named_a_time_is_asked_nothing_until_then(
    server: RecordingServer,
    time: Time,
    status: int,
    by_date: bool,  # noqa: FBT001 - given by name
) -> None:
    # The test's server has a clock of its own, and says so: a date is held against that.
    named = formatdate(real.time() + 31, usegmt=True) if by_date else "30"
    server.mounts["/limited"] = lambda *_: Reply(b"", status, headers={"Retry-After": named})

    async def work(client: Client) -> None:
        assert (await client.fetch(f"{server.url}/limited")).status == status
        asked = len(server.seen)
        for ahead in (0.0, 28.5):
            time.now = 1000.0 + ahead
            for way in WAYS:
                error = await refused(way(client, f"{server.url}/f.whl"))
                assert error.status == status
                assert error.retry_after is not None
                assert 29.0 - ahead < error.retry_after <= 31.0 - ahead
        assert len(server.seen) == asked
        time.now = 1032.0
        for way in WAYS:
            assert await way(client, f"{server.url}/f.whl") in (200, 206)

    use(time, work)


def test_pause_without_a_time_has_a_floor_and_grows(server: RecordingServer, time: Time) -> None:
    server.fail(modes.status(429))

    async def work(client: Client) -> None:
        for pause in (1.0, 2.0, 4.0, 8.0):
            assert await page(client, f"{server.url}/page") == 429
            asked = len(server.seen)
            time.now += pause - 0.001
            await refused(page(client, f"{server.url}/page"))
            assert len(server.seen) == asked
            time.now += 0.001

    use(time, work)


def test_503_that_speaks_of_no_time_is_trouble_and_no_limit(
    server: RecordingServer, time: Time
) -> None:
    server.fail(modes.status(503))

    async def work(client: Client) -> None:
        for _ in range(3):
            assert await page(client, f"{server.url}/page") == 503
        assert client.courtesy.limited(f"{server.url}/page") is None

    use(time, work)


def test_limit_behind_a_redirect_counts_for_the_place_that_said_it(
    server: RecordingServer, time: Time
) -> None:
    with RecordingServer({"/page": b"page"}) as front:
        front.fail(modes.redirect(server.url), "/f.whl")
        server.fail(modes.status(429, retry_after="30"))

        async def work(client: Client) -> None:
            await refused(part(client, f"{front.url}/f.whl"))
            await refused(part(client, f"{front.url}/f.whl"))
            assert len(server.seen) == 1
            assert await page(client, f"{front.url}/page") == 200
            said = client.courtesy.limited(f"{front.url}/f.whl")
            assert said is not None
            assert (said.status, said.retry_after) == (429, 30.0)
            assert client.courtesy.limited(f"{front.url}/page") is None

        use(time, work)


def test_token_is_not_asked_for_before_its_realm_may_be_asked_again(
    server: RecordingServer, time: Time
) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{server.url}/token",service="s"'}
    with RecordingServer({}) as registry:
        registry.mounts["/v2/"] = lambda *_: Reply(b"", 401, headers=challenge)
        server.fail(modes.status(429, retry_after="30"), "/token")

        async def work(client: Client) -> None:
            for _ in range(3):
                # That is no refusal of the registry's, which would be final.
                error = await refused(page(client, f"{registry.url}/v2/a/manifests/b"))
                assert error.retry_after == 30.0
            assert len(server.requests("/token")) == 1

        use(time, work)


def test_request_that_waited_for_its_connection_is_not_sent_into_a_pause(
    server: RecordingServer, time: Time
) -> None:
    server.fail(modes.status(429, retry_after="30"), "/page")

    async def work(client: Client) -> None:
        checked = asyncio.Event()
        check, calls = client.courtesy.check, 0

        def counted(url: str) -> None:
            nonlocal calls
            calls += 1
            check(url)
            checked.set()

        client.courtesy.check = counted  # type: ignore[method-assign]
        waiting = asyncio.ensure_future(part(client, f"{server.url}/f.whl"))
        await checked.wait()
        # What another request hears while this one connects.
        answer = type("Answer", (), {})()
        answer.url, answer.headers = f"{server.url}/page", {"retry-after": "30"}
        answer.response = type("Response", (), {"status_code": 429})()
        client.courtesy.answered(answer)
        await refused(waiting)
        assert calls == 2
        assert not server.seen

    use(time, work)


def test_what_is_told_of_a_place_is_told_of_what_was_asked_there(time: Time) -> None:
    with RecordingServer({"/page": b"page"}) as server:
        server.fail(modes.status(503, retry_after="30"), "/f.whl")

        async def work(client: Client) -> None:
            assert await page(client, f"{server.url}/f.whl") == 503
            await refused(page(client, f"{server.url}/page"))
            assert client.courtesy.limited(f"{server.url}/f.whl") is not None
            assert client.courtesy.limited(f"{server.url}/page") is None

        use(time, work)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (None, None),
        # A client that hears of no time gives up where it would have asked again by itself.
        ("0", 1.0),
        ("Sun, 29 Nov 2026 00:00:00 GMT", 1.0),
    ],
    ids=["none", "zero", "passed"],
)
def test_time_that_nobody_named_is_not_told(
    server: RecordingServer, time: Time, named: str | None, told: float | None
) -> None:
    server.fail(modes.status(429, retry_after=named))

    async def work(client: Client) -> None:
        assert await page(client, f"{server.url}/page") == 429
        said = client.courtesy.limited(f"{server.url}/page")
        assert said is not None
        assert (said.status, said.retry_after) == (429, told)

    use(time, work)
