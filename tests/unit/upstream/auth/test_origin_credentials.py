"""The user's credential goes to its origin and to nobody else (promise 4)."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.interface.hookspecs import hookimpl
from headrace.interface.manager import Plugins
from headrace.models import Credential, Origin
from headrace.upstream.auth.origin_credentials import OriginClient, OriginCredentials
from headrace.upstream.client import Client
from headrace.upstream.responses import UpstreamResponse
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG

THING = wheels.wheel("thing", "1.0", size=50_000)
RIGHT = Credential("ci", "right")


class Vault:
    """A plugin that knows a credential, and counts how often it is asked."""

    def __init__(self, credential: Credential | None) -> None:
        self.credential = credential
        self.asked: list[Origin] = []

    @hookimpl
    def headrace_credential(self, origin: Origin) -> Credential | None:
        self.asked.append(origin)
        return self.credential


@pytest.fixture
def index() -> Index:
    made = Index()
    made.add(THING)
    return made


@pytest.fixture
def company(index: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="company") as made:
        made.credential = (RIGHT.username, RIGHT.secret)
        made.cache_control = "max-age=600"
        index.mount_origin(made)
        yield made


def basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.secret}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def fetch(app: App) -> bytes:
    page = app.page("thing")
    assert page.status == 200, page
    return app.ask(page.json()["files"][0]["url"]).body


def test_recorded_credential_opens_pages_and_files_at_the_first_request(
    tmp_path: Path, company: RecordingServer
) -> None:
    url = f"{company.url}/simple"
    with App(tmp_path, url, credentials={url: RIGHT}) as app:
        assert fetch(app) == THING.data
    assert {seen.status for seen in company.seen} <= {200, 206}
    assert {seen.headers.get("authorization") for seen in company.seen} == {basic(RIGHT)}


def test_origin_that_demands_a_credential_gets_it_and_becomes_private(
    tmp_path: Path, company: RecordingServer, index: Index
) -> None:
    vault = Vault(RIGHT)
    with RecordingServer(name="mirror") as there:
        described = mirror("m", index.mount_mirror(there), gives_documents=True)
        url = f"{company.url}/simple"
        with App(tmp_path, url, mirrors=[described], plugins=[vault]) as app:
            assert fetch(app) == THING.data
        # And so it stays when the page comes from the store of an earlier run.
        with App(tmp_path, url, mirrors=[described], plugins=[vault]) as app:
            app.parts.store.evict()
            page = app.page("thing")
            assert app.ask(page.json()["files"][0]["url"], {"Range": "bytes=0-9"}).status == 206
        assert there.seen == []


def test_public_origin_is_shown_nothing(tmp_path: Path, company: RecordingServer) -> None:
    company.credential = None
    vault = Vault(RIGHT)
    with App(tmp_path, f"{company.url}/simple", plugins=[vault]) as app:
        assert fetch(app) == THING.data
    assert vault.asked == []
    assert all("authorization" not in seen.headers for seen in company.seen)


def test_rotated_secret_is_found_after_one_401(tmp_path: Path, company: RecordingServer) -> None:
    vault = Vault(Credential("ci", "old"))
    url = f"{company.url}/simple"
    with App(tmp_path, url, credentials={url: Credential("ci", "oldest")}, plugins=[vault]) as app:
        assert app.page("thing").status == 302
        vault.credential = RIGHT
        assert app.page("thing").status == 200


@pytest.mark.parametrize("wants", ['Basic realm="x"', 'Bearer realm="http://127.0.0.1:9/token"'])
@pytest.mark.parametrize("place", ["the origin", "another host"])
def test_only_a_password_demanded_by_the_origin_itself_makes_it_private(
    company: RecordingServer, wants: str, place: str
) -> None:
    """Another host's wish is none of the origin's; a token is wanted of everybody."""
    vault = Vault(Credential("ci", "wrong"))
    with RecordingServer(name="files") as files:
        for server in (company, files):
            server.credential = None
            server.content["/closed"] = Reply(b"", 401, headers={"WWW-Authenticate": wants})
        origin = Origin("python", f"{company.url}/simple")
        asked = company if place == "the origin" else files

        async def ask() -> tuple[int, bool]:
            client = Client({})
            own = OriginClient(client, OriginCredentials(Plugins([vault], entry_points=False)))
            try:
                answer = await own.fetch(origin, f"{asked.url}/closed")
                return answer.status, own.is_private(origin, f"{asked.url}/closed")
            finally:
                await client.aclose()

        demanded = place == "the origin" and wants.startswith("Basic")
        assert asyncio.run(ask()) == (401, demanded)
        assert len(vault.asked) == int(demanded)
        shown = [seen.headers.get("authorization") for seen in asked.seen]
    assert shown == [None, basic(Credential("ci", "wrong"))][: len(shown)]
    assert len(shown) == 1 + int(demanded)


def test_credential_does_not_leave_for_another_host(
    tmp_path: Path, company: RecordingServer, index: Index
) -> None:
    with RecordingServer(name="files") as files:
        index.mount_origin(company, files)
        url = f"{company.url}/simple"
        with App(tmp_path, url, credentials={url: RIGHT}) as app:
            assert fetch(app) == THING.data
        assert files.requests("*.whl")
        assert all("authorization" not in seen.headers for seen in files.seen)


def test_clients_own_authorization_goes_no_further(
    tmp_path: Path, company: RecordingServer
) -> None:
    company.credential = None
    with App(tmp_path, f"{company.url}/simple") as app:
        mine = {"Authorization": basic(Credential("me", "mine")), "Cookie": "a=b"}
        path = app.ask("/simple/thing/", {"Accept": "*/*", **mine})
        assert path.status == 200
        assert app.ask(f"{index_path(app)}", mine).body == THING.data
    for seen in company.seen:
        assert not {"authorization", "cookie"} & set(seen.headers)


def index_path(app: App) -> str:
    return str(app.page("thing").json()["files"][0]["url"])


def test_broken_keyring_is_a_missing_credential(tmp_path: Path, company: RecordingServer) -> None:
    class Broken:
        @hookimpl
        def headrace_credential(self, origin: Origin) -> Credential | None:
            raise RuntimeError(f"locked for {origin.url}")

    with App(tmp_path, f"{company.url}/simple", plugins=[Broken()]) as app:
        assert app.page("thing").status == 302


def test_keyring_that_waits_for_its_user_holds_up_nobody_else(
    tmp_path: Path, company: RecordingServer
) -> None:
    unlocked = threading.Event()

    class Locked:
        @hookimpl
        def headrace_credential(self, origin: Origin) -> Credential | None:
            unlocked.wait(HANG)
            return Credential("late", origin.name)

    with App(tmp_path, f"{company.url}/simple", plugins=[Locked()]) as app:
        told: list[int] = []
        asking = threading.Thread(target=lambda: told.append(app.page("thing").status))
        asking.start()
        assert app.ask("/healthz").status == 200
        assert told == []
        asking.join()
        assert told == [302]
        assert not unlocked.is_set()
        # The next one does not wait for the same keyring again at once.
        company.credential = None
        assert app.page("thing").status == 200
        unlocked.set()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


HOST = Origin("docker", "https://registry.example", name="registry.example")


def test_wish_of_one_of_many_owners_is_no_word_of_the_others_and_ends() -> None:
    clock = Clock()
    vault = Vault(RIGHT)

    async def work() -> None:
        known = OriginCredentials(
            Plugins([vault], entry_points=False),
            lifetime=300.0,
            clock=clock,
            owner=lambda origin, url: url.split("/")[3] if origin is HOST else "",
        )
        one, same, other = (f"{HOST.url}/{path}" for path in ("one/a", "one/b", "other/a"))
        known.demanded(HOST, one)
        await known.refresh(HOST)
        assert [known.is_private(HOST, url) for url in (one, same, other)] == [True, True, False]
        # What a credential opens is private: so it is shown for nothing else.
        assert known.headers(HOST, same) == {"authorization": basic(RIGHT)}
        assert known.headers(HOST, other) == {}
        clock.now += 300.0
        assert not known.is_private(HOST, one)
        assert known.headers(HOST, one) == {}
        # Where all is one owner's, it stays so.
        known.demanded(COMPANY, f"{COMPANY.url}/a/")
        clock.now += 1e9
        assert known.is_private(COMPANY, f"{COMPANY.url}/b/")

    asyncio.run(work())


class Slow:
    """A plugin whose keyring waits for its user; gives up at the end of the test."""

    def __init__(self) -> None:
        self.began, self.unlocked = threading.Event(), threading.Event()
        self.asked = 0

    @hookimpl
    def headrace_credential(self, origin: Origin) -> Credential | None:
        del origin
        self.asked += 1
        self.began.set()
        self.unlocked.wait(60)
        return RIGHT


COMPANY = Origin("python", "https://company.example/simple", private=True)


async def known(credentials: OriginCredentials, origin: Origin) -> None:
    while not credentials.headers(origin, f"{origin.url}/"):  # noqa: ASYNC110 - only looks
        await asyncio.sleep(0.01)


def test_login_that_comes_too_late_for_one_request_is_there_for_the_next() -> None:
    slow = Slow()

    async def work() -> None:
        credentials = OriginCredentials(Plugins([slow], entry_points=False), patience=0.05)
        await credentials.load(COMPANY, f"{COMPANY.url}/")
        assert credentials.headers(COMPANY, f"{COMPANY.url}/") == {}
        slow.unlocked.set()
        await known(credentials, COMPANY)
        await credentials.load(COMPANY, f"{COMPANY.url}/")
        assert credentials.headers(COMPANY, f"{COMPANY.url}/") == {"authorization": basic(RIGHT)}

    asyncio.run(work())
    assert slow.asked == 1


def test_a_keyring_that_waits_for_its_user_is_waited_for_once() -> None:
    slow, clock = Slow(), Clock()

    async def work() -> None:
        plugins = Plugins([slow], entry_points=False)
        credentials = OriginCredentials(plugins, patience=3600, clock=clock)
        first = asyncio.ensure_future(credentials.load(COMPANY, f"{COMPANY.url}/"))
        await asyncio.to_thread(slow.began.wait)
        clock.now += 3601
        await credentials.load(
            COMPANY, f"{COMPANY.url}/"
        )  # returns at once, else the test would not end
        await credentials.refresh(COMPANY)
        assert not first.done()
        slow.unlocked.set()
        await first

    asyncio.run(work())
    assert slow.asked == 1


def test_a_known_login_is_shown_while_a_slow_keyring_is_asked_again() -> None:
    clock = Clock()
    slow = Slow()
    slow.unlocked.set()

    async def work() -> None:
        plugins = Plugins([slow], entry_points=False)
        credentials = OriginCredentials(plugins, patience=0.05, lifetime=60, clock=clock)
        await credentials.load(COMPANY, f"{COMPANY.url}/")
        await known(credentials, COMPANY)
        slow.unlocked.clear()
        clock.now += 61
        await credentials.load(COMPANY, f"{COMPANY.url}/")
        assert slow.asked == 2
        assert credentials.headers(COMPANY, f"{COMPANY.url}/")
        slow.unlocked.set()

    asyncio.run(work())


def test_login_that_comes_while_the_origin_is_asked_is_shown_after_its_401(
    company: RecordingServer,
) -> None:
    slow = Slow()
    origin = Origin("python", f"{company.url}/simple", private=True)

    async def work() -> int:
        credentials = OriginCredentials(Plugins([slow], entry_points=False), patience=0.05)

        class Between(Client):
            """Sends a request when the login of the one before it is known."""

            async def fetch(self, url: str, **more: Any) -> UpstreamResponse:
                slow.unlocked.set()
                await known(credentials, origin)
                return await super().fetch(url, **more)

        client = Between({})
        try:
            asking = OriginClient(client, credentials)
            return (await asking.fetch(origin, f"{origin.url}/thing/")).status
        finally:
            await client.aclose()

    assert asyncio.run(work()) == 200
    assert [seen.status for seen in company.seen] == [401, 200]


def test_secret_is_in_no_page_of_the_gateway_and_no_log(
    tmp_path: Path, company: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="headrace")
    url = f"{company.url}/simple"
    secret = Credential("ci", "s3cr3t-w0rd")
    company.credential = (secret.username, secret.secret)
    with App(tmp_path, url, credentials={url: secret}) as app:
        fetch(app)
        told = [app.ask(page).body for page in ("/status", "/metrics", "/explain?what=thing")]
    assert not any(b"s3cr3t" in body for body in told)
    assert "s3cr3t" not in caplog.text
    assert secret.secret not in repr(secret)
