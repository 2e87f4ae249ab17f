"""What macOS and Windows print, as written down of them; neither was run."""

from __future__ import annotations

import json

import pytest

from headrace.ownership import other_systems
from headrace.ownership.listeners import Listeners

#: macOS 12, without the last columns: one is the process's number.
MONTEREY = """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address  Foreign Address  (state)  rhiwat shiwat  pid  epid state
tcp4  0  0  127.0.0.1.17223  127.0.0.1.50710  ESTABLISHED 408300 146988  811  0
tcp4  0  0  127.0.0.1.17223  *.*  LISTEN  131072 131072  812  0
tcp6  0  0  ::1.17223  *.*  LISTEN  131072 131072  813  0
tcp46  0  0  *.17223  *.*  LISTEN  131072 131072  814  0
tcp4  0  0  192.168.1.7.17223  *.*  LISTEN  131072 131072  815  0
tcp4  0  0  127.0.0.1.17224  *.*  LISTEN  131072 131072  816  0
"""
#: macOS 15: its name before it.
SEQUOIA = """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q Local Address Foreign Address (state) rxbytes txbytes rhiwat shiwat process:pid
tcp4  0  0  127.0.0.1.17223  *.*  LISTEN  0  0  131072  131072  python3.12:9012  00100
"""


def test_macos_names_the_process_of_each_listener() -> None:
    assert other_systems.netstat_pids(MONTEREY, "127.0.0.1", 17223) == frozenset((812, 814))
    assert other_systems.netstat_pids(MONTEREY, "::1", 17223) == frozenset((813, 814))
    assert other_systems.netstat_pids(MONTEREY, "127.0.0.1", 1) == frozenset()
    assert other_systems.netstat_pids(SEQUOIA, "127.0.0.1", 17223) == frozenset((9012,))


@pytest.mark.parametrize(
    "text",
    [
        *("", "no table", MONTEREY.replace("pid", "x"), SEQUOIA.replace(":9012", ":x")),
        # What Unicode has beside digits is no number, nor are thousands of digits.
        *(SEQUOIA.replace("9012", "\u00b2"), SEQUOIA.replace("9012", "9" * 5000)),
    ],
)
def test_where_macos_does_not_tell_nothing_is_known(text: str) -> None:
    assert other_systems.netstat_pids(text, "127.0.0.1", 17223) is None


def test_macos_names_the_processes_users() -> None:
    assert other_systems.ps_users("  501\n    0\n", 2) == frozenset(("501", "0"))
    assert other_systems.ps_users("  501\n", 2) is None
    assert other_systems.ps_users("ps: no such process\n", 3) is None
    assert other_systems.ps_users("\u00b2\n", 1) is None


def windows(*rows: dict[str, object], one: bool = False) -> str:
    listed: object = rows[0] if one else list(rows)
    return json.dumps({"me": "S-1-5-21-7-1001", "listeners": listed})


MINE = {"address": "127.0.0.1", "pid": 7, "sid": "S-1-5-21-7-1001", "user": "alice"}
BOBS = {"address": "0.0.0.0", "pid": 8, "sid": "S-1-5-21-7-1002", "user": "bob"}
UNKNOWN = {"address": "127.0.0.1", "pid": 9, "sid": None, "user": None}


def test_windows_names_the_owners() -> None:
    told = other_systems.windows_owners(windows(MINE, BOBS, UNKNOWN), "127.0.0.1")
    assert told == {
        "me": "alice",
        "S-1-5-21-7-1002": "bob",
        "process 9": "another user (process 9)",
    }
    ordered = sorted(told.items())
    found = Listeners(frozenset(told), tuple(name for _, name in ordered))
    assert set(found.strangers(())) == {"bob", "another user (process 9)"}
    assert other_systems.windows_owners(windows(MINE, one=True), "127.0.0.1") == {"me": "alice"}
    assert other_systems.windows_owners(windows(BOBS | {"address": "10.0.0.1"}), "127.0.0.1") == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"me": 1, "listeners": []}', "[" * 9000])
def test_what_windows_did_not_print_is_nothing(text: str) -> None:
    assert other_systems.windows_owners(text, "127.0.0.1") is None
    assert other_systems.windows_people(text) is None


def test_people_of_macos() -> None:
    text = (
        "_mdnsresponder          65\nalice                   501\nbob  502\nnobody -2\n"
        "root 0\n_ondemand 599\nodd \u00b2\nlong " + "9" * 5000 + "\n"
    )
    assert other_systems.dscl_people(text, 501) == ("bob",)


def test_people_of_windows() -> None:
    rows = [
        {"name": "alice", "sid": "S-1-5-21-7-1001"},
        {"name": "Administrator", "sid": "S-1-5-21-7-500"},
        {"name": "bob", "sid": "S-1-5-21-7-1002"},
    ]
    text = json.dumps({"me": "S-1-5-21-7-1001", "domain": False, "people": rows})
    assert other_systems.windows_people(text) == (("bob",), False)
