"""The user's credential goes to its origin and to nobody else (promise 4)."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.interface.hookspecs import hookimpl
from headrace.models import Credential, Origin
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.servers import RecordingServer

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
        assert app.page("thing").status == 403
        vault.credential = RIGHT
        assert app.page("thing").status == 200


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
        assert app.page("thing").status == 403


def test_keyring_that_waits_for_its_user_holds_up_nobody_else(
    tmp_path: Path, company: RecordingServer
) -> None:
    unlocked = threading.Event()

    class Locked:
        @hookimpl
        def headrace_credential(self, origin: Origin) -> Credential | None:
            unlocked.wait(30)
            return Credential("late", origin.name)

    with App(tmp_path, f"{company.url}/simple", plugins=[Locked()]) as app:
        told: list[int] = []
        asking = threading.Thread(target=lambda: told.append(app.page("thing").status))
        asking.start()
        began = time.monotonic()
        assert app.ask("/healthz").status == 200
        assert time.monotonic() - began < 1
        asking.join()
        assert told == [403]
        assert time.monotonic() - began < 10
        # The next one does not wait for the same keyring again at once.
        company.credential = None
        assert app.page("thing").status == 200
        unlocked.set()


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
