"""Laws of flat repodata: whatever its spelling, it names what any JSON parser reads in it."""

from __future__ import annotations

import bz2
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.interface.lookups import Entry
from headrace.models import Digest
from headrace_conda.channels import repodata

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

law = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])

#: What could be taken for the end of a record, of a string or of a name.
texts = st.one_of(
    st.text(st.sampled_from('{}[]",:\\ ab\n\té'), max_size=12),
    st.sampled_from(['"sha256": "', '.conda": {', "},", '}},"', "sha256", "size", "\\", '\\"}']),
    st.text(max_size=8),
)
names = st.one_of(
    st.from_regex(r"[a-z]{1,8}-[0-9]\.[0-9]-h[0-9a-f]{3}_0\.(conda|tar\.bz2)", fullmatch=True),
    texts.map(lambda text: f"{text}-1.0-0.conda"),
)
hexes = st.text("0123456789abcdefABCDEF", min_size=64, max_size=64)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    record: dict[str, Any] = draw(
        st.dictionaries(
            texts | st.sampled_from(["depends", "license", "extra"]), values, max_size=4
        )
    )
    if draw(st.booleans()):
        record["sha256"] = draw(hexes | values)
    if draw(st.booleans()):
        record["size"] = draw(st.integers(0, 2**40) | values)
    if draw(st.booleans()):
        record["nested"] = {"sha256": draw(hexes), "size": 1}
    keys = draw(st.permutations(list(record)))
    return {key: record[key] for key in keys}


@st.composite
def pages(draw: st.DrawFn) -> dict[str, Any]:
    packages = draw(st.dictionaries(names, records(), max_size=4))
    conda = draw(st.dictionaries(names, records(), max_size=4))
    page: dict[str, Any] = {
        "info": draw(st.fixed_dictionaries({}, optional={"base_url": texts, "subdir": texts})),
        "packages": packages,
        "packages.conda": conda,
        "removed": draw(st.lists(names | values, max_size=3)),
        "repodata_version": draw(st.integers(-10, 10**6)),
        "signatures": {name: {"key": {"signature": "0" * 64}} for name in [*packages, *conda]},
        **draw(st.dictionaries(texts, values, max_size=2)),
    }
    return {key: page[key] for key in draw(st.permutations(list(page)))}


@st.composite
def spelled(draw: st.DrawFn) -> bytes:
    text = json.dumps(
        draw(pages()),
        indent=draw(st.sampled_from([None, 0, 1, 4, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n", " :\t")])),
        ensure_ascii=draw(st.booleans()),
    )
    space = st.text(" \t\r\n", max_size=4)
    return f"{draw(space)}{text}{draw(space)}".encode("utf-8", "surrogatepass")


def in_parts(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def expected(data: bytes) -> list[tuple[str, Entry]]:
    found = []
    for table, members in json.loads(data).items():
        for name, record in members.items() if table in ("packages", "packages.conda") else ():
            digest, size = record.get("sha256"), record.get("size")
            try:
                known = Digest("sha256", digest.lower()) if isinstance(digest, str) else None
            except ValueError:
                known = None
            right = isinstance(size, int) and not isinstance(size, bool) and size >= 0
            found.append((name, Entry(known, size if right else None)))
    return found


@law
@given(spelled(), st.integers(1, 200) | st.just(1 << 20))
def test_flat_repodata_names_what_json_says_however_it_is_spelled(data: bytes, size: int) -> None:
    assert list(repodata.flat_entries(in_parts(data, size))) == expected(data)


@law
@given(spelled())
def test_where_packages_are_is_heard_wherever_it_stands(data: bytes) -> None:
    heard: list[str] = []
    for _ in repodata.flat_entries([data], heard.append):
        pass
    base = json.loads(data)["info"].get("base_url")
    assert heard == ([] if base is None else [base])


PAGE = json.dumps(
    {
        "info": {"subdir": "linux-64", "n": [1, 2.5, {"a": "}"}]},
        "packages": {"a-1-0.tar.bz2": {"md5": "0" * 32, "size": 12, "é": '\\}"é'}},
        "packages.conda": {
            "b-1-0.conda": {"sha256": "a" * 64, "size": 7, "license": "},{"},
            "ü-1-0.conda": {"x": {"sha256": "b" * 64}, "sha256": "c" * 64},
        },
        "removed": ["c-1-0.conda", 12],
        "repodata_version": 1,
    },
    ensure_ascii=False,
).encode()


def test_a_cut_between_parts_may_be_anywhere() -> None:
    for at in range(len(PAGE) + 1):
        parts = [PAGE[:at], PAGE[at:]]
        assert list(repodata.flat_entries(parts)) == expected(PAGE), at


def test_an_early_end_is_an_error_wherever_it_is() -> None:
    for at in range(len(PAGE)):
        with pytest.raises(ValueError):
            list(repodata.flat_entries([PAGE[:at]]))


@law
@given(st.binary(max_size=200) | st.text(st.sampled_from('{}[]",:\\1a '), max_size=60))
def test_no_bytes_do_worse_than_a_value_error(data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    for body in (raw, b'{"packages":' + raw, b'{"packages":{"a":' + raw):
        try:
            list(repodata.flat_entries([body]))
        except ValueError:
            continue


@law
@given(
    st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    st.sampled_from([repodata.ZSTD, repodata.BZIP2]),
    st.integers(1, 500),
)
def test_packed_streams_come_out_whole_in_any_parts_and_frames(
    frames: list[bytes], kind: bytes, size: int
) -> None:
    pack = zstd.compress if kind == repodata.ZSTD else bz2.compress
    packed = b"".join(pack(frame) for frame in frames)
    assert b"".join(repodata.unpacked(in_parts(packed, size), kind)) == b"".join(frames)


@law
@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_packed_stream_that_is_cut_is_an_error(plain: bytes, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([repodata.ZSTD, repodata.BZIP2]))
    packed = zstd.compress(plain) if kind == repodata.ZSTD else bz2.compress(plain)
    at = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(ValueError):
        list(repodata.unpacked([packed[:at]], kind))
