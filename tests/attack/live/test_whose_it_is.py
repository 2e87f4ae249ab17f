"""The live page is for the gateway's own user, and does nothing that its user has not confirmed."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.gateway.live import endpoints
from headrace.gateway.live.keys import SESSION_LIVES, cookie_name
from headrace.system.service.own_pages import shown_for
from lib import wheels
from lib.app import App, Told
from lib.capabilities import lacks
from lib.index import Index
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

SIX = wheels.wheel("six", "1.0", size=3000)
OTHER = 43_211
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0"
SHOWN = ("/live/snapshot", "/live/events", "/live/history?before=9")
POSTED = ("/live/codes", "/live/enter", "/live/store")
OPENS = {"X-Headrace-Open": "1"}
ASK = """
import json, os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
told = []
for method, path, headers in json.loads(sys.argv[3]):
    with socket.socket() as live:
        live.connect(("127.0.0.1", int(sys.argv[2])))
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{sys.argv[2]}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        live.sendall(("\\r\\n".join(lines) + "\\r\\n\\r\\n").encode())
        data = b""
        while part := live.recv(65536):
            data += part
    told.append(data.decode())
print(json.dumps(told))
"""
#: Looks on three streams as another user, until it is told to end.
LOOK = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
streams = [socket.socket() for _ in range(3)]
head = f"GET /live/events HTTP/1.1\\r\\nHost: 127.0.0.1:{sys.argv[2]}\\r\\n\\r\\n"
told = []
for each in streams:
    each.connect(("127.0.0.1", int(sys.argv[2])))
    each.sendall(head.encode())
    told.append(each.recv(12)[9:].decode())
print(*told, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def origin() -> Iterator[RecordingServer]:
    index = Index()
    index.add(SIX)
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        yield made


def used(app: App) -> None:
    """Have something to tell, and to lose."""
    page = app.ask("/simple/six/", {"Accept": "application/vnd.pypi.simple.v1+json", **right(app)})
    (file,) = page.json()["files"]
    assert app.ask(file["url"].partition("#")[0], right(app)).body == SIX.data
    app.parts.incident(RuntimeError("odd"), "/simple/secret-project/")


def right(app: App) -> dict[str, str]:
    return basic(app.token) if app.token else {}


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"x:{password}".encode()).decode()}


def as_other(app: App, *asked: tuple[str, str, dict[str, str]]) -> list[tuple[int, str]]:
    """Ask as another user; give status and body of each."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip(lacks("system", "there is no /proc/net/tcp"))
    if os.geteuid() != 0:
        pytest.skip(lacks("root", "two users are needed"))
    argv = [sys.executable, "-I", "-S", "-c", ASK, str(OTHER), str(app.port), json.dumps(asked)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/")
    told = [each.partition("\r\n\r\n") for each in json.loads(done.stdout)]
    return [(int(head.split()[1]), body) for head, _, body in told]


def fetch(site: str, mode: str = "cors", dest: str = "empty", **more: str) -> dict[str, str]:
    named = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    return {**named, "User-Agent": AGENT, **more}


def entered(app: App, code: str) -> dict[str, str]:
    """Show a code as the page does; give the headers of the session."""
    told = app.ask("/live/enter", {"X-Headrace-Code": code}, method="POST")
    assert told.status == 200
    return session(told)


def session(told: Told) -> dict[str, str]:
    cookie, _, rules = told.headers["set-cookie"].partition("; ")
    assert rules == "Path=/live/; Max-Age=43200; HttpOnly; SameSite=Strict"
    return {"Cookie": cookie, "X-Headrace-Word": told.json()["word"]}


# ------------------------------------------------------------------ other pages


def test_no_other_page_reads_follows_or_changes_anything(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        used(app)
        seal = app.ask("/live/snapshot").json()["seal"]
        pages = (
            fetch("cross-site", Origin="https://page.example"),
            fetch("same-site", Origin="http://127.0.0.1:1"),
            fetch("cross-site", "no-cors", "image"),
            fetch("cross-site", "navigate", "iframe"),
            fetch("cross-site", "navigate", "document", Referer="https://page.example/"),
            {"User-Agent": AGENT, "Origin": "https://page.example"},
            {"User-Agent": AGENT, "Origin": "null"},
        )
        words = {"X-Headrace-Seal": seal, "X-Headrace-Unused-For": "0", **OPENS}
        for page in pages:
            for path in ("/live/", "/live/live.js", *SHOWN):
                told = app.ask(path, page)
                assert told.status == 403, (path, page)
                assert "access-control-allow-origin" not in told.headers
            for path in POSTED:
                assert app.ask(path, {**page, **words}, method="POST").status == 403, (path, page)
                # What a script would have to ask for first.
                assert app.ask(path, page, method="OPTIONS").status == 405
        assert app.parts.store.usage() > 0


def test_a_name_that_was_made_to_lead_here_is_refused(
    tmp_path: Path, origin: RecordingServer
) -> None:
    """DNS rebinding: the browser takes the page's own name for this gateway's."""
    with App(tmp_path, f"{origin.url}/simple") as app:
        own = fetch("same-origin", Origin=f"http://page.example:{app.port}")
        for host in (
            f"page.example:{app.port}",
            f"127.0.0.1.page.example:{app.port}",
            "127.0.0.1:1",
        ):
            for path in ("/live/", *SHOWN):
                assert app.ask(path, own, host=host).status == 421, (host, path)
            for path in POSTED:
                assert app.ask(path, {**own, **OPENS}, method="POST", host=host).status == 421


def test_no_get_changes_anything_and_no_post_does_without_its_header(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        used(app)
        seal = app.ask("/live/snapshot").json()["seal"]
        words = {"X-Headrace-Seal": seal, "X-Headrace-Unused-For": "0", **OPENS}
        ours = fetch("same-origin", Origin=f"http://127.0.0.1:{app.port}")
        for path in POSTED:
            for method in ("GET", "HEAD"):
                assert app.ask(path, words, method=method).status == 404, path
            assert app.ask(path, ours, method="POST").status == 403, path
        for wrong in ("", "x", seal[:-1], seal.swapcase()):
            told = app.ask("/live/store", {**words, "X-Headrace-Seal": wrong}, method="POST")
            assert told.status == 403
        for path in ("/live/", "/live/live.js", "/live/snapshot", "/status", "/simple/six/"):
            assert app.ask(path, words, method="POST").status in (404, 405), path
        assert app.parts.store.usage() > 0
        # The page itself may: with what it was told, from where it is.
        assert app.ask("/live/store", {**ours, **words}, method="POST").json()["freed"] > 0


# ------------------------------------------------------------------ other users


def test_another_user_is_shown_the_empty_page_and_nothing_of_what_happens(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple") as app:
        used(app)
        seal = app.ask("/live/snapshot").json()["seal"]
        words = {"X-Headrace-Seal": seal, "X-Headrace-Unused-For": "0", **OPENS}
        told = as_other(
            app,
            *(("GET", path, {}) for path in ("/live/", *SHOWN)),
            *(("POST", path, words) for path in POSTED),
        )
        assert [status for status, _ in told] == [200, 403, 403, 403, 403, 403, 403]
        assert not any("six" in body or "secret" in body for _, body in told)
        assert app.parts.store.usage() > 0


def test_a_code_that_another_user_has_read_is_worth_nothing_to_him_and_stays_its_owners(
    tmp_path: Path, origin: RecordingServer
) -> None:
    """Whoever lists processes may see the address that a browser was started with."""
    with App(tmp_path, f"{origin.url}/simple", token="t0k") as app:
        used(app)
        code = app.ask("/live/codes", {**OPENS, **basic("t0k")}, method="POST").json()["code"]
        stolen = [("POST", "/live/enter", {"X-Headrace-Code": code})] * 3
        assert [status for status, _ in as_other(app, *stolen)] == [403] * 3
        mine = entered(app, code)
        assert app.ask("/live/snapshot", mine).status == 200
        # Nor is a session of any worth to him.
        assert as_other(app, ("GET", "/live/snapshot", mine))[0][0] == 403


def test_the_machines_gateway_shows_every_user_what_is_no_users_alone(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple", machine=True) as app:
        used(app)
        (told, (status, body), (freed, _)) = as_other(
            app,
            ("GET", "/live/snapshot", {}),
            ("POST", "/live/codes", OPENS),
            ("POST", "/live/store", {"X-Headrace-Unused-For": "0"}),
        )
        shown: dict[str, Any] = json.loads(told[1])
        assert (told[0], status, freed) == (200, 200, 403)
        assert json.loads(body) == {"code": None}
        assert shown["state"]["totals"]["files"] == 1
        assert shown["events"] == shown["now"]["downloads"] == shown["state"]["builds"] == []
        assert "seal" not in shown
        assert "store" not in shown
        assert not any(word in told[1] for word in ("six", "secret", str(tmp_path)))


# ------------------------------------------------------------------ where a token is asked for


def test_where_a_token_is_asked_for_a_browser_needs_a_session(
    tmp_path: Path, origin: RecordingServer
) -> None:
    with App(tmp_path, f"{origin.url}/simple", token="t0k") as app:
        used(app)
        for path in SHOWN:
            told = app.ask(path)
            # No browser is made to ask its person for a password.
            assert (told.status, "www-authenticate" in told.headers) == (403, False)
        assert app.ask("/live/").status == 200
        for headers in (OPENS, {**OPENS, **basic("wrong")}):
            assert app.ask("/live/codes", headers, method="POST").status == 403
        code = app.ask("/live/codes", {**OPENS, **basic("t0k")}, method="POST").json()["code"]
        mine = entered(app, code)
        again = app.ask("/live/enter", {"X-Headrace-Code": code}, method="POST")
        assert (again.status, "set-cookie" in again.headers) == (403, False)
        assert app.ask("/live/snapshot", mine).json()["events"]
        assert app.ask("/live/snapshot", basic("t0k")).json()["events"]
        # A session is for the page alone.
        for path in ("/status", "/metrics", "/explain?what=six", "/simple/six/"):
            assert app.ask(path, mine).status == 401, path


def test_half_a_session_that_another_port_was_given_opens_nothing(
    tmp_path: Path, origin: RecordingServer
) -> None:
    """A browser sends a cookie of this host to whoever listens on any port of it."""
    with App(tmp_path, f"{origin.url}/simple", token="t0k") as app:
        code = app.ask("/live/codes", {**OPENS, **basic("t0k")}, method="POST").json()["code"]
        mine = entered(app, code)
        assert mine["Cookie"].startswith(f"{cookie_name(app.port)}=")
        for name, value in mine.items():
            assert app.ask("/live/snapshot", {name: value}).status == 403
        word = mine["X-Headrace-Word"]
        assert app.ask(f"/live/snapshot?word={word}").status == 403
        held = {"Cookie": mine["Cookie"]}
        assert app.ask(f"/live/snapshot?word={word}", held).status == 200


def test_what_is_shown_ends_with_the_session_that_opened_it(
    tmp_path: Path, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with App(tmp_path, f"{origin.url}/simple", token="t0k") as app:
        code = app.ask("/live/codes", {**OPENS, **basic("t0k")}, method="POST").json()["code"]
        mine = entered(app, code)
        made = http.client.HTTPConnection("127.0.0.1", app.port, timeout=HANG)
        with contextlib.closing(made) as browser:
            browser.request("GET", "/live/events", headers=mine)
            stream = browser.getresponse()
            assert stream.readline()
            later = time.monotonic() + SESSION_LIVES
            keys = app._server.lifespan.state["live"]._page._keys
            monkeypatch.setattr(keys, "_clock", lambda: later)
            # To its end, whatever was under way: a browser asks again then, and is judged anew.
            assert stream.read() is not None
        assert app.ask("/live/events", mine).status == 403


def test_where_the_system_does_not_tell_whose_a_browser_is_it_needs_a_session_too(
    tmp_path: Path, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.gateway.peers.Peers._owner", lambda *_: None)
    with App(tmp_path, f"{origin.url}/simple", secret="s" * 40) as app:
        used(app)
        for path in SHOWN:
            assert app.ask(path).status == 403
        assert app.ask("/live/codes", OPENS, method="POST").status == 403
        own = {**OPENS, **basic(shown_for("s" * 40))}
        mine = entered(app, app.ask("/live/codes", own, method="POST").json()["code"])
        assert app.ask("/live/snapshot", mine).json()["events"]


def test_nothing_that_opens_the_page_is_logged(
    tmp_path: Path, origin: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with App(tmp_path, f"{origin.url}/simple", token="t0k") as app:
        code = app.ask("/live/codes", {**OPENS, **basic("t0k")}, method="POST").json()["code"]
        mine = entered(app, code)
        told = app.ask("/live/snapshot", mine).json()
        secrets = [code, mine["X-Headrace-Word"], mine["Cookie"].partition("=")[2], told["seal"]]
        assert not [each for each in secrets if each in caplog.text]
        assert len({*secrets, "t0k"}) == 5


def test_other_users_of_the_machine_take_no_place_of_whoever_sees_everything(
    tmp_path: Path, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MOST", 2)
    with App(tmp_path, f"{origin.url}/simple", machine=True) as app, contextlib.ExitStack() as all_:
        if not Path("/proc/net/tcp").exists() or os.geteuid() != 0:
            pytest.skip(lacks("root", "two users are needed"))
        argv = [sys.executable, "-I", "-S", "-c", LOOK, str(OTHER), str(app.port)]
        looking = all_.enter_context(
            subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
            )
        )
        assert looking.stdout is not None
        assert looking.stdout.readline() == "200 200 403\n"
        own = all_.enter_context(
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", app.port))
        )
        own.request("GET", "/live/events")
        answer = all_.enter_context(contextlib.closing(own.getresponse()))
        assert answer.status == 200
        looking.communicate()
