"""The pages of the index that pip uses here, through the ecosystem, as pip itself reads them."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from headrace.models import Document, Origin, Request, ServeArtifact, ServeDocument
from headrace_pip.index import paths
from headrace_pip.index.ecosystem import PythonEcosystem
from lib.capabilities import NO_PIP, lacks
from lib.waiting import HANG

pytestmark = pytest.mark.network

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
FORMS = {"json": JSON_TYPE, "html": "application/vnd.pypi.simple.v1+html, text/html;q=0.1"}
AGENT = (
    'pip/24.0 {"cpu":"x86_64","distro":{"libc":{"lib":"glibc","version":"2.36"}},'
    '"implementation":{"name":"CPython","version":"3.11.7"},"python":"3.11.7",'
    '"system":{"name":"Linux","release":"6"}}'
)


def index() -> str:
    models = pytest.importorskip("pip._internal.models.index", reason=NO_PIP)
    url: str = os.environ.get("PIP_INDEX_URL") or models.PyPI.simple_url
    return url.rstrip("/")


@cache
def fetch(url: str, accept: str = "*/*") -> tuple[str, str, bytes]:
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=HANG) as answer:
            return answer.url, answer.headers.get("content-type", ""), answer.read()
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        pytest.skip(lacks("index", f"that of pip is not reachable here: {error}"))


def world() -> PythonEcosystem:
    return PythonEcosystem([Origin("python", index())])


def page(project: str, form: str) -> tuple[PythonEcosystem, ServeDocument, Document]:
    ecosystem = world()
    plan = ecosystem.plan(Request("GET", f"/simple/{project}/"))
    assert isinstance(plan, ServeDocument)
    url, content_type, body = fetch(plan.url, FORMS[form])
    return ecosystem, plan, Document(url, body, content_type)


def as_pip_reads(body: bytes, content_type: str, url: str) -> list[dict[str, Any]]:
    collector = pytest.importorskip("pip._internal.index.collector", reason=NO_PIP)
    content = collector.IndexContent(body, content_type, None, url, cache_link_parsing=False)
    return [
        {
            "filename": link.filename,
            "hashes": (link.hash_name, link.hash),
            "requires_python": link.requires_python,
            "yanked": link.yanked_reason,
            "metadata": link.metadata_file_data,
        }
        for link in collector.parse_links(content)
    ]


@pytest.mark.parametrize("project", ["numpy", "requests", "torch", "pip", "zope-interface"])
@pytest.mark.parametrize("source", FORMS)
@pytest.mark.parametrize("form", FORMS)
def test_pip_reads_the_same_from_our_page(project: str, source: str, form: str) -> None:
    ecosystem, plan, document = page(project, source)
    answer = ecosystem.rewrite(document, form, plan)
    gateway = f"http://127.0.0.1:1/simple/{project}/"
    ours = as_pip_reads(answer.body, answer.headers["content-type"], gateway)
    theirs = as_pip_reads(document.body, document.content_type, document.url)
    assert ours == theirs
    assert len(ours) > 50
    hosts = {urlsplit(artifact.url).netloc for artifact in ecosystem.artifacts(document, plan)}
    assert not [host for host in hosts if host.encode() in answer.body]


@pytest.mark.parametrize("project", ["numpy", "requests"])
def test_every_file_of_a_real_page_is_found_again(project: str) -> None:
    ecosystem, plan, document = page(project, "json")
    artifacts = list(ecosystem.artifacts(document, plan))
    assert all(a.digest is not None and a.size for a in artifacts if a.mirrored)
    for artifact in artifacts:
        assert ecosystem.plan(Request("GET", artifact.path)) == ServeArtifact(artifact.path, plan)
    by_content = [a for a in artifacts if a.path == unquote(urlsplit(a.url).path)]
    # All but the installers of the first years, whose names tell no project for certain.
    assert len(by_content) > 0.95 * len(artifacts)


def test_a_page_of_thousands_of_files_keeps_yanked_releases_and_their_reasons() -> None:
    ecosystem, plan, document = page("numpy", "json")
    answer = ecosystem.rewrite(document, "html", plan)
    files = as_pip_reads(answer.body, "text/html", document.url)
    assert len(files) > 1000
    assert any(file["yanked"] for file in files)


def test_the_newest_release_that_fits_is_one_that_pip_could_take() -> None:
    ecosystem, plan, document = page("requests", "json")
    request = Request("GET", plan.url, headers={"user-agent": AGENT})
    found = list(ecosystem.leads_to(plan, document, request))
    assert found
    assert all(isinstance(step, ServeArtifact) and "py3-none-any" in step.path for step in found)


def test_the_path_of_a_file_is_the_blake2b_of_its_content() -> None:
    ecosystem, plan, document = page("sampleproject", "json")
    artifact = min(
        (a for a in ecosystem.artifacts(document, plan) if a.mirrored), key=lambda a: a.size or 0
    )
    _, _, content = fetch(artifact.url)
    assert artifact.digest is not None
    assert hashlib.sha256(content).hexdigest() == artifact.digest.value
    digest = paths.path_digest(artifact.url)
    assert digest is not None
    assert hashlib.blake2b(content, digest_size=32).hexdigest() == digest.value
    assert ecosystem.confirmation(artifact) == artifact.url
