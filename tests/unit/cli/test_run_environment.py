"""What tools want of one command's environment comes together in it."""

from __future__ import annotations

import os

import pytest

from headrace.cli.run import _merge


@pytest.mark.parametrize("own", ["", "/own"])
@pytest.mark.parametrize("turned", [False, True])
def test_search_path_has_what_each_tool_adds_where_it_adds_it(own: str, turned: bool) -> None:  # noqa: FBT001 - a table
    wanted = [["/first", own], [own, "/last"]]
    env = {"PYTHONPATH": own, "GONE": "x"}
    for parts in reversed(wanted) if turned else wanted:
        _merge(env, {"PYTHONPATH": os.pathsep.join(filter(None, parts)), "GONE": None, "A": "1"})
    assert set(env["PYTHONPATH"].split(os.pathsep)) == {"/first", "/last", *filter(None, [own])}
    if own:
        assert env["PYTHONPATH"].split(os.pathsep) == ["/first", "/own", "/last"]
    assert "GONE" not in env
    assert env["A"] == "1"
