from __future__ import annotations

import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from urllib.parse import urljoin

import pytest

from lib import wheels
from lib.index import JSON, Index
from lib.serving.servers import RecordingServer
from lib.waiting import HANG


def fetch(url: str, accept: str = "text/html") -> tuple[bytes, str]:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=HANG) as answer:
        return answer.read(), answer.headers["Content-Type"]


def test_wheels_are_deterministic_and_a_twin_differs_in_content_alone() -> None:
    one = wheels.wheel("Some.Name", "1.0+cu1", ["other>=1"], size=5000)
    assert one == wheels.wheel("Some.Name", "1.0+cu1", ["other>=1"], size=5000)
    assert one.name == "some_name-1.0+cu1-py3-none-any.whl"
    other = wheels.twin(one, size=5000, requires=["other>=1"])
    assert (other.name, len(other.data)) == (one.name, len(one.data))
    assert other.data != one.data
    assert set(other.files()) == set(one.files())


def test_sdist_is_deterministic_and_names_the_backend() -> None:
    one = wheels.sdist("thing", "2.0")
    assert one == wheels.sdist("thing", "2.0")
    with tarfile.open(fileobj=io.BytesIO(one.data)) as archive:
        pyproject = archive.extractfile("thing-2.0/pyproject.toml")
        assert pyproject is not None
        assert wheels.BACKEND.encode() in pyproject.read()


def test_origin_has_the_official_layout_and_negotiates() -> None:
    index = Index()
    built = wheels.wheel("thing", "1.0+x", requires_python=">=3.8")
    index.add(built, yanked="bad day")
    with RecordingServer(name="pages") as pages, RecordingServer(name="files") as files:
        url = index.mount_origin(pages, files)
        body, kind = fetch(f"{url}/thing/", JSON)
        assert kind == JSON
        (entry,) = json.loads(body)["files"]
        digest = hashlib.blake2b(built.data, digest_size=32).hexdigest()
        assert entry["url"] == (
            f"{files.url}/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/thing-1.0%2Bx-py3-none-any.whl"
        )
        assert (entry["yanked"], entry["requires-python"]) == ("bad day", ">=3.8")
        assert fetch(entry["url"])[0] == built.data
        described = fetch(entry["url"] + ".metadata")[0]
        assert hashlib.sha256(described).hexdigest() == entry["core-metadata"]["sha256"]
        html, kind = fetch(f"{url}/Thing")
        assert kind.startswith("text/html")
        assert b'data-yanked="bad day"' in html
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(f"{url}/nothing/")


def test_mirror_has_relative_links_that_lead_to_the_same_bytes() -> None:
    index = Index()
    old, new = wheels.wheel("thing", "1.0"), wheels.wheel("thing", "2.0")
    index.add(old, new)
    with RecordingServer() as mirror:
        for prefix, simple, packages in (
            ("", "/simple", "/packages"),
            ("/pypi", "/web/simple", "/packages"),
            ("/x", "/simple", "/pypi-packages"),
        ):
            base = index.mount_mirror(
                mirror, prefix=prefix, simple=simple, packages=packages, without=[new.name]
            )
            page = base + simple + "/thing/"
            text = fetch(page)[0].decode()
            assert new.name not in text
            link = text.split('href="')[1].split("#")[0]
            assert link.startswith("../../")
            assert fetch(urljoin(page, link))[0] == old.data
