"""The fuzzing run itself: it finds faults that are planted, and its corpus has none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.waiting import HANG

if sys.platform == "win32":
    pytest.skip(
        lacks("system", "CPU seconds are bounded by Unix's timers"), allow_module_level=True
    )

from fuzz import campaign, targets
from fuzz.model import CORPUS, Finding, Target
from fuzz.mutator import Mutator
from fuzz.oracle import Oracle
from fuzz.targets import planted

FAULTY, SLOW, LARGE, DEADLY, _ = planted.TARGETS


@pytest.fixture(autouse=True)
def _import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are processes of their own."""
    here = [str(CORPUS.parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, here)))


def test_what_raises_or_breaks_a_law_is_found_and_made_small(tmp_path: Path) -> None:
    outcome = campaign.run_target(FAULTY, HANG, 3, "plain", most=3000)
    found = {(each.what, each.detail.partition(":")[0]): each for each in outcome.findings}
    assert found.keys() >= {("exception", "IndexError"), ("exception", "KeyError")}
    assert "law" in {what for what, _ in found}
    small = found["exception", "IndexError"]
    assert len(small.data) < 16
    assert small.place.startswith("tests/fuzz/targets/planted.py:")
    path = campaign.write_finding(small, 3, tmp_path)
    assert campaign.read_finding(path) == ("planted", small.data)
    told: list[Finding] = []
    Oracle(FAULTY, planted._faulty, told.append)(small.data)
    assert [each.key for each in told] == [small.key]


@pytest.mark.parametrize(("target", "what"), [(SLOW, "time"), (LARGE, "memory")])
def test_what_costs_more_than_its_length_is_found(target: Target, what: str) -> None:
    outcome = campaign.run_target(target, HANG, 1, "plain", most=40)
    assert [each.what for each in outcome.findings] == [what]


def test_memory_is_found_whatever_the_starter_has() -> None:
    """A worker of a large process is a small one."""
    ballast = bytearray(b"x") * (400 << 20)
    outcome = campaign.run_target(LARGE, HANG, 1, "plain", most=40)
    assert [each.what for each in outcome.findings] == ["memory"]
    del ballast


def test_what_ends_the_process_is_found_with_its_input() -> None:
    outcome = campaign.run_target(DEADLY, HANG, 1, "plain", most=3000)
    crash = next(each for each in outcome.findings if each.what == "crash")
    assert b"(((" in crash.data


def test_one_seed_makes_the_same_inputs() -> None:
    def some(seed: int) -> list[bytes]:
        mutator = Mutator([b"a=1;b=2", b"c"], [b"word"], 100, seed)
        return [mutator.change(b"a=1;b=2") for _ in range(50)]

    assert some(1) == some(1)
    assert some(1) != some(2)


@pytest.mark.parametrize("target", targets.every().values(), ids=lambda target: target.name)
def test_the_corpus_of_a_target_shows_no_fault(target: Target) -> None:
    seeds = target.seeds()
    assert seeds
    told: list[Finding] = []
    with target.open() as run:
        judge = Oracle(target, run, told.append)
        words = {judge(data) for data in seeds}
    assert not told
    # A target that answers one thing to everything reads none of it.
    assert len(words) > 1 or len(seeds) == 1


def test_the_corpus_is_small_and_is_somebodys() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 200_000
    assert {path.parent.name for path in files} == {*targets.every(), FAULTY.name}
