"""What registries, images and engines say."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

from fuzz.model import BrokenLaw, Target
from headrace.interface import ConfigurationError, Host, load_cuda_tables
from headrace.models import Document, Origin, Request, ServeArtifact
from headrace_docker.config_files import docker_config
from headrace_docker.finding.explaining import explain
from headrace_docker.gpu import preflight
from headrace_docker.gpu.requirements import failing, need_of
from headrace_docker.registry_api import refusals
from headrace_docker.registry_api.ecosystem import DockerEcosystem
from headrace_docker.registry_api.image_names import read_name
from headrace_docker.registry_api.manifests import descriptors
from headrace_docker.registry_api.names import Object, parse

_ORIGIN = Origin("docker", "https://registry-1.docker.io", name="docker.io")
_HOST = Host(platform="linux", machine="x86_64", driver="550.54.15", cuda=(12, 4))
_PATH = Path("config.json")


def _manifest(data: bytes) -> object:
    """A manifest, learned from, and then an object asked for that it may name."""
    ecosystem = DockerEcosystem([_ORIGIN])
    plan = ecosystem.plan(Request("GET", "/v2/library/alpine/manifests/latest"))
    assert isinstance(plan, ServeArtifact)
    named, kinds = 0, set()
    with contextlib.suppress(ValueError):
        ecosystem.learn(Document("https://registry-1.docker.io/v2/", data, ""), plan)
        for each in descriptors(data):
            named += 1
            kinds.add(each.is_manifest)
            blob = ecosystem.plan(Request("GET", f"/v2/library/alpine/blobs/{each.digest}"))
            if isinstance(blob, ServeArtifact):
                with contextlib.suppress(StopIteration):
                    next(ecosystem.look_up(blob))
    return min(named, 3), sorted(kinds)


def _image(data: bytes) -> object:
    """Manifest and configuration, a line each, as `explain` reads them."""
    manifest, _, config = data.partition(b"\n")
    told = explain(
        "docker:alpine:3" if data[:1] == b"d" else "alpine:cuda12.4",
        _HOST,
        lambda path, _: manifest if "/manifests/" in path else config,
    )
    return len(told[0].lines)


def _requirements(data: bytes) -> object:
    environment = dict(
        line.partition("=")[::2] for line in data.decode("utf-8", "replace").splitlines()
    )
    tag = environment.get("tag", "")
    need = need_of(environment, tag)
    if need is None:
        return None
    facts = preflight.Facts(1, 1, ("linux/amd64",), "amd64", need)
    return (
        need.cuda,
        [bool(failing(text, _HOST)) for text in need.constraints][:2],
        len(preflight.verdict(facts, _HOST, load_cuda_tables(), "")),
    )


def _names(data: bytes) -> object:
    path, _, query = data.decode("utf-8", "replace").partition("?")
    registries = {"docker.io": _ORIGIN, "quay.io": _ORIGIN, "localhost:5000": _ORIGIN}
    found = parse(path, query, registries)
    if isinstance(found, Object) and parse(found.path, "", registries) != found:
        raise BrokenLaw(f"{found} is another object by its path")
    ecosystem = DockerEcosystem([_ORIGIN])
    plan = ecosystem.plan(Request("GET", path, query, {"accept": query}))
    refusals.phrased(404, path, path)
    return type(found).__name__, type(plan).__name__, read_name(path) is None


def _logins(data: bytes) -> object:
    table = docker_config.parse(data, _PATH)
    found = docker_config.logins(table)
    for key in ("https://index.docker.io/v1/", "quay.io"):
        docker_config.find(table, key)
        docker_config.helper_of(table, key)
    with contextlib.suppress(ConfigurationError):
        led = docker_config.lead(data, "headrace", _PATH)
        store = table.get("credsStore")
        if (
            isinstance(store, str)
            and docker_config.parse(docker_config.lead(led, store, _PATH), _PATH) != table
        ):
            raise BrokenLaw("a helper that was led is not as it was")
    return len(found)


def _helper(data: bytes) -> object:
    """What docker says to our credential helper, and the file that it answers from."""
    from headrace_docker.credentials import helper_protocol  # noqa: PLC0415 - only here

    words, _, rest = data.partition(b"\n")
    told = io.StringIO()
    text = rest.decode("utf-8", "replace")
    status = helper_protocol.answer(
        words.decode("utf-8", "replace").split(), "/nonexistent", io.StringIO(text), told
    )
    json.dumps(told.getvalue())
    return status


TARGETS = [
    Target(
        "manifest",
        _manifest,
        (),
        (
            b'"schemaVersion":2',
            b'"layers":[',
            b'"manifests":[',
            b'"config":{',
            b'"digest":"sha256:',
            b'"mediaType":"',
            b'"size":',
        ),
    ),
    Target(
        "image",
        _image,
        (),
        (
            b'"config":{',
            b'"Env":[',
            b"NVIDIA_REQUIRE_CUDA=cuda>=12.0",
            b'"architecture":"amd64"',
            b'"platform":{',
            b'"os":"linux"',
            b'"tags":[',
        ),
    ),
    Target(
        "image-requirements",
        _requirements,
        (),
        (
            b"CUDA_VERSION=",
            b"NVIDIA_REQUIRE_CUDA=",
            b"cuda>=12.4",
            b"brand=tesla,driver>=470",
            b"arch>=8.0",
            b"tag=",
            b"NVIDIA_DISABLE_REQUIRE=1",
        ),
    ),
    Target(
        "registry-paths",
        _names,
        (),
        (
            b"/v2/",
            b"/manifests/",
            b"/blobs/",
            b"/tags/list",
            b"sha256:",
            b"ns=quay.io",
            b"library/",
        ),
    ),
    Target(
        "docker-logins",
        _logins,
        words=(
            b'"auths":{',
            b'"credsStore":"',
            b'"credHelpers":{',
            b'"auth":"',
            b'"identitytoken":"',
        ),
    ),
    Target("credential-helper", _helper, (), (b"get", b"erase", b"list", b"store", b"version")),
]
