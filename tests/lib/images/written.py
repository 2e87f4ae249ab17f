"""Every kind of folder that ``headrace image write`` may make, by base and wishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from headrace_docker.writing.wishes import EngineHere, Wishes, WrittenImage

__all__ = ["BASES", "beside", "every", "wished"]

DIGEST = "sha256:" + "5e" * 32


def _found(family: str, repository: str, tag: str, **others: Any) -> WrittenImage:
    plain = WrittenImage(
        family=family,
        repository=repository,
        tag=tag,
        digest=DIGEST,
        pinned=f"{repository}@{DIGEST}",
        cuda=None,
        rocm="",
        torch="",
        machine="x86_64",
        gpus=True,
        name="lab",
        wishes=Wishes(),
    )
    return replace(plain, **others)


#: By the maker of their GPUs, where they have some.
BASES = {
    "nvidia": _found(
        *("pytorch", "docker.io/pytorch/pytorch", "2.15.0-cuda13.2-cudnn9-runtime"),
        cuda=(13, 2),
        torch="2.15.0",
    ),
    "ngc": _found("ngc-pytorch", "nvcr.io/nvidia/pytorch", "26.05-py3", cuda=(13, 2)),
    "rocky": _found(
        *("cuda", "docker.io/nvidia/cuda", "13.0.1-base-rockylinux9"),
        cuda=(13, 0),
        packages="dnf",
        machine="aarch64",
    ),
    "amd": _found(
        "pytorch",
        "docker.io/rocm/pytorch",
        "rocm7.1_ubuntu24.04_py3.12_pytorch_release_2.8.0",
        rocm="7.1",
    ),
    "intel": _found("pytorch", "docker.io/intel/intel-extension-for-pytorch", "2.8.10-xpu"),
    "none": _found("tensorflow", "docker.io/tensorflow/tensorflow", "2.20.0", gpus=False),
}


def wished(base: str = "nvidia", /, **wishes: Any) -> WrittenImage:
    """Give one of them."""
    made = replace(Wishes(), **wishes)
    engine = "docker" if made.engine_file == "Dockerfile" else "podman"
    return replace(BASES[base], wishes=made, engine=EngineHere(engine))


def every() -> Iterator[WrittenImage]:
    """Give every combination of bases and wishes."""
    switches = product((False, True), repeat=4)
    forms = product(("text", "json"), ("Dockerfile", "Containerfile"))
    for base, (jupyter, ssh, science, slim), (logs, file) in product(BASES, switches, list(forms)):
        yield wished(
            base,
            jupyter=jupyter,
            ssh=ssh,
            science=science,
            slim=slim,
            logs=logs,
            engine_file=file,
        )


def beside() -> Iterator[WrittenImage]:
    """Give those of them of which a file beside the engine's may differ."""
    for base, jupyter, ssh in product(BASES, (False, True), (False, True)):
        yield wished(base, jupyter=jupyter, ssh=ssh)
    yield wished(jupyter=True, ssh=True, logs="json", engine_file="Containerfile")
    yield wished("none", logs="json", engine_file="Containerfile")
