"""What is frozen on one host, and installed through headrace on others that choose otherwise."""

from __future__ import annotations

import json
import sys

import pytest

from headrace.interface.hookspecs import GatewayAddress
from headrace.variants.host_paths import base_of
from lib.capabilities import lacks
from lib.clients import Pip
from lib.gpu.torch_family import Family, family
from lib.world import MakeWorld, World

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11),
    reason=lacks("system", "Linux alone tells what the client of a connection asks for"),
)

A100 = "driver=550.54.15,gpu=A100"
H100 = "driver=580.95.05,gpu=H100"
RTX5090 = "driver=580.95.05,gpu=RTX 5090"
NONE = "gpu=none"


@pytest.fixture
def made(world: MakeWorld) -> World:
    return world()


@pytest.fixture
def variants(made: World) -> Family:
    found = family(made.index)
    made.named["pytorch"] = found.mount(made.pages, made.files)
    return found


def on(made: World, pip: Pip, host: str) -> None:
    """Let pip ask the gateway for a host as it is described."""
    address = GatewayAddress(
        "127.0.0.1", made.gateway.port, base=base_of({"HEADRACE_TARGET": host})
    )
    pip.point_at(address.url(f"{address.base}/simple/"))


def installed(pip: Pip) -> dict[str, str]:
    lines = pip.run("list", "--format", "json").ok().out
    return {each["name"]: each["version"] for each in json.loads(lines)}


def test_what_was_frozen_on_one_host_installs_on_every_other(
    made: World, variants: Family, newest: Pip
) -> None:
    on(made, newest, A100)
    newest.install("torch", "torchvision").ok()
    frozen = newest.run("freeze").ok().out
    assert "torch==2.14.1+cu126\n" in frozen
    file = newest.environment.write("frozen.txt", frozen)
    there = installed(newest)
    assert variants.files["cu126"]
    for host, why in ((H100, ""), (NONE, ""), (RTX5090, "torch 2.14.1+cu126 has no kernels for")):
        on(made, newest, host)
        result = newest.install("--force-reinstall", "-r", str(file)).ok()
        assert installed(newest) == there, host
        assert ("yanked" in result.out + result.err) is bool(why), host
        assert why in result.out + result.err


def test_a_pinned_build_brings_its_family_whatever_the_host_would_choose(
    made: World, variants: Family, newest: Pip
) -> None:
    on(made, newest, H100)
    limits = newest.environment.write("limits.txt", "torch==2.14.1+cu126\n")
    for words in (
        ("torch==2.14.1+cu126", "torchvision"),
        ("-c", str(limits), "torch", "torchvision"),
    ):
        newest.install("--force-reinstall", *words).ok()
        there = installed(newest)
        assert there["torch"] == "2.14.1+cu126", words
        assert there["torchvision"].endswith("+cu126"), words
    built = next(each for each in variants.files["cu126"] if each.name.startswith("torch-2.14.1"))
    line = f"torch==2.14.1+cu126 --hash=sha256:{built.sha256}\n"
    file = newest.environment.write("locked.txt", line)
    newest.install("--force-reinstall", "--no-deps", "-r", str(file)).ok()


def test_build_that_no_index_lists_ends_as_it_does_without_us(
    made: World, variants: Family, newest: Pip
) -> None:
    on(made, newest, H100)
    assert variants.files
    result = newest.install("torch==2.14.1+cu199").failed()
    assert "No matching distribution found for torch==2.14.1+cu199" in result.out + result.err
    (said,) = [e["reason"] for e in made.gateway.status()["builds"] if e["project"] == "torch"]
    assert "no build cu199 is listed" in said
