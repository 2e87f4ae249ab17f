"""Capabilities by name, for GPUs that could be named and not asked."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from headrace.variants.compatibility.gpu_names import capability_of, with_capabilities
from headrace.variants.hosts import Accelerator, Host, Situation, VariantRequest
from headrace.variants.pages import serve
from lib.gpu.variant_listing import TABLES, listing

NAMES = tomllib.loads(Path(__file__).with_name("gpu_names.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", [name for names in NAMES.values() for name in names])
def test_a_name_tells_what_a_gpu_is_capable_of(name: str) -> None:
    (told,) = (each for each, names in NAMES.items() if name in names)
    found = capability_of(name, TABLES)
    assert ("unknown" if found is None else f"{found[0]}.{found[1]}") == told


def test_every_name_of_the_table_is_known_by_itself() -> None:
    for name, capability in TABLES.gpus.items():
        assert capability_of(f"NVIDIA {name}", TABLES) == capability


@pytest.mark.parametrize(
    ("device", "capability"),
    [("1db6", (7, 0)), ("2b85", (12, 0)), ("20b0", (8, 0)), ("2330", (9, 0)), ("2684", (8, 9))],
)
def test_a_number_on_the_bus_tells_it_where_there_is_no_name(
    device: str, capability: tuple[int, int]
) -> None:
    assert capability_of(f"NVIDIA device 0x{device}", TABLES) == capability


def test_no_device_is_of_two_chips() -> None:
    ranges = sorted(TABLES.chips, key=lambda numbers: numbers.start)
    assert all(one.stop <= other.start for one, other in itertools.pairwise(ranges))


def test_what_was_read_stays_and_what_was_not_is_noted() -> None:
    host = Host(
        (
            Accelerator("nvidia", "Tesla V100-SXM2-16GB"),
            Accelerator("nvidia", "Tesla V100-SXM2-16GB"),
            Accelerator("nvidia", "Tesla V100-SXM2-16GB", (9, 9)),
            Accelerator("amd", "Tesla V100"),
            Accelerator("nvidia", "NVIDIA GPU"),
        ),
        "550.54.15",
    )
    filled = with_capabilities(host, TABLES)
    assert [gpu.capability for gpu in filled.accelerators] == [(7, 0), (7, 0), (9, 9), None, None]
    assert filled.notes == ("what Tesla V100-SXM2-16GB is capable of is told by its name: 7.0",)


def test_a_board_is_told_by_its_vendor() -> None:
    orin = Accelerator("nvidia", "Jetson AGX Orin", integrated=True)
    host = Host((orin,), "540.4.0", situation=Situation.TEGRA)
    assert with_capabilities(host, TABLES) == host


@pytest.mark.parametrize(
    ("name", "driver", "build"),
    [
        ("Tesla V100-SXM2-16GB", "580.95.05", "2.14.1+cu126"),
        ("NVIDIA GeForce RTX 5090", "570.124.06", "2.12.1+cu129"),
        ("NVIDIA GeForce RTX 5090", "580.95.05", "2.15.0+cu132"),
    ],
)
def test_a_gpu_that_may_not_be_asked_gets_the_build_of_its_name(
    name: str, driver: str, build: str
) -> None:
    host = Host(
        (Accelerator("nvidia", name),), driver, libc=(2, 36), situation=Situation.UNREADABLE
    )
    arrangement = serve(host, VariantRequest("torch", "3.12"), listing(), TABLES)
    assert arrangement.decision.name == build
    assert f"what {name} is capable of is told by its name" in arrangement.decision.warnings[0]
