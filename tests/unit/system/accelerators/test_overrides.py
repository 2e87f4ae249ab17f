"""Hosts that the user describes, in the words of tools that are there already."""

from __future__ import annotations

import pytest

from headrace.system.accelerators.detection import detect
from headrace.variants.hosts import Situation
from lib.gpu.hosts import Box

FORCE = "NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION"
SM = "NV_VARIANT_PROVIDER_FORCE_SM_ARCH"


def test_a_described_driver_and_gpu_are_taken_without_a_look(nvml: Box) -> None:
    host = detect(nvml.file("/.dockerenv").see(**{FORCE: "12.8", SM: "9.0"}))
    assert host.target
    assert host.cuda == (12, 8)
    assert [gpu.capability for gpu in host.accelerators] == [(9, 0)]
    assert (host.driver, host.situation, host.method) == (None, Situation.ORDINARY, "override")
    assert host.tried == ((FORCE, "12.8"),)


def test_the_provider_of_variants_comes_first_then_uv_then_conda(box: Box) -> None:
    everything = {
        FORCE: "12.6",
        "UV_CUDA_DRIVER_VERSION": "550.144.03",
        "CONDA_OVERRIDE_CUDA": "13",
    }
    host = detect(box.see(**everything))
    assert (host.cuda, host.driver) == ((12, 6), None)
    del everything[FORCE]
    host = detect(box.see(**everything))
    assert (host.cuda, host.driver) == (None, "550.144.03")
    del everything["UV_CUDA_DRIVER_VERSION"]
    host = detect(box.see(**everything))
    assert host.cuda == (13, 0)
    assert [(gpu.maker, gpu.capability) for gpu in host.accelerators] == [("nvidia", None)]


def test_an_empty_conda_override_hides_the_gpus(nvml: Box) -> None:
    host = detect(nvml.see(CONDA_OVERRIDE_CUDA=""))
    assert (host.target, host.accelerators, host.cuda) == (True, (), None)


@pytest.mark.parametrize("name", [FORCE, "UV_CUDA_DRIVER_VERSION", SM, "CONDA_OVERRIDE_CUDA_ARCH"])
def test_other_empty_overrides_are_none(nvml: Box, name: str) -> None:
    host = detect(nvml.see(**{name: ""}))
    assert not host.target
    assert len(host.accelerators) == 2


def test_a_described_gpu_stands_behind_the_driver_that_was_found(nvml: Box) -> None:
    host = detect(nvml.see(CONDA_OVERRIDE_CUDA_ARCH="8.6=0"))
    assert host.target
    assert (host.driver, host.cuda) == ("580.95.05", (13, 0))
    assert [gpu.capability for gpu in host.accelerators] == [(8, 6)]
    assert [g.capability for g in detect(nvml.see(**{SM: "9.0"})).accelerators] == [(9, 0)]


def test_a_described_amd_gpu_is_one(box: Box) -> None:
    host = detect(box.see(UV_AMD_GPU_ARCHITECTURE="gfx1100"))
    assert [(gpu.maker, gpu.architecture) for gpu in host.accelerators] == [("amd", "gfx1100")]


@pytest.mark.parametrize(
    ("name", "value"),
    [(FORCE, "latest"), (FORCE, "0.0"), ("UV_CUDA_DRIVER_VERSION", "12.x"),
     ("CONDA_OVERRIDE_CUDA", "yes"), ("UV_AMD_GPU_ARCHITECTURE", "navi")],
)  # fmt: skip
def test_an_override_that_makes_no_sense_does_not_count_and_is_told(
    nvml: Box, name: str, value: str
) -> None:
    host = detect(nvml.see(**{name: value}))
    assert not host.target
    assert len(host.accelerators) == 2
    assert any(name in note for note in host.notes)


def test_a_described_host_is_on_this_platform(box: Box) -> None:
    bare = detect(box.see())
    host = detect(box.see(CONDA_OVERRIDE_CUDA="12.4"))
    assert (host.platform, host.machine, host.libc) == (bare.platform, bare.machine, bare.libc)


def test_what_was_found_is_to_be_had_without_what_is_described(nvml: Box) -> None:
    host = detect(nvml.see(CONDA_OVERRIDE_CUDA="12.4", CONDA_OVERRIDE_CUDA_ARCH="9.0"),
                  described=False)  # fmt: skip
    assert not host.target
    assert [gpu.capability for gpu in host.accelerators] == [(7, 0), (12, 0)]
