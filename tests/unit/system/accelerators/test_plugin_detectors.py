"""Detectors of third parties: they come first, and whatever they do stays in their child."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from headrace.interface.hookspecs import AcceleratorDetector
from headrace.system.accelerators.detection import detect
from headrace.variants.hosts import Accelerator, Host, Situation
from lib.gpu import acme_detectors as acme
from lib.gpu.hosts import Box
from lib.waiting import HANG

TESTS = str(Path(acme.__file__).parents[2])


def closure(name: str) -> AcceleratorDetector:
    """A detector whose function no other process can name."""

    def detect_nothing() -> Sequence[Accelerator]:
        return []

    return AcceleratorDetector(name, detect_nothing, 20.0)


def ask(box: Box, *functions: Callable[[], Sequence[Accelerator]], timeout: float = HANG) -> Host:
    detectors = [AcceleratorDetector(f.__name__, f, timeout) for f in functions]
    return detect(box.see(PYTHONPATH=TESTS), detectors=detectors)


def test_a_third_partys_card_is_found(box: Box) -> None:
    host = ask(box, acme.nothing, acme.two_cards)
    assert [(gpu.maker, gpu.name) for gpu in host.accelerators] == [
        ("acme", "Acme 1"),
        ("acme", "Acme 2"),
    ]
    assert host.tried[:2] == (("nothing", "no GPU"), ("two_cards", "2 GPUs"))
    assert host.situation is Situation.ORDINARY


def test_of_one_maker_the_first_answer_counts(box: Box) -> None:
    host = ask(box, acme.one_card, acme.two_cards)
    assert [gpu.name for gpu in host.accelerators] == ["Acme 3"]


def test_other_makers_are_looked_for_all_the_same(nvml: Box) -> None:
    host = ask(nvml, acme.two_cards)
    assert [gpu.maker for gpu in host.accelerators] == ["acme", "acme", "nvidia", "nvidia"]
    assert host.driver == "580.95.05"


def test_a_third_partys_word_on_nvidia_replaces_ours(nvml: Box) -> None:
    host = ask(nvml, acme.remote_gpu)
    assert [(gpu.name, gpu.capability) for gpu in host.accelerators] == [("H100", (9, 0))]
    assert (host.driver, host.cuda) == ("570.26", (12, 8))


@pytest.mark.parametrize(
    ("name", "said"),
    [("hangs", "no answer within"), ("crashes", "SIGABRT"), ("raises", "no such card"),
     ("lies", "raised")],
)  # fmt: skip
def test_a_detector_that_fails_is_told_and_not_felt(nvml: Box, name: str, said: str) -> None:
    host = ask(nvml, getattr(acme, name), timeout=1.5 if name == "hangs" else HANG)
    assert said in host.tried[0][1]
    assert len(host.accelerators) == 2


def test_a_detector_in_a_closure_is_found_through_its_plugin(box: Box, tmp_path: Path) -> None:
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[headrace]\nacme = acme\n")
    (tmp_path / "acme.py").write_text(Path(acme.__file__).read_text())

    host = detect(box.see(PYTHONPATH=str(tmp_path)), detectors=[closure("acme-closure")])
    assert [gpu.name for gpu in host.accelerators] == ["in a closure"]


def test_a_detector_that_no_child_can_find_is_told(box: Box) -> None:
    host = detect(box.see(), detectors=[closure("nobody")])
    assert "no plugin registers nobody" in host.tried[0][1]
