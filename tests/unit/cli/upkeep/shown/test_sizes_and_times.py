"""Sizes and spans of time as people write them."""

from __future__ import annotations

import pytest

from headrace.cli.upkeep.shown.sizes import size_of
from headrace.cli.upkeep.shown.times import ago, seconds_of
from headrace.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("5GB", 5 * 10**9),
        ("5 gb", 5 * 10**9),
        ("500MB", 500 * 10**6),
        ("1.5GiB", 3 << 29),
        ("2k", 2000),
        ("7 bytes", 7),
        ("1T", 10**12),
    ],
)
def test_a_size_is_what_people_mean(text: str, size: int) -> None:
    assert size_of(text, "--to") == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "5XB", "1e9", "5 i", "9" * 40, "5GB 5", "½GB"])
def test_what_is_no_size_is_the_command_lines_fault(text: str) -> None:
    with pytest.raises(UsageError) as told:
        size_of(text, "--to")
    assert "--to must be a size" in told.value.message


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10min", 600), ("2h", 7200), ("1.5 d", 129600), ("1m", 60)]
)
def test_a_span_of_time_is_what_people_mean(text: str, seconds: float) -> None:
    assert seconds_of(text, "--since") == seconds


@pytest.mark.parametrize("text", ["", "h", "5", "5 years", "-1h", "1h 2m"])
def test_what_is_no_span_is_the_command_lines_fault(text: str) -> None:
    with pytest.raises(UsageError):
        seconds_of(text, "--since")


def test_a_span_is_told_in_its_largest_unit() -> None:
    spans = (0.2, 59, 61, 7200, 200000, -5)
    assert [ago(each) for each in spans] == ["0 s", "59 s", "1 min", "2 h", "2 d", "0 s"]
