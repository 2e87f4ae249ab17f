"""The line at the end of a run, from two answers of /status."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.cli.summary import failures_text, sentence, under_way


def status(
    finished: int = 0, stored: int = 0, size: int = 0, saved: float = 0, **sources: int
) -> dict[str, Any]:
    return {
        "transfers": {
            "finished": finished,
            "from_store": stored,
            "bytes": size,
            "bytes_by_source": sources,
            "saved_seconds": saved,
        },
        "faults_survived": {},
    }


@pytest.mark.parametrize("after", [None, [], {}, {"transfers": 3}, status()])
def test_nothing_is_said_of_nothing(after: object) -> None:
    assert sentence(status(), after, 1.0) == ""


def test_sources_come_by_what_they_gave() -> None:
    after = status(2, 0, 30_000_000, 2.4, origin=1_000_000, near=29_000_000)
    assert sentence(status(), after, 3.14) == (
        "30.0 MB in 2 files from near (29.0 MB), origin (1.0 MB); 3.1 s in all; "
        "about 2.4 s less than from the best single source"
    )


def test_only_what_came_meanwhile_counts() -> None:
    before = status(5, 1, 1_000_000, 9, near=1_000_000)
    after = status(6, 1, 1_500_000, 9, near=1_500_000)
    assert sentence(before, after, 1) == "500.0 kB in 1 file from near (500.0 kB); 1.0 s in all"


def test_counters_of_a_worker_that_was_replaced_begin_anew() -> None:
    before = status(50, 0, 9_000_000, near=9_000_000)
    assert "1 file from near (200 bytes)" in sentence(before, status(1, 0, 200, near=200), 1)


def test_store_and_survived_faults_are_told() -> None:
    after = status(0, 3, 2000)
    after["faults_survived"] = {"far:cut": 2, "near:slow": 1, "near:missing": 5, "near:refused": 1}
    assert sentence(None, after, 1) == (
        "2.0 kB in 3 files from the store (3); 1.0 s in all; "
        "3 requests failed, and another source was asked: far (cut 2), near (refused)"
    )


def test_what_failed_before_is_not_told_again() -> None:
    assert failures_text({"a:cut": 2}, {"a:cut": 3}) == (
        "1 request failed, and another source was asked: a (cut)"
    )
    assert failures_text({"a:cut": 3}, {"a:cut": 3}) == ""
    assert failures_text(None, "nonsense") == ""


def test_many_sources_are_counted() -> None:
    after = status(1, 0, 60, **{f"m{n}": 10 for n in range(6)})
    assert "2 more" in sentence(status(), after, 1)


ONE = {"name": "torch.whl", "size": 900_000_000, "here": 340_000_000, "seconds": 8.0}


def test_what_is_under_way_is_told_as_it_comes_whatever_its_client_was_given() -> None:
    held = {**ONE, "held_back": True, "weak": False}
    weak = {**held, "weak": True}
    status = {"under_way": [{**ONE, "held_back": False, "weak": False}, held, weak]}
    usual = "torch.whl: 340.0 MB of 900.0 MB, 42.5 MB/s"
    checked = f"{usual}; its client gets it when it is checked"
    why = "and till then what two mirrors agree on: the origin does not answer"
    assert under_way(status) == [usual, checked, f"{checked}, {why}"]
    assert under_way(status, held_back=True) == [checked, f"{checked}, {why}"]


@pytest.mark.parametrize("status", [None, {}, {"under_way": None}, {"under_way": [3]}, []])
def test_nothing_under_way_is_nothing_to_tell(status: object) -> None:
    assert under_way(status) == []


def test_download_of_unknown_length_is_told_by_what_came() -> None:
    begun = {"name": "f", "size": None, "here": 2000, "seconds": 0.1, "held_back": False}
    assert under_way({"under_way": [begun]}) == ["f: 2.0 kB"]
