"""Names of the pull API as paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.models import Mirror
from headrace_docker.registry_api.layouts import locate
from headrace_docker.registry_api.names import ApiRoot, Object, parse

REGISTRIES = ("docker.io", "ghcr.io")
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("path", "query", "registry", "repository"),
    [
        ("/v2/library/alpine/manifests/v1", "", "docker.io", "library/alpine"),
        ("/v2/alpine/manifests/v1", "ns=docker.io", "docker.io", "library/alpine"),
        ("/v2/org/x/manifests/v1", "ns=registry-1.docker.io", "docker.io", "org/x"),
        ("/v2/docker.io/org/x/manifests/v1", "", "docker.io", "org/x"),
        ("/v2/index.docker.io/alpine/manifests/v1", "", "docker.io", "library/alpine"),
        ("/v2/ghcr.io/org/x/manifests/v1", "", "ghcr.io", "org/x"),
        ("/v2/ghcr.io/org/x/manifests/v1", "ns=ghcr.io", "ghcr.io", "org/x"),
        ("/v2/a/b/c/manifests/v1", "ns=ghcr.io", "ghcr.io", "a/b/c"),
    ],
)
def test_registry_and_repository_are_read_from_every_clients_way_of_saying_them(
    path: str, query: str, registry: str, repository: str
) -> None:
    found = parse(path, query, REGISTRIES)
    assert isinstance(found, Object)
    assert (found.registry, found.repository) == (registry, repository)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v2/x/manifests/v1", "ns=evil.example"),
        ("/v2/evil.example/x/manifests/v1", ""),
        ("/v2/localhost:5000/x/manifests/v1", ""),
        ("/v2/library/../x/manifests/v1", ""),
        ("/v2/UPPER/manifests/v1", ""),
        ("/v2/x/manifests/-v1", ""),
        ("/v2/x/manifests/sha256:00", ""),
        ("/v2/x/blobs/v1", ""),
        ("/v2/x/blobs/uploads/", ""),
        ("/v2/_catalog", ""),
        (f"/v2/{'a' * 300}/blobs/{DIGEST}", ""),
    ],
)
def test_what_is_no_name_or_on_no_list_is_nothing(path: str, query: str) -> None:
    assert parse(path, query, REGISTRIES) is None


def test_root_is_the_api_itself() -> None:
    assert isinstance(parse("/v2/", "", REGISTRIES), ApiRoot)


@given(st.from_regex(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+){0,2}", fullmatch=True))
def test_own_path_of_an_object_means_the_same_object(name: str) -> None:
    found = parse(f"/v2/{name}/blobs/{DIGEST}", "ns=ghcr.io", REGISTRIES)
    if isinstance(found, Object):
        assert parse(found.path, "", REGISTRIES) == found


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_path_reaches_beyond_the_list(name: str, query: str) -> None:
    found = parse(f"/v2/{name}/blobs/{DIGEST}", query, REGISTRIES)
    if isinstance(found, Object):
        assert found.registry in REGISTRIES
        assert ".." not in found.repository
        assert "?" not in found.tail


@pytest.mark.parametrize(
    ("layout", "base", "carries", "url"),
    [
        ("registry", "https://m.example", (), "https://m.example/v2/library/x"),
        ("registry", "https://m.example/hub", (), "https://m.example/v2/hub/library/x"),
        ("registry", "https://m.example", ("ghcr.io/*",), None),
        ("prefix", "https://m.example/p", (), "https://m.example/v2/p/docker.io/library/x"),
        ("ns", "http://127.0.0.1:9", (), "http://127.0.0.1:9/v2/library/x"),
        ("prefix", "https://m.example", ("docker.io/*", "!docker.io/library/*"), None),
        ("other", "https://m.example", (), None),
    ],
)
def test_mirrors_have_it_where_their_layout_says(
    layout: str, base: str, carries: tuple[str, ...], url: str | None
) -> None:
    mirror = Mirror("m", "docker", base, layout, carries=carries)
    found = locate(mirror, Object("docker.io", "library/x", "blobs", DIGEST))
    query = "?ns=docker.io" if layout == "ns" else ""
    assert found == (f"{url}/blobs/{DIGEST}{query}" if url else None)
