"""An image's name, as engines read it."""

from __future__ import annotations

import pytest

from headrace_docker.registry_api.image_names import ImageName, read_name

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("ubuntu", "docker.io", "library/ubuntu", "", ""),
        ("index.docker.io/ubuntu:24.04", "docker.io", "library/ubuntu", "24.04", ""),
        ("pytorch/pytorch:2.5", "docker.io", "pytorch/pytorch", "2.5", ""),
        ("nvcr.io/nvidia/pytorch:25.01-py3", "nvcr.io", "nvidia/pytorch", "25.01-py3", ""),
        (f"ghcr.io/o/x@{DIGEST}", "ghcr.io", "o/x", "", DIGEST),
        (f"quay.io/x:v1@{DIGEST}", "quay.io", "x", "v1", DIGEST),
        ("localhost:5000/x:1", "localhost:5000", "x", "1", ""),
        ("[::1]:5000/x:1", "[::1]:5000", "x", "1", ""),
    ],
)
def test_names_of_images_are_read_as_engines_read_them(
    text: str, registry: str, repository: str, tag: str, digest: str
) -> None:
    found = read_name(text)
    assert found == ImageName(registry, repository, tag, digest)
    assert found.reference == (digest or tag or "latest")
    assert found.place == f"{registry}/{repository}"


@pytest.mark.parametrize("text", ["", "https://x/y", "UPPER", "a" * 600, "x:"])
def test_what_is_no_name_is_none(text: str) -> None:
    assert read_name(text) is None
