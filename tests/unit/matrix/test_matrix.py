from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lib.clients import Result
from matrix import play, report, stages
from matrix.cells import BAD, SIZES, Cell, cells, told, variants
from matrix.clients import Got
from matrix.faults import AT_FILES, AT_PAGES, LYING
from matrix.stages import Stage

HERE = {"pip": "python", "conda": "conda", "skopeo": "images"}
FAULTS = (*AT_FILES, *AT_PAGES)


def test_one_round_has_every_fault_with_every_client_and_every_size_with_each() -> None:
    found = list(cells(HERE, 1, FAULTS))
    assert {(c.client, c.fault) for c in found} == {(c, f) for c in HERE for f in FAULTS}
    assert {(c.client, c.size) for c in found} == {
        (name, size) for name, kind in HERE.items() for size in SIZES[kind]
    }
    assert {(c.client, c.bad) for c in found} == {(name, bad) for name in HERE for bad in BAD}


def test_all_rounds_are_all_cells_and_none_comes_twice() -> None:
    found = list(cells(HERE, 0, FAULTS))
    assert len(found) == len(set(found))
    assert len(found) == sum(len(variants(e, f)) for e in HERE.values() for f in FAULTS)


def test_origin_is_never_made_to_lie() -> None:
    assert not [c for c in cells(HERE, 0, LYING) if BAD[c.bad][1]]


def test_sizes_are_told_as_they_are_asked_for() -> None:
    assert [told(n) for n in (65_536, 65_537, 1 << 20, (8 << 20) + 1)] == [
        *("64 KiB", "64 KiB + 1", "1 MiB", "8 MiB + 1")
    ]


@pytest.mark.parametrize("size", [65_536, 65_537, (1 << 20) + 1])
def test_files_have_exactly_their_size_and_so_have_their_twins(size: int) -> None:
    for made, other in (
        (stages.wheel(size).data, stages.wheel(size, "evil").data),
        (stages.conda_package(size).data, stages.conda_package(size, "evil").data),
        (stages.image(size).layer.data, stages.image(size, "evil").layer.data),
    ):
        assert len(made) == len(other) == size
        assert made != other


def test_wrong_byte_in_a_store_is_seen(tmp_path: Path) -> None:
    right, wrong = b"right", b"wrong"
    name = hashlib.sha256(right).hexdigest()
    folder = tmp_path / "gateway" / "store" / "sha256" / name[:2]
    folder.mkdir(parents=True)
    (folder / name).write_bytes(right)
    assert not list(play.wrong_files(tmp_path))
    (folder / name).write_bytes(wrong)
    assert [path.name for path in play.wrong_files(tmp_path)] == [name]


@dataclass
class Reader:
    """Asks the gateway for the file, and may be told to spoil it or to fail."""

    port: int = 0
    right: bool = True
    code: int = 0

    def get(self, stage: Stage, root: Path) -> Got:
        del root
        path = stage.world.index.path(stages.wheel(stage.size).name)  # type: ignore[union-attr]
        body = stage.gateway.get(path)[2]
        right = self.right and body == stages.wheel(stage.size).data
        return Got(Result(("reader",), self.code, "", "", 1.0), right)

    def forget(self) -> None:
        pass


CELL = Cell("reader", "python", "403", 65_537, "2 of 3 and the origin")


def test_cell_is_fine_when_the_file_is_right_and_the_fault_was_met() -> None:
    found = play.one(replace(CELL, bad="2 of 3"), Reader())
    assert (found.wrong, found.met, found.told) == ((), True, "")
    assert sum(found.sent.values()) >= CELL.size
    assert 0 <= found.share <= 1


def test_cell_is_not_fine_when_the_command_fails_or_the_file_is_wrong() -> None:
    cell = replace(CELL, bad="1 of 3")
    failed = play.one(cell, Reader(code=1))
    spoilt = play.one(cell, Reader(right=False))
    assert failed.wrong == ("the command ends with 1",)
    assert spoilt.wrong == ("what is there is not what the origin named",)
    assert "gateway" in failed.told
    written = report.table([failed, spoilt, play.one(cell, Reader())], {"uv": "not here"}, 60)
    assert "1 of 3 cells are fine" in written
    assert "**1/3**" in written
    assert "- uv: not here" in written
