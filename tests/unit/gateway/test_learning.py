"""What a page that is an artifact says of others is known before its client can ask for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace_docker.plugin
from headrace.interface import Document, Origin, ServeArtifact, ServeDocument
from headrace_docker.registry_api.ecosystem import DockerEcosystem
from lib.app import App
from lib.images.content import OCI, Image, image
from lib.images.registry import Registry
from lib.serving.servers import RecordingServer

NAME = "library/large"


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    with RecordingServer(name="registry") as server:
        yield server


@pytest.fixture
def held(origin: RecordingServer) -> Image:
    registry = Registry()
    registry.mount(origin)
    return registry.put(NAME, image("large", size=20_000))


@pytest.fixture
def _slow_to_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    learn = DockerEcosystem.learn

    def late(
        self: DockerEcosystem, document: Document, plan: ServeDocument | ServeArtifact
    ) -> None:
        time.sleep(0.3)
        learn(self, document, plan)

    monkeypatch.setattr(DockerEcosystem, "learn", late)


@pytest.mark.usefixtures("_slow_to_learn")
@pytest.mark.parametrize("by", ["tag", "digest, from the store"])
def test_client_that_asks_at_once_for_what_a_manifest_names_finds_it_known(
    tmp_path: Path, origin: RecordingServer, held: Image, by: str
) -> None:
    docker_io = Origin("docker", origin.url, name="docker.io")
    manifest = f"/v2/{NAME}/manifests/{'v1' if by == 'tag' else held.digest}"
    for _ in range(1 if by == "tag" else 2):
        with App(tmp_path, docker_io, plugins=[headrace_docker.plugin]) as app:
            told = app.ask(manifest, {"Accept": OCI})
            assert (told.status, told.body) == (200, held.manifest.data)
            # Whoever cannot be asked by HEAD has the layer all the same.
            assert app.ask(f"/v2/{NAME}/blobs/{held.layer.digest}").body == held.layer.data
    assert not origin.requests("*/blobs/*", "HEAD")


def test_part_of_a_manifest_teaches_when_the_whole_is_here(
    tmp_path: Path, origin: RecordingServer, held: Image
) -> None:
    docker_io = Origin("docker", origin.url, name="docker.io")
    with App(tmp_path, docker_io, plugins=[headrace_docker.plugin]) as app:
        told = app.ask(f"/v2/{NAME}/manifests/v1", {"Accept": OCI, "Range": "bytes=0-9"})
        assert (told.status, told.body) == (206, held.manifest.data[:10])
        assert app.ask(f"/v2/{NAME}/blobs/{held.layer.digest}").body == held.layer.data
