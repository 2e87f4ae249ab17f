"""Labels that no table has: which of them are worth a question."""

from __future__ import annotations

import pytest

from headrace.variants.builds import Candidate
from headrace.variants.compatibility.newer_labels import named_label, next_labels
from headrace.variants.hosts import Accelerator, Host
from lib.gpu.variant_listing import TABLES, listing

NVIDIA = (Accelerator("nvidia", "NVIDIA GeForce RTX 5090", (12, 0)),)
AMD = (Accelerator("amd", "gfx1201", architecture="gfx1201"),)
NEW = [Candidate("torch", "2.16.0")]


@pytest.mark.parametrize(
    ("host", "labels"),
    [
        (Host(NVIDIA, "620.70.06"), ["cu135", "cu134", "cu133"]),
        (Host(NVIDIA, "580.95.05"), ["cu135", "cu134", "cu133"]),
        (Host(NVIDIA, "640.10", (13, 7)), ["cu137", "cu135", "cu134", "cu133"]),
        (Host(NVIDIA, "700.10", (14, 0)), ["cu140", "cu135", "cu134", "cu133"]),
        (Host(NVIDIA, "550.54.15"), []),
        (Host(AMD), ["rocm7.16", "rocm7.15"]),
        (Host(), []),
    ],
)
def test_labels_after_the_known_ones_are_told_by_number(host: Host, labels: list[str]) -> None:
    assert next_labels(host, NEW, listing(), TABLES) == labels


@pytest.mark.parametrize("version", ["2.15.0", "2.15.3", "2.7.1"])
def test_nobody_is_asked_while_the_tables_know_every_release(version: str) -> None:
    listed = [Candidate("torch", version), Candidate("torchvision", "9.0")]
    assert next_labels(Host(NVIDIA, "620.70.06"), listed, listing(), TABLES) == []


@pytest.mark.parametrize(
    ("build", "label"),
    [
        ("cu134", "cu134"),
        ("cu140", "cu140"),
        ("rocm7.15", "rocm7.15"),
        ("cu126", ""),
        ("cpu", ""),
        ("xpu", ""),
        ("off", ""),
        ("", ""),
    ],
)
def test_a_named_label_that_nothing_known_has_is_asked_for(build: str, label: str) -> None:
    assert named_label(build, listing()) == label
