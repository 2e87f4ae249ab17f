"""NVIDIA's grammar of requirements, with the texts of real images, and what is made of them."""

from __future__ import annotations

import json

import pytest

from headrace.variants.hosts import Accelerator, Host
from headrace.variants.tables import load
from headrace_docker.finding.explaining import explain
from headrace_docker.gpu.requirements import Need, failing, need_of

TABLES = load()
#: nvidia/cuda 12.4.1 as it is (NVIDIA's Dockerfiles, 2024).
CUDA_124 = (
    "cuda>=12.4 brand=tesla,driver>=470,driver<471 brand=unknown,driver>=470,driver<471 "
    "brand=nvidia,driver>=470,driver<471 brand=tesla,driver>=525,driver<526"
)


def host(driver: str, cuda: tuple[int, int], *gpus: tuple[str, tuple[int, int]]) -> Host:
    found = tuple(Accelerator("nvidia", name, capability) for name, capability in gpus)
    return Host(found, driver, cuda)


A100 = host("550.54.15", (12, 4), ("NVIDIA A100", (8, 0)))
OLD = host("535.183.01", (12, 2), ("NVIDIA A100", (8, 0)))
R525 = host("525.147.05", (12, 0), ("NVIDIA A100-SXM4-80GB", (8, 0)))
V100 = host("580.95.05", (13, 0), ("Tesla V100", (7, 0)))
RTX5090 = host("580.95.05", (13, 0), ("RTX 5090", (12, 0)))


@pytest.mark.parametrize(
    ("environment", "tag", "cuda", "source"),
    [
        ({"NVIDIA_REQUIRE_CUDA": CUDA_124, "CUDA_VERSION": "12.4.1"}, "x", (12, 4), "CUDA_VERSION"),
        ({"NVIDIA_REQUIRE_CUDA": CUDA_124}, "x", (12, 4), "NVIDIA_REQUIRE_CUDA"),
        # pytorch/pytorch -runtime says nothing in its environment.
        ({"PATH": "/x"}, "2.5.1-cuda12.4-cudnn9-runtime", (12, 4), "the tag"),
        ({}, "2.14.1-cu126", (12, 6), "the tag"),
        ({}, "v1.0-cuda11.8", (11, 8), "the tag"),
        ({"CUDA_VERSION": "13.0.1.012"}, "25.09-py3", (13, 0), "CUDA_VERSION"),
    ],
)
def test_cuda_of_an_image_is_read(
    environment: dict[str, str], tag: str, cuda: tuple[int, int], source: str
) -> None:
    need = need_of(environment, tag)
    assert need is not None
    assert need.cuda == cuda
    assert need.source.startswith(source)


@pytest.mark.parametrize("tag", ["latest", "3.19", "cuda", "ubuntu22.04"])
def test_image_that_does_not_speak_of_cuda_needs_none(tag: str) -> None:
    assert need_of({"PATH": "/bin"}, tag) is None


def test_requirement_that_is_switched_off_does_not_count() -> None:
    environment = {"NVIDIA_REQUIRE_CUDA": "cuda>=99.0", "CUDA_VERSION": "12.4"}
    need = need_of({**environment, "NVIDIA_DISABLE_REQUIRE": "true"}, "x")
    assert need == Need((12, 4), "CUDA_VERSION")


@pytest.mark.parametrize(
    ("text", "where", "wrong"),
    [
        (CUDA_124, A100, ""),
        (CUDA_124, OLD, "cuda>=12.4"),
        ("cuda>=12.4,arch>=9.0", A100, "arch>=9.0"),
        ("cuda>=12.9 driver>=550,driver<551", A100, ""),
        ("driver=550", A100, ""),
        ("driver!=550.54.15", A100, "driver!=550.54.15"),
        ("unheard>=5", A100, ""),
        ("cuda>=12.4", Host(), ""),
        ("", A100, ""),
    ],
)
def test_blank_is_or_and_comma_is_and(text: str, where: Host, wrong: str) -> None:
    assert failing(text, where) == wrong


class Gateway:
    """An image with an environment, as the gateway gives it, and what was asked."""

    def __init__(self, *env: str, tags: tuple[str, ...] = (), architecture: str = "amd64") -> None:
        config = {"architecture": architecture, "os": "linux", "config": {"Env": list(env)}}
        layers = [{"digest": "sha256:l", "size": 3_000_000_000}, {"digest": "sha256:m", "size": 5}]
        manifest = {"schemaVersion": 2, "config": {"digest": "sha256:c"}, "layers": layers}
        self.there: dict[str, object] = {"manifests": manifest, "blobs": config}
        self.there["tags"] = {"tags": list(tags)}
        self.asked: list[str] = []

    def __call__(self, path: str, accept: str) -> bytes | None:
        assert accept
        self.asked.append(path)
        kind = path.partition("?")[0].split("/")[-2]
        return json.dumps(self.there[kind]).encode() if kind in self.there else None


@pytest.mark.parametrize(
    ("env", "tag", "where", "first"),
    [
        (("CUDA_VERSION=12.4.1",), "x", A100, "runs here"),
        (("CUDA_VERSION=13.0.0",), "x", A100, "will not run here: it needs a driver of 580"),
        (("CUDA_VERSION=13.0.0", "_CUDA_COMPAT_PATH=/c"), "x", A100, "may run here"),
        ((f"NVIDIA_REQUIRE_CUDA={CUDA_124}", "CUDA_VERSION=12.4.1"), "x", OLD, "will be refused"),
        ((), "cuda12.4-runtime", Host(), "needs an NVIDIA GPU"),
        ((), "alpine", Host(), "runs here as far as"),
        # A data centre's card has brands of its own in what the image demands, as for `image find`.
        ((f"NVIDIA_REQUIRE_CUDA={CUDA_124}", "_CUDA_COMPAT_PATH=/c"), "x", R525, "runs here"),
    ],
)
def test_verdict_comes_first_with_its_reason(
    env: tuple[str, ...], tag: str, where: Host, first: str
) -> None:
    gateway = Gateway(*env)
    (said,) = explain(f"org/x:{tag}", where, gateway)
    assert said.lines[0].startswith(first), said.lines
    assert any("3.00 GB in 2 layers" in line for line in said.lines)
    # No layer was asked for.
    assert not [path for path in gateway.asked if "sha256:l" in path or "sha256:m" in path]


def test_image_for_another_machine_is_said_to_be_so() -> None:
    (said,) = explain("org/x:y", Host(machine="aarch64"), Gateway())
    assert said.lines == ("will not run here: it is for linux/amd64, and this is linux/arm64",)
    assert said.answers


def test_name_of_a_family_leads_to_its_images() -> None:
    (said,) = explain("pytorch", Host(), lambda path, accept: None)
    assert not said.answers
    assert "images of pytorch are those of docker.io/pytorch/pytorch" in said.lines
    assert "`headrace image find pytorch` finds the newest that runs here" in said.lines
    (said,) = explain("pytorch/pytorch:no", Host(), lambda path, accept: None)
    assert not any(line.startswith("images of") for line in said.lines)
    (said,) = explain("", Host(), lambda path, accept: None)
    assert said.lines[0].startswith("'' is no image's name")


def test_kernels_that_a_gpu_lacks_are_told() -> None:
    (said,) = explain("x:cuda11.8", RTX5090, Gateway())
    assert any("no code for RTX 5090: that needs CUDA 12.8" in line for line in said.lines)
    (said,) = explain("x:cuda13.0", V100, Gateway())
    assert any("no code for Tesla V100: CUDA 12.9 was the last" in line for line in said.lines)


def test_tags_that_would_fit_are_those_that_differ_in_cuda_alone() -> None:
    tags = (
        *("2.9-cuda12.6-cudnn9-runtime", "2.9-cuda12.8-cudnn9-runtime"),
        *(
            "2.9-cuda13.0-cudnn9-runtime",
            "2.9-cuda12.6-cudnn9-devel",
            "2.8-cuda12.6-cudnn9-runtime",
        ),
    )
    (said,) = explain("pytorch/pytorch:2.9-cuda13.0-cudnn9-runtime", A100, Gateway(tags=tags))
    assert said.table["fitting_tags"] == [
        "2.9-cuda12.8-cudnn9-runtime",
        "2.9-cuda12.6-cudnn9-runtime",
    ]


def test_image_that_nobody_may_see_is_said_to_be_so() -> None:
    for name in ("org/secret:1", "registry.invalid/x/y:1", "not an image"):
        (said,) = explain(name, A100, lambda *_: None)
        assert not said.answers
        assert "for strangers" in said.lines[0] or "no image's name" in said.lines[0]
