"""What is said of tools that only a proxy leads: where they are led as they are typed."""

from __future__ import annotations

import pytest

from headrace.cli.explaining import functions


@pytest.mark.parametrize(
    ("files", "here", "said"),
    [
        (["/home/me/.bashrc"], True, "as it is typed into this shell"),
        ([], True, "as it is typed into this shell"),
        (["/home/me/.bashrc"], False, "by /home/me/.bashrc; not in this one"),
        (["/home/me/.bashrc"], None, "in shells that begin now, by /home/me/.bashrc"),
        ([], False, "`headrace on --shell`"),
    ],
)
def test_the_nearest_way_is_said(files: list[str], here: object, said: str) -> None:
    (line,) = functions.lines({"tools": ["crate", "cratex"], "files": files, "here": here})
    assert line.startswith("crate, cratex are led")
    assert ("not in this one" in line) is (here is False and bool(files))
    assert said in line


def test_nothing_is_said_where_there_is_no_such_tool() -> None:
    assert not list(functions.lines({"tools": [], "files": ["/x"], "here": False}))
