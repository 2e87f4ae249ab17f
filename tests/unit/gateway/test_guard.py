"""Who must show the gateway's token, and how those who are refused are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headrace_docker.plugin
from headrace.models import Origin
from lib.app import App, Told
from lib.serving.ports import free_port

HUB = Origin("docker", f"http://127.0.0.1:{free_port()}", name="docker.io")
INDEX = Origin("python", f"http://127.0.0.1:{free_port()}/simple", private=True)


def app(root: Path, *origins: Origin) -> App:
    return App(root, *origins, plugins=[headrace_docker.plugin], token="t0k")


def code(told: Told) -> str:
    (error,) = told.json()["errors"]
    assert error["message"].startswith("headrace: ")
    return str(error["code"])


def test_engines_need_no_token_and_everybody_else_does(tmp_path: Path) -> None:
    with app(tmp_path, INDEX, HUB) as made:
        assert made.ask("/v2/").status == 200
        assert made.ask("/v2/library/x/manifests/v1").status == 404
        for path in ("/simple/", "/simple/x/", "/status", "/explain", "/metrics", "/v20/", "/"):
            told = made.ask(path)
            assert (told.status, "www-authenticate" in told.headers) == (401, True), path


def test_a_registry_of_ones_own_is_behind_the_token(tmp_path: Path) -> None:
    own = Origin("docker", HUB.url, name="own.example", private=True)
    with app(tmp_path, own) as made:
        assert made.ask("/v2/").status == 401
        assert code(made.ask("/v2/")) == "UNAUTHORIZED"


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/v2/library/x/manifests/v1", 404, "MANIFEST_UNKNOWN"),
        ("GET", f"/v2/library/x/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/library/x/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/_catalog", 404, "NAME_UNKNOWN"),
        ("POST", "/v2/library/x/blobs/uploads/", 405, "UNSUPPORTED"),
        ("GET", "/v2/x/../../secret", 400, ""),
    ],
)
def test_engines_are_refused_in_the_registrys_own_form(
    tmp_path: Path, method: str, path: str, status: int, word: str
) -> None:
    with app(tmp_path, HUB) as made:
        told = made.ask(path, method=method)
    assert told.status == status
    if word:
        assert told.headers["content-type"].startswith("application/json")
        assert told.headers["docker-distribution-api-version"] == "registry/2.0"
        assert code(told) == word
        json.loads(told.body)
    if status == 405:
        assert told.headers["allow"] == "GET, HEAD"


def test_installers_are_refused_in_words(tmp_path: Path) -> None:
    with app(tmp_path, Origin("python", INDEX.url)) as made:
        told = made.ask("/simple/", method="POST")
        assert told.headers["content-type"].startswith("text/plain")
