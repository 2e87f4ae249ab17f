"""Retry-After: seconds, dates, and what servers write instead."""

from __future__ import annotations

import pytest

from headrace.http.retry_after import LONGEST, retry_after

#: Sun, 06 Nov 1994 08:49:37 GMT
NOW = 784_111_777.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("00007", 7.0),
        ("3, 9", 9.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun, 06 Nov 1994 09:50:37 +0100", 60.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("99999999999999999999", LONGEST),
        ("Fri, 01 Jan 2100 00:00:00 GMT", LONGEST),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\u00b2", None),
        ("soon", None),
        ("1, soon", None),
    ],
)
def test_time_is_read_as_seconds_from_now(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_none_is_named_without_the_header() -> None:
    assert retry_after({}, NOW) is None


def test_date_is_held_against_the_servers_own_clock() -> None:
    headers = {
        "retry-after": "Sun, 06 Nov 1994 08:50:37 GMT",
        "date": "Sun, 06 Nov 1994 08:50:07 GMT",
    }
    assert retry_after(headers, NOW) == 30.0
    assert retry_after({**headers, "date": "yesterday"}, NOW) == 60.0
