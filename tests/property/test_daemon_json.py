"""daemon.json in any form: one place changes, and is taken out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace_docker.config_files import daemon_json
from headrace_docker.config_files.daemon_json import KEY
from lib.engines.machine import URL, assert_one_place

PATH = Path("/etc/docker/daemon.json")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    table=st.dictionaries(st.text(), values, max_size=4),
    mirrors=st.none()
    | st.lists(st.sampled_from(["https://a.example", "http://b.example/x"]), max_size=3),
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    ascii_only=st.booleans(),
)
def test_any_object_in_any_form_changes_in_one_place(
    table: dict[str, Any], mirrors: list[str] | None, indent: int | str | None, *, ascii_only: bool
) -> None:
    if mirrors is not None:
        table = {**table, KEY: mirrors}
    else:
        table.pop(KEY, None)
    text = json.dumps(table, indent=indent, ensure_ascii=ascii_only)
    if not ascii_only and any("\ud800" <= letter <= "\udfff" for letter in text):
        return
    after = daemon_json.add(text.encode(), URL, PATH).decode()
    assert json.loads(after) == {**table, KEY: [URL, *(mirrors or [])]}
    assert_one_place(text, after)
    clean = json.loads(daemon_json.remove(after.encode(), URL, text.encode(), PATH))
    assert clean == table
