"""PyTorch's variant indexes as this ecosystem reads them: their mixed links, their own paths."""

from __future__ import annotations

import json

import pytest

from headrace.models import (
    Document,
    Mirror,
    Origin,
    Request,
    Response,
    ServeArtifact,
    ServeDocument,
)
from headrace.variants.builds import Candidate, PageEntry
from headrace_pip.pytorch.ecosystem import PythonWithBuilds

DEFAULT = Origin("python", "https://index.example/simple")
PYTORCH = Origin("python", "https://download.example/whl", name="pytorch")
WORLD = PythonWithBuilds([DEFAULT, PYTORCH])
SHA = "ab" * 32
TAG = "cp312-cp312-manylinux_2_28_x86_64.whl"
CONTENT = f"https://files.example/packages/aa/bb/{'c' * 60}"
PAGE = f"""<!DOCTYPE html><html><body><h1>Links for torch</h1>
<a href="https://download-r2.example/whl/cu126/torch-2.14.1%2Bcu126-{TAG}#sha256={SHA}"
   data-dist-info-metadata="sha256={SHA}" data-upload-time="2026-01-02T03:04:05Z">torch</a>
<a href="/whl/cu126/torch-2.13.0%2Bcu126-{TAG}">no digest, on this host</a>
<a href="{CONTENT}/torch-2.12.0-{TAG}#sha256={SHA}">on the default index's file host</a>
</body></html>""".encode()
PIP = (
    'pip/26.3 {"python":"3.12.4","implementation":{"name":"CPython","version":"3.12.4"},'
    '"system":{"name":"Linux","release":"6"},"cpu":"x86_64",'
    '"distro":{"name":"Debian","libc":{"lib":"glibc","version":"2.36"}}}'
)


def plan(path: str, world: PythonWithBuilds = WORLD) -> ServeDocument:
    found = world.plan(Request("GET", path))
    assert isinstance(found, ServeDocument), found
    return found


def page(body: bytes = PAGE) -> Document:
    return Document("https://download.example/whl/cu126/torch/", body, "text/html")


def test_mixed_links_become_paths_of_this_index() -> None:
    asked = plan("/pytorch/cu126/simple/torch/")
    assert asked.url == "https://download.example/whl/cu126/torch/"
    assert asked.forbidden_is_missing
    made = json.loads(WORLD.rewrite(page(), "json", asked).body)
    urls = [file["url"] for file in made["files"]]
    assert all(url.startswith("/pytorch/cu126/") for url in urls), urls
    assert urls[2] == f"/pytorch/cu126/packages/aa/bb/{'c' * 60}/torch-2.12.0-{TAG}"
    assert made["files"][0]["upload-time"] == "2026-01-02T03:04:05Z"
    assert made["files"][0]["core-metadata"] == {"sha256": SHA}


def test_files_are_where_their_links_say_and_come_with_the_digest_that_is_told() -> None:
    asked = plan("/pytorch/cu126/simple/torch/")
    first, beside, bare, other = WORLD.artifacts(page(), asked)
    assert first.url.startswith("https://download-r2.example/whl/cu126/torch-2.14.1%2B")
    assert str(first.digest) == f"sha256:{SHA}"
    assert beside.name.endswith(".metadata")
    assert bare.url.startswith("https://download.example/whl/cu126/")
    assert bare.digest is None
    assert other.url.startswith("https://files.example/")
    again = WORLD.plan(Request("GET", first.path))
    assert isinstance(again, ServeArtifact)
    assert again.named_by is not None
    assert again.named_by.key == asked.key


@pytest.mark.parametrize(
    ("layout", "base", "url"),
    [
        ("pytorch-copy", "https://m.example/pytorch/whl", "/pytorch/whl/cu126/"),
        ("pytorch-pages", "https://m.example/pytorch-wheels", "/pytorch-wheels/cu126/"),
        ("pytorch-flat", "https://m.example/pytorch-wheels", "/pytorch-wheels/cu126/"),
        ("packages", "https://m.example/simple", None),
        ("nexus", "https://m.example/x", None),
        ("same-path", "https://m.example", None),
        # The very place that the link names is no second source.
        ("pytorch-copy", "https://download-r2.example/whl", None),
    ],
)
def test_mirrors_have_them_where_their_layout_says(layout: str, base: str, url: str | None) -> None:
    first, *_ = WORLD.artifacts(page(), plan("/pytorch/cu126/simple/torch/"))
    found = WORLD.locate(first, Mirror("m", "python", base, layout))
    name = f"torch-2.14.1%2Bcu126-{TAG}"
    assert found == (f"https://m.example{url}{name}" if url else None)


@pytest.mark.parametrize("label", ["nightly", "cu", "..", "CU126", "cu126-x"])
def test_what_is_no_label_is_no_index(label: str) -> None:
    found = WORLD.plan(Request("GET", f"/pytorch/{label}/simple/torch/"))
    assert not isinstance(found, ServeDocument)


@pytest.mark.parametrize(
    ("agent", "world", "asked"),
    [
        (PIP, WORLD, True),
        (PIP.replace("pip/26.3", "uv/0.13.9"), WORLD, False),
        (PIP.replace("CPython", "PyPy"), WORLD, False),
        (PIP.replace("glibc", "musl"), WORLD, False),
        ("curl/8", WORLD, False),
        (PIP, PythonWithBuilds([DEFAULT]), False),
        (PIP, PythonWithBuilds([Origin("python", "https://c.example", private=True), PYTORCH]), 0),
    ],
)
def test_a_build_is_chosen_for_pip_at_the_public_index_alone(
    agent: str, world: PythonWithBuilds, asked: object
) -> None:
    found = world.asked(
        Request("GET", "/simple/torch/", headers={"user-agent": agent}),
        plan("/simple/torch/", world),
    )
    assert bool(found) == bool(asked)
    if found is not None:
        assert (found.project, found.python, found.platform) == ("torch", "3.12", "linux_x86_64")


def arranged(form: str) -> Response:
    listed = {
        "files": [
            {
                "filename": f"torch-2.15.0-{TAG}",
                "url": f"{CONTENT}/torch-2.15.0-{TAG}",
                "hashes": {},
            },
            {"filename": "torch-2.15.0-variants.json", "url": f"{CONTENT}/v.json", "hashes": {}},
        ],
        "meta": {"api-version": "1.1"},
        "name": "torch",
        "versions": ["2.15.0"],
        "unheard": 1,
    }
    default = Document(
        "https://index.example/simple/torch/",
        json.dumps(listed).encode(),
        "application/vnd.pypi.simple.v1+json",
    )
    entries = [
        PageEntry(Candidate("torch", "2.15.0"), listed=True, yanked="needs driver >= 580"),
        PageEntry(Candidate("torch", "2.14.1", "cu126", "cu126"), listed=True),
        PageEntry(Candidate("torch", "2.13.0", "cu126", "cu126"), listed=False),
    ]
    return WORLD.arranged(plan("/simple/torch/"), form, {"": default, "cu126": page()}, entries)


def test_page_has_the_chosen_builds_and_the_reasons_and_all_that_it_had() -> None:
    made = json.loads(arranged("json").body)
    files = {file["filename"]: file for file in made["files"]}
    assert files[f"torch-2.15.0-{TAG}"]["yanked"] == "needs driver >= 580"
    assert files[f"torch-2.15.0-{TAG}"]["url"].startswith("/packages/")
    assert files[f"torch-2.14.1+cu126-{TAG}"]["url"].startswith("/pytorch/cu126/files/torch/")
    assert "torch-2.15.0-variants.json" in files
    assert f"torch-2.13.0+cu126-{TAG}" not in files
    assert made["unheard"] == 1
    assert made["versions"] == ["2.15.0", "2.14.1+cu126"]


def test_page_says_the_same_in_html() -> None:
    body = arranged("html").body.decode()
    assert 'data-yanked="needs driver &gt;= 580"' in body
    assert f">torch-2.14.1+cu126-{TAG}</a>" in body
