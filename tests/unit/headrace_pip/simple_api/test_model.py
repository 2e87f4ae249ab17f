"""What both forms of a page share."""

from __future__ import annotations

import pytest

from headrace_pip.simple_api.model import upload_time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.123456Z"),
        ("2024-01-02T03:04:05.6Z", "2024-01-02T03:04:05.600000Z"),
        ("2024-01-02T03:04:05.1234567Z", "2024-01-02T03:04:05.123456Z"),
        ("2024-01-02 03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ("20240102T030405Z", "2024-01-02T03:04:05Z"),
    ],
)
def test_times_are_written_as_every_installer_reads_them(text: str, time: str) -> None:
    assert upload_time(text) == time


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2024-01-02", "2024-01-02T03:04:05", "2024-13-02T03:04:05Z"),
        *("0001-01-01T00:00:00+10:00", "1704164645", 1704164645, None, True, ["2024"]),
    ],
)
def test_what_names_no_moment_is_no_time(text: object) -> None:
    assert upload_time(text) is None
