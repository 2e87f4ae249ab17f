"""`headrace build -- docker build`: BuildKit leads each step, and the image shows no trace."""

from __future__ import annotations

import hashlib
import json
import tarfile

import pytest

from lib.gateway import headrace
from lib.serving.faults import large

from .conftest import DOCKERFILE, Builder

pytestmark = pytest.mark.nightly


def saved(builder: Builder, name: str) -> tuple[dict[str, str], str]:
    """Return all that is in an image's own layers, and what is said of it."""
    path = builder.root / f"{name}.tar"
    builder.run(*builder.engine, "save", "-o", path, name).check_returncode()
    history = builder.run(*builder.engine, "history", "--no-trunc", "--format=json", name).stdout
    found: dict[str, str] = {}
    told = history
    with tarfile.open(path) as image:
        read = image.extractfile
        (manifest,) = json.loads(read("manifest.json").read())  # type: ignore[union-attr]
        told += read(manifest["Config"]).read().decode()  # type: ignore[union-attr]
        for each in manifest["Layers"][1:]:
            with tarfile.open(fileobj=read(each)) as layer:
                for entry in layer:
                    data = layer.extractfile(entry).read() if entry.isfile() else b""  # type: ignore[union-attr]
                    found[entry.name] = f"{entry.mode:o} {hashlib.sha256(data).hexdigest()}"
    return found, told


def test_steps_get_files_from_mirrors_and_the_layers_are_those_of_a_plain_build(
    docker: Builder,
) -> None:
    before = docker.dockerfile(DOCKERFILE)
    plain = docker.build("plain", "--no-cache", led=False)
    assert plain.returncode == 0, plain.stderr
    docker.world.pages.forget()
    docker.world.files.forget()
    led = docker.build("led", "--no-cache")
    assert led.returncode == 0, led.stderr
    assert docker.own_words() < len(large().data) / 2, led.stderr
    given = sum(mirror.bytes_sent("*.whl") for mirror in docker.world.mirrors)
    assert given > len(large().data) / 2
    agents = {s.headers["user-agent"].partition("/")[0] for s in docker.world.pages.seen}
    assert agents == {"headrace"}
    docker.world.assert_polite()
    files, told = saved(docker, "led")
    assert files == saved(docker, "plain")[0]
    for trace in ("headrace", "172.17.0.1", *(mirror.url for mirror in docker.world.mirrors)):
        assert trace not in told.lower(), trace
    assert before.read_text() == DOCKERFILE


def test_a_second_led_build_is_all_from_the_cache(docker: Builder) -> None:
    assert docker.build("first").returncode == 0
    docker.world.pages.forget()
    again = docker.build("second")
    assert again.returncode == 0, again.stderr
    assert not docker.world.pages.seen


def test_the_classic_builder_is_refused_with_the_reason(docker: Builder) -> None:
    refused = docker.build("none", env={"DOCKER_BUILDKIT": "0"})
    assert refused.returncode == 1
    assert "classic builder has no secrets" in refused.stderr
    assert not docker.world.pages.seen


def test_compose_builds_its_services_from_mirrors(docker: Builder) -> None:
    text = "name: demo\nservices:\n  one:\n    image: one\n    build: context\n"
    (docker.root / "compose.yaml").write_text(text)
    done = docker.run(*headrace(), "build", "--", *docker.engine, "compose", "build")
    assert done.returncode == 0, done.stderr
    assert docker.own_words() < len(large().data) / 2, done.stderr
    assert {s.headers["user-agent"].partition("/")[0] for s in docker.world.pages.seen} == {
        "headrace"
    }
    assert "headrace" not in saved(docker, "one")[1].lower()
