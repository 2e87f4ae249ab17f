"""``headrace image find`` before a real registry and two mirrors of it, filled by the test."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.state import State
from lib.capabilities import lacks
from lib.gateway import Gateway, TestMirror, headrace
from lib.images.families import cuda_demand, multi_platform, shaped
from lib.images.plain_registry import Running

if shutil.which("docker-registry") is None:
    pytest.skip(lacks("engines", "docker-registry is not installed here"), allow_module_level=True)

#: Docker's registry gives no more tags than this at once (2.8 gives all, newer ones a thousand).
TORCH = {
    f"{version}-cuda{cuda}-cudnn9-{flavour}": (version, cuda, flavour)
    for version, cuda in (
        *(("2.15.0", "13.2"), ("2.15.0", "13.0"), ("2.14.1", "13.2"), ("2.14.1", "12.6")),
        *(("2.10.0", "12.8"), ("2.9.1", "12.6"), ("2.9.1", "12.8"), ("2.7.1", "11.8")),
    )
    for flavour in ("runtime", "devel")
}


@dataclass
class Shop:
    """A registry, two mirrors that have what it has, and the command line of a user."""

    registry: Running
    mirrors: tuple[Running, Running]
    gateway: Gateway

    def find(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*headrace(), "image", "find", *words],
            env={**self.gateway.env, "HEADRACE_LOG": "warning"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("images")
    with contextlib.ExitStack() as stack:
        registry, *mirrors = (
            Running(folder, name, folder / "storage", stack) for name in ("hub", "one", "two")
        )
        fill(registry)
        named = {"docker.io": registry.url, "nvcr.io": registry.url, "ghcr.io": registry.url}
        gateway = Gateway(
            folder / "home",
            mirrors=[
                TestMirror(f"mirror{n}", each.url, "registry", rank=n, ecosystem="docker")
                for n, each in enumerate(mirrors)
            ],
            ecosystem="docker",
            named=named,
        )
        stack.enter_context(gateway)
        root = gateway.root
        state = State(Folders(root / "config", root / "state", root / "cache"))
        state.record_gateway(GatewayAddress("127.0.0.1", gateway.port))
        yield Shop(registry, (mirrors[0], mirrors[1]), gateway)


def fill(registry: Running) -> None:
    for tag, (version, _, flavour) in TORCH.items():
        both = {
            architecture: shaped(
                f"{version} {flavour}",
                {"PATH": "/opt/conda/bin", "PYTORCH_VERSION": version},
                architecture=architecture,
                # One large layer, and small ones.
                sizes=(300_000, 3_000, 100),
            )
            for architecture in ("amd64", "arm64")
        }
        registry.put("pytorch/pytorch", tag, multi_platform(both))
    for month, cuda in (("24.05", "12.4.1"), ("25.08", "12.9.1"), ("25.10", "13.0.2")):
        variables = {
            "CUDA_VERSION": cuda,
            "NVIDIA_REQUIRE_CUDA": "cuda>=9.0",
            "NVIDIA_PYTORCH_VERSION": month,
            "TORCH_CUDA_ARCH_LIST": "7.5 8.0 8.6 9.0 10.0 12.0+PTX",
        }
        registry.put("nvidia/pytorch", f"{month}-py3", shaped(month, variables))
    for cuda, branches in (("13.0.1", [535, 570]), ("12.8.1", [535]), ("12.4.1", [470])):
        demand = cuda_demand(cuda.rpartition(".")[0], branches)
        made = shaped(cuda, {"CUDA_VERSION": cuda, "NVIDIA_REQUIRE_CUDA": demand})
        for system in ("ubuntu22.04", "ubi9"):
            registry.put("nvidia/cuda", f"{cuda}-cudnn-runtime-{system}", made)
    registry.put("vllm/vllm-openai", "v0.12.0", shaped("v", {"CUDA_VERSION": "12.9.1"}))
    registry.put("tensorflow/tensorflow", "2.20.0", shaped("tf", {}))
    registry.put("tensorflow/tensorflow", "2.20.0-gpu", shaped("g", {"CUDA_VERSION": "12.5.1"}))
    registry.put("nvidia/jax", "25.08-py3", shaped("jax", {"CUDA_VERSION": "12.9.1"}))
    rocm = "rocm7.2_ubuntu24.04_py3.12_pytorch_release_2.9.1"
    registry.put("rocm/pytorch", rocm, shaped("rocm", {"ROCM_PATH": "/opt/rocm"}))
    registry.put("rocm/dev-ubuntu-24.04", "7.2-complete", shaped("dev", {}))
    for number in range(3):
        own = shaped(f"own {number}", {"CUDA_VERSION": ("11.8.0", "12.4.1", "13.0.1")[number]})
        registry.put("me/x", f"v1.{number + 8}", own)


@pytest.mark.parametrize(
    ("what", "host", "image"),
    [
        ("pytorch", "driver=550,gpu=A100", "docker.io/pytorch/pytorch:2.14.1-cuda12.6-cudnn9-"),
        ("pytorch", "driver=580,gpu=V100", "docker.io/pytorch/pytorch:2.14.1-cuda12.6-cudnn9-"),
        ("torch==2.9", "driver=525,gpu=V100", "docker.io/pytorch/pytorch:2.9.1-cuda12.6-cudnn9-"),
        ("pytorch", "gpu=gfx942", "docker.io/rocm/pytorch:rocm7.2_"),
        ("nvcr.io/nvidia/pytorch", "driver=550,gpu=A100", "nvcr.io/nvidia/pytorch:25.08-py3"),
        ("cuda", "driver=570,gpu=RTX 4090", "docker.io/nvidia/cuda:12.8.1-cudnn-runtime-ubuntu"),
        ("cuda", "driver=535,gpu=A100", "docker.io/nvidia/cuda:13.0.1-cudnn-runtime-ubuntu22.04"),
        ("vllm", "driver=550,gpu=H100", "docker.io/vllm/vllm-openai:v0.12.0"),
        ("tensorflow", "driver=550,gpu=A100", "docker.io/tensorflow/tensorflow:2.20.0-gpu"),
        ("tensorflow", "gpu=none", "docker.io/tensorflow/tensorflow:2.20.0"),
        ("jax", "driver=550,gpu=A100", "nvcr.io/nvidia/jax:25.08-py3"),
        ("rocm", "gpu=gfx942", None),
        ("ghcr.io/me/x", "driver=550,gpu=A100", "ghcr.io/me/x:v1.9"),
        ("me/x", "driver=580,gpu=A100", "docker.io/me/x:v1.10"),
    ],
)
def test_newest_image_that_a_host_runs_is_found_in_the_registry_as_it_is(
    shop: Shop, what: str, host: str, image: str | None
) -> None:
    told = shop.find(what, "--for", host, code=0 if image else 1)["tools"]["image"]
    assert (told["image"] or "").startswith(image or "")
    assert (told["image"] is None) is (image is None)


def test_mirrors_bring_what_is_read_and_sources_are_told_with_the_sizes(shop: Shop) -> None:
    before = shop.registry.asked("GET", "/manifests/")
    told = shop.find("pytorch", "--for", "driver=550,gpu=A100", "--devel")
    found = told["tools"]["image"]
    assert found["tag"] == "2.14.1-cuda12.6-cudnn9-devel"
    assert found["images_read"] == 1
    # The registry counts manifests that it gives; it is spared however near.
    assert shop.registry.asked("GET", "/manifests/") == before
    assert any(mirror.asked("GET", "/manifests/sha256:") for mirror in shop.mirrors)
    manifest, layer = told["artifacts"]
    assert {each["id"] for each in layer["sources"]} >= {"mirror0", "mirror1"}
    assert manifest["digest"] != layer["digest"]
    assert layer["size"] < found["size"]
    # Of layers nobody was asked for a byte.
    assert not any(mirror.asked("GET", layer["digest"]) for mirror in shop.mirrors)


def test_node_is_described_by_its_labels(shop: Shop, tmp_path: Path) -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
        "nvidia.com/gpu.compute.major": "8",
        "nvidia.com/gpu.compute.minor": "0",
        "nvidia.com/gpu.count": "8",
        "nvidia.com/cuda.driver.major": "535",
        "nvidia.com/cuda.driver.minor": "104",
    }
    file = tmp_path / "node.json"
    file.write_text(json.dumps({"kind": "Node", "metadata": {"labels": labels}}))
    words = ",".join(f"{key}={value}" for key, value in labels.items())
    for described in (words, str(file)):
        told = shop.find("pytorch", "--kubernetes", described)["tools"]["image"]
        assert told["tag"] == "2.14.1-cuda12.6-cudnn9-runtime"
    done = shop.run("pytorch", "--kubernetes", "nvidia.com/gpu.count=1")
    assert done.returncode == 2
    assert "do not say the driver" in done.stderr
    assert "whose fault: this command line" in done.stderr


def test_nothing_runs_ends_with_1_and_says_why_in_words(shop: Shop) -> None:
    done = shop.run("pytorch", "--for", "driver=418.40,gpu=V100")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing of docker.io/pytorch/pytorch that was looked at runs here" in done.stdout
    assert "2.7.1-cuda11.8-cudnn9-runtime needs driver >= 450" in " ".join(done.stdout.split())


def test_image_of_an_article_is_answered_by_the_one_that_is_there(shop: Shop) -> None:
    what = "mirrors.tuna.tsinghua.edu.cn/pytorch/cuda:2.9-cuda11.8-ubuntu20.04"
    done = shop.run(what, "--for", "driver=525,gpu=V100")
    said = " ".join(done.stdout.split())
    assert done.returncode == 0, said
    assert "is a mirror of packages, and no registry of images" in said
    assert "no build for CUDA 11.8" in said
    assert "docker.io/pytorch/pytorch:2.9.1-cuda12.6-cudnn9-runtime" in said


def test_private_or_missing_repository_is_told_and_no_mirror_hears_of_it(shop: Shop) -> None:
    told = shop.find("docker.io/me/secret", "--for", "driver=550,gpu=A100", code=1)
    (why,) = told["tools"]["image"]["why"]
    assert why.startswith("docker.io has no me/secret for strangers")
    assert not any(mirror.asked("GET", "me/secret") for mirror in shop.mirrors)
