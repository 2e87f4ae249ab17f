"""Capabilities by name, for GPUs that could be named and not asked."""

from __future__ import annotations

import pytest

from headrace.variants.compatibility.gpu_names import capability_of, with_capabilities
from headrace.variants.hosts import Accelerator, Host, Situation
from headrace.variants.pages import serve
from lib.gpu.variant_listing import TABLES, listing


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("Tesla V100-SXM2-16GB", (7, 0)),
        ("Tesla V100-PCIE-32GB", (7, 0)),
        ("NVIDIA TITAN V", (7, 0)),
        ("Tesla P100-PCIE-16GB", (6, 0)),
        ("NVIDIA GeForce GTX 1080", (6, 1)),
        ("NVIDIA GeForce GTX 1080 Ti", (6, 1)),
        ("TITAN Xp", (6, 1)),
        ("Tesla T4", (7, 5)),
        ("NVIDIA T4G", (7, 5)),
        ("Quadro RTX 5000 with Max-Q Design", (7, 5)),
        ("NVIDIA GeForce RTX 2080 Super with Max-Q Design", (7, 5)),
        ("NVIDIA A100-SXM4-80GB", (8, 0)),
        ("NVIDIA A100 80GB PCIe", (8, 0)),
        ("NVIDIA A10", (8, 6)),
        ("NVIDIA RTX A4000 Laptop GPU", (8, 6)),
        ("NVIDIA RTX 5000 Ada Generation", (8, 9)),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", (8, 9)),
        ("NVIDIA L40S", (8, 9)),
        ("NVIDIA H100 80GB HBM3", (9, 0)),
        ("NVIDIA H100 NVL", (9, 0)),
        ("NVIDIA GH200 480GB", (9, 0)),
        ("NVIDIA B200", (10, 0)),
        ("NVIDIA GeForce RTX 5090", (12, 0)),
        ("NVIDIA GeForce RTX 5090 D", (12, 0)),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", (12, 0)),
        # No name of a chip, or of one that is not in the table.
        ("NVIDIA GPU", None),
        ("", None),
        ("NVIDIA device 0x1db6", None),
        ("GRID V100D-8Q", None),
        ("NVIDIA GeForce RTX 6090", None),
        ("NVIDIA GeForce RTX 5090 Ti", None),
        ("NVIDIA RTX 5000 Rubin", None),
        ("NVIDIA A1000", None),
    ],
)
def test_a_name_tells_what_a_gpu_is_capable_of(
    name: str, capability: tuple[int, int] | None
) -> None:
    assert capability_of(name, TABLES) == capability


def test_every_name_of_the_table_is_known_by_itself() -> None:
    for name, capability in TABLES.gpus.items():
        assert capability_of(f"NVIDIA {name}", TABLES) == capability


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
    arrangement = serve(host, "3.12", listing(), TABLES)
    assert arrangement.decision.name == build
    assert f"what {name} is capable of is told by its name" in arrangement.decision.warnings[0]
