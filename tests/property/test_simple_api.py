"""Laws of project pages: nothing that a client uses is lost, and no foreign host remains."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.models import Document, Origin, Plan, Request, ServeArtifact, ServeDocument
from headrace_pip.index import paths
from headrace_pip.index.ecosystem import PythonEcosystem
from headrace_pip.simple_api import html_form, json_form
from headrace_pip.simple_api.model import FileLink, ProjectPage
from lib.capabilities import NO_PIP

#: Machines that run tests are busy: how long an example takes is no law.
law = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
INDEX = Origin("python", "https://index.example/simple")
PAGE = "https://index.example/simple/foo/"

hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
#: What people write into reasons and specifiers, with what HTML and JSON must escape.
texts = (
    st.text(
        st.sampled_from("<>&\"'=#; ab0é")
        | st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")),
        max_size=20,
    )
    .map(str.strip)
    .filter(bool)
)
versions = st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}(\+[a-z0-9]{1,5})?", fullmatch=True)
filenames = st.one_of(
    versions.map(lambda v: f"foo-{v}-py3-none-any.whl"),
    versions.map(lambda v: f"foo-{v}.tar.gz"),
    versions.map(lambda v: f"Foo_{v}.win32.exe"),
    st.from_regex(r"[A-Za-z0-9 %é!~#?;&+'-]{1,12}\.zip", fullmatch=True),
)


def content_url(host: str, digest: str, name: str) -> str:
    path = f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{name}"
    return f"https://{host}{paths.encoded(path)}"


@st.composite
def files(draw: st.DrawFn, *, html: bool = False) -> FileLink:
    name = draw(filenames)
    host = draw(st.sampled_from(["files.example", "cdn.example:8443"]))
    other = f"https://{host}/deep/{paths.encoded(name)}"
    url = draw(st.sampled_from([content_url(host, draw(hexes), name), other]))
    metadata: bool | Mapping[str, str] = draw(
        st.one_of(st.booleans(), hexes.map(lambda value: {"sha256": value}))
    )
    return FileLink(
        filename=name,
        url=url,
        hashes=draw(st.one_of(st.just({}), hexes.map(lambda value: {"sha256": value}))),
        requires_python=draw(st.one_of(st.none(), texts)),
        yanked=draw(st.one_of(st.booleans(), texts)),
        core_metadata=metadata,
        size=None if html else draw(st.integers(0, 2**40)),
        upload_time=draw(st.one_of(st.none(), st.just("2024-01-02T03:04:05.123456Z"))),
        gpg_sig=draw(st.one_of(st.none(), st.booleans())),
        provenance=draw(st.one_of(st.none(), st.just("https://index.example/integrity/x"))),
        extra={} if html else draw(st.dictionaries(texts.map("x-".__add__), texts, max_size=2)),
    )


statuses = st.one_of(
    st.just({}),
    st.builds(lambda reason: {"status": "archived", "reason": reason}, texts),
    st.just({"status": "active"}),
)
html_pages = st.builds(
    ProjectPage,
    name=st.just("foo"),
    files=st.lists(files(html=True), max_size=5).map(tuple),
    last_serial=st.one_of(st.none(), st.integers(0, 10**12)),
    status=statuses,
)
json_pages = st.builds(
    ProjectPage,
    name=st.just("foo"),
    files=st.lists(files(), max_size=5).map(tuple),
    api_version=st.sampled_from(["1.1", "1.3", "1.4"]),
    versions=st.lists(versions, max_size=3).map(tuple),
    last_serial=st.one_of(st.none(), st.integers(0, 10**12)),
    status=statuses,
    extra=st.dictionaries(texts.map("x-".__add__), texts, max_size=2),
    extra_meta=st.dictionaries(texts.map("x-".__add__), texts, max_size=2),
)


@law
@given(json_pages)
def test_json_carries_the_whole_page(page: ProjectPage) -> None:
    assert json_form.parse(json_form.load(json_form.render(page)), PAGE, "foo") == page


@law
@given(html_pages)
def test_html_carries_all_that_html_can(page: ProjectPage) -> None:
    body = html_form.render(page)
    # A page without one distribution and with a form would be a login page; ours has no form.
    assert html_form.parse(body, "text/html; charset=utf-8", PAGE, "foo") == page


def ask(path: str) -> Plan:
    return PythonEcosystem([INDEX]).plan(Request("GET", path))


def page_plan() -> ServeDocument:
    plan = ask("/simple/foo/")
    assert isinstance(plan, ServeDocument)
    return plan


PLAN = page_plan()


def rewritten(document: Document, form: str) -> ProjectPage:
    body = PythonEcosystem([INDEX]).rewrite(document, form, PLAN).body
    if form == "json":
        return json_form.parse(json_form.load(body), "http://gateway/", "foo")
    return html_form.parse(body, "text/html", "http://gateway/", "foo")


@pytest.mark.parametrize("source", ["json", "html"])
@pytest.mark.parametrize("form", ["json", "html"])
@law
@given(page=json_pages)
def test_rewriting_keeps_every_word_but_the_links(
    source: str, form: str, page: ProjectPage
) -> None:
    if source == "json":
        document = Document(PAGE, json_form.render(page), JSON_TYPE)
        before = page
    else:
        document = Document(PAGE, html_form.render(page), "text/html")
        before = html_form.parse(document.body, "text/html", PAGE, "foo")
    after = rewritten(document, form)
    if form == "html":
        before = html_form.parse(html_form.render(before), "text/html", PAGE, "foo")
    assert [replace(file, url="") for file in after.files] == [
        replace(file, url="") for file in before.files
    ]
    assert (after.status, after.last_serial) == (before.status, before.last_serial)
    if source == form == "json":
        assert (after.versions, after.extra, after.extra_meta, after.api_version) == (
            before.versions,
            before.extra,
            before.extra_meta,
            before.api_version,
        )


@pytest.mark.parametrize("form", ["json", "html"])
@law
@given(page=json_pages)
def test_every_link_is_ours_and_found_again(form: str, page: ProjectPage) -> None:
    world = PythonEcosystem([INDEX])
    document = Document(PAGE, json_form.render(page), JSON_TYPE)
    artifacts = {artifact.path: artifact for artifact in world.artifacts(document, PLAN)}
    for file, origin in zip(rewritten(document, form).files, page.files, strict=True):
        assert urlsplit(file.url).netloc == "gateway"
        path = unquote(urlsplit(file.url).path)
        artifact = artifacts[path]
        assert artifact.name == path.rpartition("/")[2] == origin.filename
        assert ask(path) == ServeArtifact(path, PLAN)
        if origin.core_metadata:
            assert ask(path + ".metadata") == ServeArtifact(path + ".metadata", PLAN)
            assert path + ".metadata" in artifacts


@pytest.mark.parametrize("form", ["json", "html"])
@law
@given(page=json_pages)
def test_nothing_of_a_mirrors_host_remains(form: str, page: ProjectPage) -> None:
    url = "https://mirror.example/pypi/web/simple/foo/"
    moved = replace(
        page,
        files=tuple(
            replace(
                file,
                url=re.sub(r"https://[^/]+", "https://mirror.example/pypi/web", file.url),
                provenance=file.provenance and "https://mirror.example/proof",
            )
            for file in page.files
        ),
    )
    document = Document(url, json_form.render(moved), JSON_TYPE, supplied_by="m")
    body = PythonEcosystem([INDEX]).rewrite(document, form, PLAN).body
    assert b"mirror.example" not in body
    for artifact in PythonEcosystem([INDEX]).artifacts(document, PLAN):
        assert artifact.provisional == "m"


def _seen_by_pip(body: bytes, content_type: str, url: str) -> list[dict[str, Any]]:
    """What pip itself reads from a page, links by their file name."""
    collector = pytest.importorskip("pip._internal.index.collector", reason=NO_PIP)
    content = collector.IndexContent(body, content_type, None, url, cache_link_parsing=False)
    return [
        {
            "filename": link.filename,
            "hash": (link.hash_name, link.hash),
            "requires_python": link.requires_python,
            "yanked": link.yanked_reason,
            "metadata": link.metadata_file_data,
        }
        for link in collector.parse_links(content)
    ]


@pytest.mark.parametrize("form", ["json", "html"])
@law
@given(page=json_pages)
def test_pip_sees_the_same_in_our_page_as_in_the_origins(form: str, page: ProjectPage) -> None:
    page = replace(
        page, files=tuple(replace(f, filename=f.filename.replace("?", "")) for f in page.files)
    )
    body = json_form.render(page)
    answer = PythonEcosystem([INDEX]).rewrite(Document(PAGE, body, JSON_TYPE), form, PLAN)
    ours = _seen_by_pip(
        answer.body, answer.headers["content-type"], "http://127.0.0.1:1/simple/foo/"
    )
    theirs = _seen_by_pip(body, JSON_TYPE, PAGE)
    keys = ("hash", "requires_python", "yanked", "metadata")
    assert [{k: o[k] for k in keys} for o in ours] == [{k: t[k] for k in keys} for t in theirs]
    assert [o["filename"] for o in ours] == [f.filename for f in page.files]


@law
@given(versions, hexes)
def test_a_plus_survives_the_way_there_and_back(version: str, digest: str) -> None:
    name = f"foo-{version}-py3-none-any.whl"
    url = content_url("files.example", digest, name)
    assert "+" not in url
    path = paths.file_path("", "foo", url, name)
    assert path is not None
    assert unquote(paths.encoded(path)) == path
    assert path.endswith(name)
    assert paths.content_path(url) == paths.encoded(path).lstrip("/")


@law
@given(st.binary(max_size=200), st.sampled_from(["", "text/html", JSON_TYPE, "x/y"]))
def test_no_body_does_worse_than_a_value_error(body: bytes, content_type: str) -> None:
    world = PythonEcosystem([INDEX])
    document = Document(PAGE, body, content_type)
    for form in ("json", "html"):
        try:
            world.rewrite(document, form, PLAN)
            list(world.artifacts(document, PLAN))
        except ValueError:
            continue


@law
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "files",
                        "meta",
                        "url",
                        "filename",
                        "hashes",
                        "yanked",
                        "size",
                        "core-metadata",
                        "api-version",
                        "project-status",
                        "name",
                        "versions",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_no_json_does_worse_than_a_value_error(raw: object) -> None:
    world = PythonEcosystem([INDEX])
    body = json.dumps(
        {"files": [raw], "meta": raw, "versions": raw, "project-status": raw}
    ).encode()
    try:
        for form in ("json", "html"):
            world.rewrite(Document(PAGE, body, JSON_TYPE), form, PLAN)
        list(world.artifacts(Document(PAGE, body, JSON_TYPE), PLAN))
    except ValueError:
        return
