"""``headrace image outdated`` and ``warm`` before a real registry and two mirrors of it; a real
engine pulls what was warmed when all three of them are gone.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.state import State
from lib.capabilities import lacks
from lib.engines.drivers import engine
from lib.engines.kinds import HERE, why_not
from lib.gateway import Gateway, TestMirror, headrace
from lib.images.content import OCI, Blob, Image
from lib.images.families import diff_ids, multi_platform, shaped
from lib.images.plain_registry import Running

if shutil.which("docker-registry") is None:
    pytest.skip(lacks("engines", "docker-registry is not installed here"), allow_module_level=True)


def sharing(base: Image, more: Image) -> Image:
    """Make an image with the layers of `base` below those of `more`."""
    table, config = (json.loads(each.data) for each in (more.manifest, more.blobs[0]))
    layers = [*base.blobs[1:], *more.blobs[1:]]
    config["rootfs"]["diff_ids"] = diff_ids(layers)
    about = Blob(more.blobs[0].media_type, json.dumps(config).encode())
    table["config"] = about.descriptor()
    table["layers"] = [each.descriptor() for each in layers]
    return Image(Blob(OCI, json.dumps(table).encode()), (about, *layers))


BASE = shaped("base", {"PATH": "/usr/bin"}, sizes=(2_000_000, 3_000))
OLD = sharing(BASE, shaped("old", {"CUDA_VERSION": "12.6.3", "PYTORCH_VERSION": "2.9.0"}))
NEW = sharing(BASE, shaped("new", {"CUDA_VERSION": "12.6.3", "PYTORCH_VERSION": "2.9.1"}))
BOTH = multi_platform(
    {
        each: shaped("both", {}, architecture=each, sizes=(50_000, 300))
        for each in ("amd64", "arm64")
    }
)


@dataclass
class Yard:
    """A registry, two mirrors that have what it has, a user's folder and command line."""

    servers: Sequence[Running]
    gateway: Gateway
    folder: Path
    stopping: contextlib.ExitStack

    @property
    def hub(self) -> Running:
        return self.servers[0]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*headrace(), "image", *words],
            env={**self.gateway.env, "HEADRACE_LOG": "warning"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with contextlib.ExitStack() as stack:
        stopping = stack.enter_context(contextlib.ExitStack())
        servers = [
            Running(tmp_path, name, tmp_path / "storage", stopping)
            for name in ("hub", "one", "two")
        ]
        hub = servers[0]
        hub.put("pytorch/pytorch", "2.9-cuda12.6-cudnn9-runtime", OLD)
        hub.put("me/tool", "v1", BOTH)
        hub.put("me/base", "v1", BASE)
        gateway = Gateway(
            tmp_path / "home",
            mirrors=[
                TestMirror(f"mirror{n}", each.url, "registry", rank=n, ecosystem="docker")
                for n, each in enumerate(servers[1:])
            ],
            ecosystem="docker",
            named={"docker.io": hub.url, "ghcr.io": hub.url},
        )
        stack.enter_context(gateway)
        root = gateway.root
        state = State(Folders(root / "config", root / "state", root / "cache"))
        state.record_gateway(GatewayAddress("127.0.0.1", gateway.port))
        folder = tmp_path / "project"
        folder.mkdir()
        write_files(folder)
        yield Yard(servers, gateway, folder, stopping)


def write_files(folder: Path) -> None:
    pinned = f"pytorch/pytorch:2.9-cuda12.6-cudnn9-runtime@{OLD.digest}"
    (folder / "Dockerfile").write_text(f"ARG FROM={pinned}\nFROM ${{FROM}} AS work\nRUN true\n")
    (folder / "compose.yaml").write_text(
        f"services:\n  tool:\n    image: me/tool:v1 # {OLD.digest[:20]}\n"
    )
    (folder / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n"
        f"  - {{name: a, image: docker.io/{pinned}}}\n  - {{name: b, image: 'me/base:v1'}}\n"
    )


def test_moved_tag_is_told_with_what_changed_and_its_digest_alone_is_written(yard: Yard) -> None:
    told = yard.told("outdated", "Dockerfile", "pod.yaml")
    assert [each["state"] for each in told["images"]] == ["current", "not pinned"]
    yard.hub.put("pytorch/pytorch", "2.9-cuda12.6-cudnn9-runtime", NEW)
    before = {path: path.read_text() for path in yard.folder.iterdir()}
    asked = yard.hub.asked("GET", "/manifests/")
    moved, *_ = yard.told("outdated", "Dockerfile", "pod.yaml", code=3)["images"]
    assert moved["places"] == ["Dockerfile:2", "pod.yaml:5"]
    assert moved["now"] == NEW.digest
    assert moved["changed"] == {"PYTORCH_VERSION": ["2.9.0", "2.9.1"]}
    assert (moved["layers"], moved["shared_layers"]) == (4, 2)
    assert 0 < moved["to_fetch"] < 100_000
    assert yard.hub.asked("GET", "/manifests/") == asked  # no pull was counted
    done = yard.run("outdated", "Dockerfile", "pod.yaml", "--write")
    assert done.returncode == 0, done.stdout + done.stderr
    for path, text in before.items():
        changes = path.name != "compose.yaml"
        assert path.read_text() == (text.replace(OLD.digest, NEW.digest) if changes else text)
    yard.told("outdated", "Dockerfile", "pod.yaml")


def test_warmed_images_are_pulled_with_everything_else_gone(yard: Yard) -> None:
    dry = yard.told("warm", "Dockerfile", "pod.yaml", "--dry-run")
    assert not any(server.asked("GET", BASE.layer.digest) for server in yard.servers)
    words = ("warm", "Dockerfile", "pod.yaml", "me/tool:v1")
    told = yard.told(*words, "--platform", "linux/arm64", code=1)
    assert {each["image"].partition(":")[0] for each in told["images"] if not each["problem"]} == {
        "docker.io/me/tool"
    }
    told = yard.told(*words)
    assert told["failed"] == {}
    assert told["shared"] == dry["shared"] == 2
    assert len(told["images"]) == 3
    again = yard.told(*words)
    assert (again["to_fetch"], again["here_already"]) == (0, told["parts"])
    layer = BASE.layer
    lines = [line for server in yard.servers for line in server.asked("GET", layer.digest)]
    given = sum(int(line.rpartition('HTTP/1.1" ')[2].split()[1]) for line in lines)
    # Not for each of the two images that have it. What else comes twice has laws of its own
    # (tests/property): of mirrors that nobody measured it is a good part, on a busy machine.
    assert given < 2 * len(layer.data)
    assert not yard.hub.asked("GET", "/manifests/")
    yard.stopping.close()
    there = [name for name in ("podman", "dockerd", "containerd") if why_not(HERE[name]) is None]
    if not there:
        pytest.skip(lacks("engines", str(why_not(HERE["podman"]))))
    for kind in there:
        with engine(HERE[kind], yard.gateway.port) as puller:
            # As the Dockerfile has it, and by a tag, for which each asks in words of its own.
            for name in (f"pytorch/pytorch@{OLD.digest}", "me/tool:v1"):
                done = puller.pull(name)
                assert done.returncode == 0, kind + done.stdout + done.stderr
            assert BOTH.digest in puller.digest("me/tool:v1")


def test_what_cannot_be_brought_is_told_and_the_rest_comes(yard: Yard) -> None:
    done = yard.run("warm", "me/secret:v1", "me/base:v1", "other.example/x:1")
    said = " ".join(done.stdout.split())
    assert done.returncode == 1, said
    assert "docker.io has no me/secret:v1 for strangers; an engine with your login" in said
    assert "other.example is no registry that the gateway leads" in said
    assert "All of it is in the store." in said
