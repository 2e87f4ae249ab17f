"""What a file's sources give now, asked of a real gateway with real servers behind it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from headrace.gateway.peers import Sight
from headrace.gateway.telling.measurements import measurements
from headrace.models import Credential, Limits, Request
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer

THING = wheels.wheel("thing", "1.0", size=3_000_000)
SMALL = wheels.wheel("thing", "0.9", size=20_000)


class Lab:
    """An origin and a mirror, and a gateway that knows both."""

    def __init__(self, root: Path, origin: RecordingServer, copy: RecordingServer) -> None:
        self.origin, self.copy = origin, copy
        self.index = Index()
        self.index.add(SMALL, THING)
        self.url = self.index.mount_origin(origin)
        self.base = self.index.mount_mirror(copy)
        self.root = root

    def app(self, **fields: Any) -> App:
        return App(self.root, self.url, mirrors=[mirror("copy", self.base, **fields)])


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    with RecordingServer(name="origin") as origin, RecordingServer(name="copy") as copy:
        yield Lab(tmp_path, origin, copy)


def asked(app: App, **query: str) -> Any:
    words = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    return app.ask(f"/measurements?ecosystem=python&{words}").json()


def test_the_largest_file_of_a_page_is_measured_with_at_each_source_once(lab: Lab) -> None:
    with lab.app() as app:
        told = asked(app, what="thing")
        assert told["name"] == THING.name
        assert [(each["id"], each["asked"]) for each in told["sources"]] == [
            ("copy", True),
            ("origin", True),
        ]
        assert not lab.copy.requests("*.whl")
        for source in ("copy", "origin"):
            measured = asked(app, what=told["what"], source=source)["measured"]
            assert measured["bytes"] == len(THING.data)
            assert measured["rate"] > 0
            assert measured["fault"] is None
    assert len(lab.copy.requests("*.whl")) == len(lab.origin.requests("*.whl")) == 1
    assert lab.copy.requests("*.whl")[0].headers["range"] == f"bytes=0-{len(THING.data) - 1}"


def test_what_was_measured_is_known_to_the_next_download(lab: Lab) -> None:
    with lab.app() as app:
        path = asked(app, what="thing")["what"]
        asked(app, what=path, source="copy")
        (row,) = [each for each in app.status()["sources"] if each["source"] == "copy"]
        assert row["rate"] > 0
        assert asked(app, what=path)["sources"][0]["rate"] == pytest.approx(row["rate"])


def test_together_each_source_gives_another_part(lab: Lab) -> None:
    with lab.app() as app:
        path = asked(app, what="thing")["what"]
        measured = asked(app, what=path, source="*")["measured"]
    half = len(THING.data) // 2
    assert measured["bytes"] == 2 * half
    ranges = [server.requests("*.whl")[0].headers["range"] for server in (lab.copy, lab.origin)]
    assert ranges == [f"bytes=0-{half - 1}", f"bytes={half}-{2 * half - 1}"]


def test_nobody_is_asked_whose_operator_forbids_it(lab: Lab) -> None:
    with lab.app(limits=Limits(probe=False)) as app:
        told = asked(app, what="thing")
        (copy, _) = told["sources"]
        assert not copy["asked"]
        assert "wants no requests" in copy["why_not"]
        error = asked(app, what=told["what"], source="copy")["error"]
        assert error["reference"] == "not-asked"
        asked(app, what=told["what"], source="*")
    assert not lab.copy.requests()


def test_whoever_wants_to_be_left_alone_is_asked_once(lab: Lab) -> None:
    with lab.app() as app:
        path = asked(app, what="thing")["what"]
        lab.copy.fail(modes.status(429, retry_after="600"))
        for _ in range(3):
            measured = asked(app, what=path, source="copy")["measured"]
            assert measured["fault"] == "rate-limited"
            assert measured["retry_after"] > 0
    assert len(lab.copy.requests()) == 1


@pytest.mark.parametrize("layout", ["packages", "pypi-packages", "devpi", "nexus"])
def test_the_layout_of_a_new_mirror_is_found_by_asking_it(lab: Lab, layout: str) -> None:
    file = lab.index.files[-1]
    sha = file.built.sha256
    where = {
        "packages": file.path,
        "pypi-packages": file.path.replace("/packages/", "/pypi-packages/"),
        "devpi": f"/+f/{sha[:3]}/{sha[3:16]}/{file.built.name}",
        "nexus": f"/packages/thing/1.0/{file.built.name}",
    }[layout]
    with RecordingServer({where: file.built.data}, name="new") as new, lab.app() as app:
        told = asked(app, what="thing", url=f"{new.url}/")["layouts"]
        assert [each["layout"] for each in told if each["fits"]] == [layout]
        paths = [seen.path for seen in new.requests()]
        assert len(paths) == len(set(paths))


def test_a_mirror_with_other_bytes_of_the_same_size_fits_no_layout(lab: Lab) -> None:
    small = lab.index.files[0]
    other = {small.path: bytes(len(SMALL.data))}
    with RecordingServer(other, name="new") as new, lab.app() as app:
        told = asked(app, what=small.path, url=new.url)["layouts"]
        assert not any(each["fits"] for each in told)


def test_a_name_that_nobody_knows_is_told(lab: Lab) -> None:
    with lab.app() as app:
        error = asked(app, what="nothing-of-that-name")["error"]
        assert error["reference"] == "no-file"
        assert "nothing-of-that-name" in error["message"]


def test_the_names_of_a_private_origin_are_asked_of_no_mirror(lab: Lab) -> None:
    known = {lab.url: Credential("me", "secret")}
    with App(lab.root, lab.url, mirrors=[mirror("copy", lab.base)], credentials=known) as app:
        told = asked(app, what="thing")
        assert [each["id"] for each in told["sources"] if each["asked"]] == ["origin"]
        assert "private origin" in told["sources"][0]["why_not"]
        asked(app, what=told["what"], source="*")
    assert not lab.copy.requests()


def test_no_page_in_a_browser_and_no_other_user_starts_a_measurement(lab: Lab) -> None:
    with lab.app() as app:
        for said in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            assert app.ask("/measurements?ecosystem=python&what=thing", said).status == 403
        request = Request("GET", "/measurements", "ecosystem=python&what=thing")
        for sight in (Sight.COMMON, Sight.NONE):
            _, body = asyncio.run(measurements(app.parts, request, sight))
            assert json.loads(body)["error"]["reference"] == "not-yours"
    assert not lab.origin.requests()
    assert not lab.copy.requests()
