"""Hosts that are described, and what the environment decides."""

from __future__ import annotations

import pytest

from headrace.errors import ConfigurationError
from headrace.variants.choose import decide
from headrace.variants.compatibility import properties
from headrace.variants.host_paths import VARIABLES
from headrace.variants.hosts import Accelerator, Host, Situation, VariantRequest
from headrace.variants.target import (
    NOTHING,
    decided,
    override_from,
    parse_target,
    said_in,
)
from lib.gpu.variant_listing import TABLES, listing

FOUND = Host(
    (Accelerator("nvidia", "Tesla V100", (7, 0)),), "550.54.15", machine="aarch64", libc=(2, 36)
)


def target(text: str) -> Host:
    return parse_target(text, TABLES)


def test_a_description_becomes_a_host() -> None:
    host = target("driver=550, gpu=V100, python=3.12")
    assert host.target
    assert (host.driver, host.cuda, host.python) == ("550", None, "3.12")
    assert host.accelerators == (Accelerator("nvidia", "Tesla V100", (7, 0), method="described"),)


@pytest.mark.parametrize(
    ("gpu", "capability"),
    [
        ("7.0", (7, 0)),
        ("sm_86", (8, 6)),
        ("120", (12, 0)),
        ("V100", (7, 0)),
        ("Tesla V100", (7, 0)),
        ("NVIDIA GeForce RTX 4090", (8, 9)),
        ("rtx4090", (8, 9)),
        ("1080ti", (6, 1)),
        ("5090", (12, 0)),
        ("h100", (9, 0)),
        ("NVIDIA A100", (8, 0)),
        ("K80", (3, 7)),
        ("gb10", (12, 1)),
        ("rtx 3060 ti", (8, 6)),
        ("Jetson AGX Orin", (8, 7)),
        # As drivers write it.
        ("NVIDIA A100-SXM4-80GB", (8, 0)),
        ("NVIDIA GeForce RTX 3050 6GB Laptop GPU", (8, 6)),
        ("GRID V100D-8Q", (7, 0)),
    ],
)
def test_a_gpu_may_be_named_or_numbered(gpu: str, capability: tuple[int, int]) -> None:
    (found,) = target(f"driver=550,gpu={gpu}").accelerators
    assert found.capability == capability
    assert found.maker == "nvidia"


@pytest.mark.parametrize("name", sorted(TABLES.gpus))
def test_every_name_of_the_tables_is_found_again(name: str) -> None:
    (found,) = target(f"driver=580,gpu={name}").accelerators
    assert found.capability == TABLES.gpus[name]


def test_other_makers_and_several_gpus() -> None:
    assert target("gpu=gfx1100").accelerators[0].architecture == "gfx1100"
    for name in ("Arc B580", "Arc 140V", "Intel(R) Arc(TM) 140T GPU (16GB)", "Iris Xe", "UHD 770"):
        assert target(f"gpu={name}").accelerators[0].maker == "intel"
    assert target("gpu=Ascend 910B").accelerators[0].maker == "huawei"
    assert len(target("driver=580,gpu=V100,gpu=RTX 5090").accelerators) == 2
    assert target("gpu=none").accelerators == ()


def test_platforms() -> None:
    host = target("cuda=12.8,platform=windows,machine=AMD64")
    assert (host.cuda, host.platform, host.machine) == ((12, 8), "win32", "x86_64")
    assert target("glibc=2.17").libc == (2, 17)
    mac = target("macos=13,machine=arm64")
    assert (mac.platform, mac.os_version, mac.machine) == ("darwin", (13, 0), "aarch64")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("driver", "'driver' is none of driver=…"),
        ("card=V100", "'card=V100' is none of"),
        ("driver=new", "is no driver's version"),
        ("driver=550,gpu=Voodoo", "no GPU is known as 'Voodoo'"),
        ("driver=550,gpu=RTX", "it may be"),
        ("cuda=12", "is no version like 12.8"),
        ("python=three", "is no version of Python"),
        ("platform=plan9", "none of linux, windows, macos"),
        ("gpu=V100", "does not say which driver"),
    ],
)
def test_what_is_wrong_with_a_description_is_said(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        target(text)
    assert complaint in str(caught.value)
    assert "for example driver=550" in str(caught.value)


def test_what_is_wrong_is_said_with_its_place() -> None:
    """In the settings it is the file and its key, also of what decides by a variable's name."""
    for env, target, name in (
        ({}, "driver=new", "/etc/x/config.toml: target = 'driver=new': "),
        ({"HEADRACE_TARGET": "gpu=V100"}, "driver=new", "HEADRACE_TARGET = 'gpu=V100': "),
        ({"HEADRACE_CUDA": "new"}, "", "HEADRACE_CUDA = 'new': "),
    ):
        places = said_in(env, "/etc/x/config.toml")
        with pytest.raises(ConfigurationError) as caught:
            override_from(decided(env, "auto", target), Host(), TABLES, places)
        assert str(caught.value).startswith(name)
    told = override_from(decided({}, "cu126", ""), FOUND, TABLES, said_in({}, "config.toml"))
    assert told.source == "config.toml: variants"
    with pytest.raises(ConfigurationError, match=r"^--for = "):
        parse_target("driver=new", TABLES, where="--for")


def test_what_a_description_leaves_out_is_as_it_was_found() -> None:
    host = parse_target("gpu=A100", TABLES, FOUND)
    assert (host.driver, host.machine, host.libc) == ("550.54.15", "aarch64", (2, 36))
    only_python = parse_target("python=3.10", TABLES, FOUND)
    assert only_python.accelerators == FOUND.accelerators
    assert not only_python.target
    elsewhere = parse_target("platform=windows", TABLES, FOUND)
    assert elsewhere.libc is None


# ---------------------------------------------------------------- the environment


def override(environment: dict[str, str], found: Host = FOUND) -> tuple[str, Host | None, str]:
    read = override_from(environment, found, TABLES)
    return read.build, read.host, read.source


def test_an_empty_environment_decides_nothing() -> None:
    assert override_from({}, FOUND, TABLES) == NOTHING
    assert override_from(dict.fromkeys(VARIABLES, " "), Host(), TABLES) == NOTHING


@pytest.mark.parametrize("build", ["cu126", "cpu", "rocm7.2", "xpu", "off"])
def test_a_build_may_be_named(build: str) -> None:
    assert override({"HEADRACE_CUDA": build}) == (build, None, "HEADRACE_CUDA")


def test_the_first_variable_wins_and_auto_is_as_if_nothing_was_said() -> None:
    both = {"HEADRACE_CUDA": "cpu", "UV_TORCH_BACKEND": "cu126", "HEADRACE_TARGET": "gpu=none"}
    assert override(both)[0] == "cpu"
    assert override({**both, "HEADRACE_CUDA": "auto"})[2] == "HEADRACE_TARGET"
    auto = {"HEADRACE_CUDA": "auto", "UV_TORCH_BACKEND": "cu126"}
    assert override_from(auto, FOUND, TABLES) == NOTHING
    assert override({"UV_TORCH_BACKEND": "cu126"})[::2] == ("cu126", "UV_TORCH_BACKEND")
    for theirs in ("auto", "a-label-of-tomorrow"):
        assert override_from({"UV_TORCH_BACKEND": theirs}, FOUND, TABLES) == NOTHING


def test_a_build_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="it is no cuNNN"):
        override({"HEADRACE_CUDA": "newest"})


def test_a_target_is_decided_for_wherever_one_is() -> None:
    login = Host(situation=Situation.LOGIN_NODE, libc=(2, 28))
    found = override_from({"HEADRACE_TARGET": "driver=535,gpu=A100"}, login, TABLES)
    decision = decide(login, VariantRequest("torch", "3.12"), listing(), TABLES, found)
    assert decision.name == "2.14.1+cu126"
    assert decision.reason.startswith("torch 2.14.1+cu126: driver 535 = CUDA 12.2")


# ---------------------------------------------------------------- the drafts' own words


def test_a_host_in_the_words_of_the_drafts() -> None:
    told = properties.properties(target("driver=550,gpu=V100,gpu=RTX 5090"), TABLES)
    assert {namespace for namespace, _, _ in told} == {"nvidia"}
    lower = [value for _, feature, value in told if feature == "cuda_version_lower_bound"]
    assert lower[:6] == ["12.4", "12.3", "12.2", "12.1", "12.0", "12"]
    assert "12.5" not in lower
    upper = [value for _, feature, value in told if feature == "cuda_version_upper_bound"]
    assert upper[:2] == ["12.5", "12.6"]
    assert "13" in upper
    assert "12.4" not in upper
    arch = [value for _, feature, value in told if feature == "sm_arch"]
    assert arch == ["120_real", "120_virtual", "70_real", "70_virtual"]


def test_without_a_gpu_there_is_nothing_to_tell() -> None:
    assert properties.properties(Host(), TABLES) == ()
