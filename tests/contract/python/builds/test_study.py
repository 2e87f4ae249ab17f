"""A slice of the study of builds (`tox -e variants-study`), and what `explain` says beside pip."""

from __future__ import annotations

import itertools
import math
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from variants_study.asked import by_name, pairs
from variants_study.hosts import described, hosts
from variants_study.play import Cell, Outcome, play
from variants_study.stage import Stage

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11),
    reason=lacks("system", "the stand-in wheels are Linux's"),
)

A100 = "driver=550.54.15,gpu=A100"
V100 = "driver=580.95.05,gpu=Tesla V100"
#: By request, because plain pip is asked once for each. All but the H100 were wrong once.
SLICE = {
    "torch>=2.15": (A100, V100),
    "torch torchvision": (V100, "gpu=gfx1100", "driver=580.95.05,gpu=H100"),
    "torch==2.15.0 torchvision": (A100, V100),
    "newlib torchvision": (A100,),
    "-r (torch, --hash=sha256:{hash}) --no-deps": (A100,),
    "--extra-index-url {whl}/cu121 torch==2.4.1": (A100,),
    "torchvision [torch 2.14.1+cu126 is there]": (A100,),
}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, side_by_side=4) as made:
        yield made


def wrong(chosen: Iterable[Cell], stage: Stage) -> list[str]:
    outcomes: list[Outcome] = []
    play(chosen, stage, until=math.inf, note=outcomes.append)
    assert outcomes
    return [f"{o.cell}: {o.wrong}{o.failed}" for o in outcomes if o.wrong or o.failed]


def test_no_request_does_worse_than_with_pip_alone(stage: Stage) -> None:
    chosen = [
        Cell(described(target), by_name(name)) for name, those in SLICE.items() for target in those
    ]
    assert wrong(chosen, stage) == []


@pytest.mark.nightly
def test_explain_names_what_pip_then_takes_of_300_pairs(stage: Stage) -> None:
    """Of each host one request, with whichever specifier."""
    requests = pairs(random.Random(13))
    chosen = (Cell(host, next(requests)) for host in itertools.islice(hosts(13), 300))
    assert wrong(chosen, stage) == []
