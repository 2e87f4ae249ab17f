"""`headrace cache` beside a gateway that runs: what it tells, drops and keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lib import wheels

if TYPE_CHECKING:
    from contract.upkeep.conftest import Bench

MORE = [wheels.wheel(f"more{n}", "1.0", size=1_000_000) for n in range(3)]
THING = "thing-1.0-py3-none-any.whl"


@pytest.fixture
def full(bench: Bench) -> Bench:
    """Four files that came, one of them for two tools."""
    bench.world.index.add(*MORE)
    for number, name in enumerate([*(each.name for each in MORE), THING], start=1):
        bench.fetch(name)
        bench.stored(number)
    bench.recorded(4)
    bench.fetch(agent="uv/0.13")
    bench.recorded(5)
    return bench


def files(bench: Bench) -> set[str]:
    return {each["name"] for each in bench.json("cache", "list")["files"]}


@pytest.mark.nightly
def test_files_have_their_names_and_the_tools_that_share_them(full: Bench) -> None:
    rows = {each["name"]: each for each in full.json("cache", "list")["files"]}
    assert rows.keys() == {THING, *(each.name for each in MORE)}
    assert rows[THING]["tools"] == ["pip", "uv"]
    info = full.json("cache")
    assert info["files"] == 4
    assert info["bytes"] == sum(each["size"] for each in rows.values())
    assert info["shared"] == {"files": 1, "bytes": rows[THING]["size"]}
    told = full.ok("cache")
    assert "6.0 MB in 4 files" in told
    assert "1 file came once and went to several tools" in told
    assert THING in full.ok("cache", "list")


def test_what_is_wrong_on_the_disk_is_dropped_and_comes_again(full: Bench) -> None:
    assert "each has the bytes of its digest" in full.ok("cache", "verify")
    (row,) = [each for each in full.json("cache", "list")["files"] if each["name"] == THING]
    (path,) = Path(full.root).rglob(row["digest"].partition(":")[2])
    path.write_bytes(b"x" * row["size"])
    done = full.run("cache", "verify")
    assert done.returncode == 3
    assert f"dropped: {THING}" in done.stdout
    assert not path.exists()
    body = full.fetch()
    assert len(body) == row["size"]
    assert b"x" * 1000 not in body
    full.recorded(6)
    full.stored(4)
    assert len(files(full)) == 4


def test_what_is_pinned_stays_and_the_rest_goes_oldest_first(full: Bench) -> None:
    full.ok("cache", "pin", MORE[0].name)
    would = full.json("cache", "prune", "--to", "4.5MB", "--dry-run")
    assert [each["name"] for each in would["removed"]] == [MORE[1].name, MORE[2].name]
    assert len(files(full)) == 4
    told = full.json("cache", "prune", "--to", "4.5MB")
    assert {each["name"] for each in told["removed"]} == {MORE[1].name, MORE[2].name}
    assert files(full) == {THING, MORE[0].name}
    assert "stay" in full.ok("cache", "clear")
    assert files(full) == {MORE[0].name}
    full.ok("cache", "unpin", "more0*")
    full.ok("cache", "clear")
    assert files(full) == set()
    assert len(full.fetch()) > 3_000_000


@pytest.mark.nightly
def test_a_file_that_nobody_has_is_refused_with_the_one_that_was_meant(full: Bench) -> None:
    done = full.run("cache", "pin", "thing-1.0-py3-none-any.wheel")
    assert done.returncode == 1
    assert f"did you mean '{THING}'" in done.stderr
    assert full.run("cache", "prune", "--to", "much").returncode == 2
    assert full.run("cache", "prune").returncode == 2
    assert len(files(full)) == 4
