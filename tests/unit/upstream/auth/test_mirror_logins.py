"""A login of the user's goes to the mirror that it belongs to, and to nobody else (promise 4)."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.config import Settings
from headrace.errors import ConfigurationError
from headrace.gateway.live.incidents import form_of
from headrace.interface.hookspecs import hookimpl
from headrace.interface.manager import Plugins
from headrace.models import Credential, Mirror, Origin
from headrace.policy.trust import may_supply_document
from headrace.upstream.auth.mirror_logins import LIFETIME, MirrorLogins
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

THING = wheels.wheel("thing", "1.0", size=12_000_000)
RIGHT = Credential("robot", "right")
SHOWN = f"Basic {base64.b64encode(b'robot:right').decode()}"


class Vault:
    """A plugin that knows a login."""

    def __init__(self, login: Credential | None, *, locked: threading.Event | None = None) -> None:
        self.known = login
        self.locked = locked
        self.began = threading.Event()
        self.asked: list[str] = []

    @hookimpl
    def headrace_login(self, mirror: Mirror) -> Credential | None:
        self.asked.append(mirror.id)
        self.began.set()
        if self.locked is not None:
            self.locked.wait(HANG)
        return self.known

    @hookimpl
    def headrace_credential(self, origin: Origin) -> Credential | None:
        raise AssertionError(f"nobody is asked for a credential of {origin.url}")


class Lab:
    """An origin, and two mirrors of which one wants a login."""

    def __init__(self) -> None:
        self.index = Index()
        self.index.add(THING)
        self.origin = RecordingServer(name="origin")
        self.closed = RecordingServer(name="closed")
        self.open = RecordingServer(name="open")
        self.closed.credential = (RIGHT.username, RIGHT.secret)

    def mirrors(self) -> list[Mirror]:
        return [
            mirror("closed", self.index.mount_mirror(self.closed), login=True),
            mirror("open", self.index.mount_mirror(self.open)),
        ]

    def fetch(self, root: Path, vault: Vault) -> bytes:
        url = self.index.mount_origin(self.origin)
        with App(root, url, mirrors=self.mirrors(), plugins=[vault]) as app:
            page = app.page("thing")
            return app.ask(page.json()["files"][0]["url"]).body


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    with made.origin, made.closed, made.open:
        yield made


def test_login_is_shown_to_its_own_mirror_at_the_first_request_and_to_nobody_else(
    tmp_path: Path, lab: Lab
) -> None:
    assert lab.fetch(tmp_path, Vault(RIGHT)) == THING.data
    asked = [seen for seen in lab.closed.seen if seen.path.startswith("/packages")]
    assert asked
    assert {seen.headers.get("authorization") for seen in asked} == {SHOWN}
    for seen in (*lab.origin.seen, *lab.open.seen):
        assert "authorization" not in seen.headers, seen


@pytest.mark.parametrize("known", [None, "locked"])
def test_mirror_whose_login_nobody_knows_is_not_asked(
    tmp_path: Path, lab: Lab, known: str | None
) -> None:
    locked = threading.Event() if known else None
    vault = Vault(RIGHT if known else None, locked=locked)
    assert lab.fetch(tmp_path, vault) == THING.data
    if locked is not None:
        locked.set()
    assert vault.asked == ["closed"]
    assert not lab.closed.seen


def test_login_that_comes_late_is_there_for_the_next_request_and_is_waited_for_once() -> None:
    locked = threading.Event()
    vault = Vault(RIGHT, locked=locked)
    wants = mirror("m", "https://m.example", login=True)
    now = [1000.0]

    async def work() -> None:
        plugins = Plugins([vault], entry_points=False)
        logins = MirrorLogins(plugins, lambda: [wants], patience=3600, clock=lambda: now[0])
        first = asyncio.ensure_future(logins.load("python"))
        await asyncio.to_thread(vault.began.wait)
        now[0] += 3601
        await logins.load("python")  # returns at once, else the test would not end
        assert not logins.may_be_asked(wants)
        locked.set()
        await first
        assert logins.may_be_asked(wants)
        assert logins.headers("m", "https://m.example/v2/") == {"authorization": SHOWN}

    asyncio.run(work())
    assert vault.asked == ["m"]


def test_wrong_login_costs_nobody_the_file(tmp_path: Path, lab: Lab) -> None:
    assert lab.fetch(tmp_path, Vault(Credential("robot", "wrong"))) == THING.data
    assert {seen.status for seen in lab.closed.seen} <= {401}


@pytest.mark.parametrize(
    ("source", "url", "shown"),
    [
        ("closed", "https://closed.example:8443/pypi/packages/a.whl", True),
        ("closed", "https://CLOSED.example.:8443/elsewhere", True),
        ("closed", "https://open.example/pypi/packages/a.whl", False),
        ("closed", "https://closed.example/pypi/packages/a.whl", False),
        ("closed", "http://closed.example:8443/pypi/packages/a.whl", False),
        ("closed", "https://closed.example:8443@open.example/a.whl", False),
        ("closed", "https://closed.example:8443/pypi/../a.whl", False),
        ("open", "https://open.example/pypi/packages/a.whl", False),
        ("open", "https://closed.example:8443/pypi/packages/a.whl", False),
        ("nobody", "https://closed.example:8443/pypi/packages/a.whl", False),
    ],
)
def test_login_goes_to_urls_of_its_own_mirror_and_to_no_other(
    source: str,
    url: str,
    shown: bool,  # noqa: FBT001 - a table
) -> None:
    """A mirror's layout, or a plugin's, may lead to another host than the mirror's own."""
    mirrors = [
        mirror("closed", "https://closed.example:8443/pypi", login=True),
        mirror("open", "https://open.example/pypi"),
    ]

    async def ask() -> dict[str, str]:
        logins = MirrorLogins(Plugins([Vault(RIGHT)], entry_points=False), lambda: mirrors)
        await logins.load("python")
        assert all(logins.may_be_asked(each) for each in mirrors)
        return logins.headers(source, url)

    assert asyncio.run(ask()) == ({"authorization": SHOWN} if shown else {})


def test_login_is_not_shown_to_another_address_that_took_the_id_while_the_gateway_ran() -> None:
    now = [mirror("closed", "https://closed.example", login=True)]

    async def ask() -> None:
        logins = MirrorLogins(Plugins([Vault(RIGHT)], entry_points=False), lambda: now)
        await logins.load("python")
        assert logins.headers("closed", "https://closed.example/a") == {"authorization": SHOWN}
        now[:] = [mirror("closed", "https://other.example", login=True)]
        assert not logins.may_be_asked(now[0])
        for place in ("https://closed.example/a", "https://other.example/a"):
            assert logins.headers("closed", place) == {}
        await logins.aclose()

    asyncio.run(ask())


def test_login_is_looked_up_for_the_mirrors_in_question_and_again_after_its_time() -> None:
    now = 0.0
    vault = Vault(RIGHT)
    mirrors = [
        mirror("wheels", "https://wheels.example", login=True),
        replace(mirror("images", "https://images.example", login=True), ecosystem="docker"),
    ]
    images = "https://images.example/v2/"

    async def ask() -> None:
        nonlocal now
        plugins = Plugins([vault], entry_points=False)
        logins = MirrorLogins(plugins, lambda: mirrors, clock=lambda: now)
        await logins.load("python")
        assert vault.asked == ["wheels"]
        assert logins.headers("images", images) == {}
        now = LIFETIME - 1
        await logins.load("python")
        assert vault.asked == ["wheels"]
        vault.known = Credential("robot", "rotated")
        now = LIFETIME
        await logins.load("python")
        assert vault.asked == ["wheels", "wheels"]
        assert logins.headers("wheels", "https://wheels.example/a")["authorization"] != SHOWN
        await logins.aclose()

    asyncio.run(ask())


@pytest.mark.parametrize("before", [None, RIGHT], ids=["never known", "known before"])
def test_login_that_nobody_knows_is_told_once(before: Credential | None) -> None:
    now = 0.0
    told: list[str] = []
    vault = Vault(before)
    wants = mirror("closed", "https://closed.example", login=True)

    async def ask() -> None:
        nonlocal now
        plugins = Plugins([vault], entry_points=False)
        logins = MirrorLogins(plugins, lambda: [wants], told=told.append, clock=lambda: now)
        await logins.load("python")
        assert len(told) == (before is None)
        vault.known = None
        for _ in range(2):
            now += LIFETIME
            await logins.load("python")
            assert not logins.may_be_asked(wants)
        await logins.aclose()

    asyncio.run(ask())
    assert told == ["mirror closed is not asked: nobody knows a login for it"]
    assert form_of(told[0])["form"] == "no_login"


def test_pages_never_come_from_a_mirror_with_a_login() -> None:
    wants = mirror("m", "https://m.example", login=True, gives_documents=True)
    assert not may_supply_document(Origin("python", "https://index.example"), wants, dt.date.min)


def table(**entry: object) -> Settings:
    entry = {"id": "m", "url": "https://m.example", **entry}
    return Settings.parse({"mirror": [entry]}, Path("config.toml"))


def test_settings_say_who_has_a_login_and_it_never_travels_readable() -> None:
    assert not table().mirrors[0].login
    assert table(login=True).mirrors[0].login
    assert table(login=True, url="http://127.0.0.1:8080").mirrors[0].login
    with pytest.raises(ConfigurationError, match="readable"):
        table(login=True, url="http://m.example")
    with pytest.raises(ConfigurationError, match="true or false"):
        table(login="yes")
