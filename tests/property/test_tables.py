"""Laws of tables: every name that was written is found with what was said first of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.interface.lookups import Entry
from headrace.models import Digest
from headrace.system.storage import tables

law = settings(deadline=None, max_examples=50)

digests = st.binary(min_size=32, max_size=32).map(lambda raw: Digest("sha256", raw.hex()))
entries = st.builds(
    Entry,
    digest=st.none() | digests.filter(lambda digest: set(digest.value) != {"0"}),
    size=st.none() | st.integers(0, 2**63 - 1),
)
names = st.text(st.characters(), max_size=12)


@law
@given(st.lists(st.tuples(names, entries), max_size=60), st.lists(names, max_size=5))
def test_every_name_is_found_and_no_other(rows: list[tuple[str, Entry]], others: list[str]) -> None:
    first: dict[str, Entry] = {}
    for name, entry in rows:
        first.setdefault(name, entry)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.table"
        assert tables.write(path, rows) == len(first)
        assert tables.usable(path)
        for name in [*first, *others]:
            assert tables.find(path, name) == first.get(name)


@law
@given(st.lists(st.tuples(names, entries), min_size=1, max_size=9), st.data())
def test_a_table_that_was_cut_says_nothing(
    rows: list[tuple[str, Entry]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.table"
        tables.write(path, rows)
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        assert not tables.usable(path)
        assert all(tables.find(path, name) is None for name, _ in rows)
