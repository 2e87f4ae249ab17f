"""Sums of the gateway: nothing is claimed that was not measured."""

from __future__ import annotations

import pytest

from headrace.gateway.activity import Activity, saving
from headrace.models import Artifact, Origin, TransferFinished

ORIGIN = Origin("python", "https://index.example/simple")
FILE = Artifact("python", "/packages/a", "a.whl", "https://index.example/a.whl", ORIGIN)
MB = 1_000_000


def finished(seconds: float, size: int = 30 * MB, **given: int) -> TransferFinished:
    return TransferFinished(FILE, size, seconds, given, {})


@pytest.mark.parametrize(
    ("given", "rates"),
    [
        # Every byte from one source, which was slower yesterday, or had a part on the disk already.
        ({"origin": 30 * MB}, {"origin": 5.0 * MB}),
        ({"origin": 10 * MB}, {"origin": 5.0 * MB}),
        ({"origin": 30 * MB, "far": 0}, {"origin": 5.0 * MB, "far": 1.0 * MB}),
        # Nobody knows what one of them gives by itself.
        ({"origin": 20 * MB, "near": 10 * MB}, {"origin": 5.0 * MB}),
        ({"origin": 20 * MB, "near": 10 * MB}, {}),
        # The rest was on the disk.
        ({"origin": 10 * MB, "near": 10 * MB}, {"origin": 5.0 * MB, "near": 5.0 * MB}),
    ],
)
def test_nothing_is_claimed_where_it_was_not_measured(
    given: dict[str, int], rates: dict[str, float]
) -> None:
    assert saving(finished(3.0, **given), rates) is None


def test_several_measured_sources_saved_what_the_best_alone_would_have_taken_longer() -> None:
    rates = {"origin": 5.0 * MB, "near": 7.5 * MB}
    told = saving(finished(3.0, origin=12 * MB, near=18 * MB), rates)
    assert told is not None
    assert (told.seconds, told.against) == (1.0, "near")


def test_a_better_source_that_took_no_part_counts_as_well() -> None:
    rates = {"origin": 5.0 * MB, "near": 7.5 * MB, "best": 30.0 * MB}
    told = saving(finished(3.0, origin=12 * MB, near=18 * MB), rates)
    assert told is not None
    assert (told.seconds, told.against) == (0.0, "best")


def test_a_file_from_the_origin_alone_adds_nothing_to_the_sum() -> None:
    activity = Activity(rates=lambda _: {"origin": 5.0 * MB})
    activity.observe(finished(3.0, origin=29 * MB))
    assert activity.table()["transfers"]["saved_seconds"] == 0
