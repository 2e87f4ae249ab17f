"""The ``[fleet]`` table that `headrace on --fleet` writes into the user's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.upkeep.settings.text import with_fleet, without_fleet
from headrace.errors import ConfigurationError

PATH = Path("config.toml")
FIELDS = {"url": "https://headrace.lab.example", "token_file": "/home/me/lab token"}

BEFORE = [
    b"",
    b"port = 17000\n",
    b"# mine\nport = 17000 # really\n\n[[mirror]]\nid = 'x'\nurl = 'https://x.example'\n",
    b"port = 17000",
    b"\xef\xbb\xbfport = 17000\r\n",
    b"port = 17000\n\n\n",
]


@pytest.mark.parametrize("before", BEFORE)
def test_what_is_put_in_is_taken_out_byte_for_byte(before: bytes) -> None:
    there = with_fleet(before, FIELDS, PATH)
    assert b"written by `headrace on --fleet`" in there
    assert with_fleet(there, FIELDS, PATH) == there
    other = with_fleet(there, {"url": "https://other.example"}, PATH)
    assert b"lab token" not in other
    after = without_fleet(other, PATH)
    assert after == before or after == before + (b"" if before.endswith(b"\n") else b"\n")


def test_what_was_written_behind_it_stays() -> None:
    there = with_fleet(b"port = 1\n", FIELDS, PATH) + b"\n[[mirror]]\nid = 'x'\n"
    assert without_fleet(there, PATH) == b"port = 1\n\n[[mirror]]\nid = 'x'\n"


def test_a_table_of_the_users_own_is_left_alone() -> None:
    mine = b"[fleet]\nurl = 'https://mine.example'\n"
    assert without_fleet(mine, PATH) == mine
    with pytest.raises(ConfigurationError) as caught:
        with_fleet(mine, FIELDS, PATH)
    assert caught.value.reference == "fleet-is-yours"
    assert with_fleet(mine, {"url": "https://mine.example"}, PATH) == mine


def test_one_that_was_changed_by_hand_is_not_taken_apart() -> None:
    there = with_fleet(b"", FIELDS, PATH).replace(b"[fleet]\n", b"[fleet]\n# why\n")
    with pytest.raises(ConfigurationError) as caught:
        without_fleet(there, PATH)
    assert caught.value.reference == "not-edited"


def test_a_file_that_is_no_toml_is_left_alone_where_nothing_of_ours_is_in_it() -> None:
    assert without_fleet(b"port = \n", PATH) == b"port = \n"
