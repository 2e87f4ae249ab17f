from __future__ import annotations

import itertools
import random

import pytest

from variants_study import report
from variants_study.asked import ASKED, Asked, by_name, pairs
from variants_study.facts import FACTS
from variants_study.hosts import described, hosts
from variants_study.play import Cell, Outcome, cells
from variants_study.rule import covered, label_of, stack
from variants_study.stage import Listed, Took
from variants_study.verdicts import Verdict, verdicts

A100 = "driver=550.54.15,gpu=A100"
H100 = "driver=580.95.05,gpu=H100"
OLD_AND_NEW = "driver=580.95.05,gpu=GTX 1080 Ti,gpu=RTX 4090"
NONE = "gpu=none"


def listed(*files: str) -> list[Listed]:
    """Make files of ``torch 2.15.0`` or ``torchvision 0.29.0 ==2.14.0``."""
    made = []
    for text in files:
        project, version, *requires = text.split()
        day = FACTS.released[project, version.partition("+")[0]]
        made.append(Listed(project, version, "".join(requires), day))
    return made


EVERY = listed(
    *("torch 2.15.0", "torch 2.15.0+cu130", "torch 2.15.0+cpu"),
    *("torch 2.14.1", "torch 2.14.1+cu126", "torch 2.10.0", "torch 2.10.0+cu126"),
    *("torch 2.7.1", "torch 2.7.1+cu118", "torch 2.7.1+cu128"),
    *("torchvision 0.29.2 >=2.14.0", "torchvision 0.29.1+cu126 >=2.14.0"),
    *("torchvision 0.25.0 ==2.10.0", "torchvision 0.22.1 ==2.7.1"),
)


def took(text: str) -> Took:
    """Read ``torch 2.15.0, torchvision 0.29.2``; empty: pip failed."""
    words = [each.partition(" ")[::2] for each in text.split(", ") if each]
    versions = dict(words)
    urls = {project: f"/{project}-{version}.whl" for project, version in versions.items()}
    return Took(versions, urls, 0 if text else 1, "ERROR: no matching distribution")


@pytest.mark.parametrize(
    ("target", "version", "numbers"),
    [
        (A100, "2.15.0", set()),
        (A100, "2.14.1+cu126", {0}),
        (A100, "2.14.1+cpu", set()),
        (H100, "2.15.0", {0}),
        (OLD_AND_NEW, "2.15.0", {1}),
        (OLD_AND_NEW, "2.14.1+cu126", {0, 1}),
        ("driver=470.256.02,gpu=Tesla K80", "2.7.1+cu118", {0}),
        ("driver=470.256.02,gpu=Tesla K80", "2.7.1", set()),
        ("driver=580.95.05,gpu=RTX 5090", "2.7.1", set()),
        ("driver=580.95.05,gpu=B300", "2.15.0", {0}),
        ("gpu=gfx1100", "2.14.1+rocm7.2", {0}),
        ("gpu=gfx1103", "2.14.1+rocm7.2", set()),
        ("gpu=Intel Arc B580 Graphics", "2.14.1+xpu", {0}),
        (NONE, "2.15.0", set()),
    ],
)
def test_build_covers_what_its_kernels_and_the_driver_are_for(
    target: str, version: str, numbers: set[int]
) -> None:
    assert covered(version, described(target)) == numbers


def test_kinds_of_builds_are_told_apart_by_what_they_load() -> None:
    assert stack(label_of("torch", "2.14.1+cu126")) == stack("cu129") != stack("cu130")
    assert stack(label_of("torch", "2.15.0")) == stack(label_of("torchvision", "0.29.1"))
    assert stack(label_of("torch", "2.15.0+cpu")) != stack("xpu")
    assert not label_of("numpy", "2.0")


RIGHT = [
    ("torch", A100, "torch 2.15.0", "torch 2.14.1+cu126"),
    ("torch", H100, "torch 2.15.0", "torch 2.15.0"),
    ("torch>=2.15", A100, "torch 2.15.0", "torch 2.15.0"),
    ("torch==9.9", A100, "", ""),
    ("torch==2.14.1", OLD_AND_NEW, "torch 2.14.1", "torch 2.14.1+cu126"),
    (
        *("torch torchvision", A100, "torch 2.15.0, torchvision 0.29.2"),
        "torch 2.14.1+cu126, torchvision 0.29.1+cu126",
    ),
    # No torchvision of a stack that runs here is listed for it.
    (
        *("torch==2.10.0 torchvision torchaudio", A100, "torch 2.10.0, torchvision 0.25.0"),
        "torch 2.10.0+cu126, torchvision 0.25.0",
    ),
]
WRONG = [
    ("torch>=2.15", A100, "torch 2.15.0", "", Verdict.REGRESSION),
    ("torch", A100, "torch 2.15.0", "torch 2.15.0", Verdict.WRONG),
    ("torch", A100, "torch 2.15.0", "torch 2.15.0+cpu", Verdict.WRONG),
    ("torch", OLD_AND_NEW, "torch 2.15.0", "torch 2.7.1+cu118", Verdict.EXCHANGED),
    ("torch", H100, "torch 2.15.0", "torch 2.14.1+cu126", Verdict.EXCHANGED),
    ("torch", H100, "torch 2.15.0", "torch 2.14.1", Verdict.EXCHANGED),
    (
        *("torch==2.7.1", "driver=580.95.05,gpu=GTX 1080 Ti,gpu=RTX 4090", "torch 2.7.1"),
        *("torch 2.7.1+cu128", Verdict.EXCHANGED),
    ),
    ("torch", NONE, "torch 2.15.0", "torch 2.15.0+cpu", Verdict.EXCHANGED),
    (
        "torch<2.8",
        "driver=535.183.01,gpu=Tesla T4",
        "torch 2.7.1",
        "torch 2.7.1+cu118",
        "exchanged",
    ),
    (
        *("torch torchvision", A100, "torch 2.15.0, torchvision 0.29.2"),
        *("torch 2.14.1+cu126, torchvision 0.29.2", Verdict.MIXED),
    ),
    (
        *("torchvision [torch 2.14.1+cu126 is there]", A100, "torchvision 0.29.2"),
        *("torchvision 0.29.2", Verdict.MIXED),
    ),
    (
        *("--extra-index-url {whl}/cu118 torch==2.7.1", H100, "torch 2.7.1+cu118"),
        *("torch 2.7.1+cu128", Verdict.OVERRULED),
    ),
]


@pytest.mark.parametrize(("name", "target", "plain", "ours"), RIGHT)
def test_nothing_is_found_where_all_is_well(name: str, target: str, plain: str, ours: str) -> None:
    assert not verdicts(by_name(name), described(target), took(plain), took(ours), EVERY)


@pytest.mark.parametrize(("name", "target", "plain", "ours", "kind"), WRONG)
def test_each_kind_of_mistake_is_found(
    name: str, target: str, plain: str, ours: str, kind: Verdict
) -> None:
    found = verdicts(by_name(name), described(target), took(plain), took(ours), EVERY)
    assert [each for each, _ in found] == [kind]


def test_explain_must_name_the_file_that_pip_takes() -> None:
    asked, host, right = by_name("torch"), described(H100), took("torch 2.15.0")
    for explained, kinds in (
        ("/torch-2.15.0.whl", []),
        ("/torch-2.14.1.whl", [Verdict.ORACLE]),
        ("", [Verdict.ORACLE]),
        (None, []),
    ):
        told = None if explained is None else {"torch": explained}
        found = verdicts(asked, host, right, right, EVERY, explained=told)
        assert [kind for kind, _ in found] == kinds


def test_what_came_after_the_cooldown_is_not_missed() -> None:
    asked, host = by_name("--uploaded-prior-to 2026-10-01 torch"), described(A100)
    came = took("torch 2.14.1+cu126")
    assert not verdicts(asked, host, took("torch 2.14.1"), came, EVERY)
    asked = Asked(asked.words, asked.needs, before="2026-01-01")
    assert not verdicts(asked, host, took("torch 2.7.1"), took("torch 2.7.1"), EVERY)


def test_hosts_and_requests_are_drawn_the_same_from_the_same_seed() -> None:
    drawn = list(itertools.islice(hosts(7), 200))
    assert drawn == list(itertools.islice(hosts(7), 200))
    assert {described(each.target) for each in drawn} == set(drawn)
    assert {gpu.capability for each in drawn for gpu in each.gpus} >= set(FACTS.gpus.values())
    assert cells(7, 9, 3) == cells(7, 9, 3) != cells(8, 9, 3)
    assert len({str(each) for each in itertools.islice(pairs(random.Random(7)), 100)}) > 50


def test_every_request_comes_once_before_one_comes_twice() -> None:
    assert len({str(each) for each in ASKED}) == len(ASKED)
    found = [cell.asked for cell in cells(1, len(ASKED), 1, drawn=0)]
    assert sorted(map(str, found)) == sorted(map(str, ASKED))


def test_table_counts_each_kind_and_tells_examples() -> None:
    cell = Cell(described(A100), by_name("torch>=2.15"))
    bad = Outcome(cell, ((Verdict.REGRESSION, "plain pip takes torch 2.15.0"),))
    written = report.table([bad, Outcome(cell, ()), Outcome(cell, (), failed="KeyError")], 60)
    assert "1 of 3 cells are fine" in written
    assert "| regression | 1 |" in written
    assert "| not told | 1 |" in written
    assert f"- {cell}: plain pip takes torch 2.15.0" in written
