"""What mirrors lack is there for the next process; a damaged file costs nobody anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.policy.absent_collections import Absence, AbsenceReason
from headrace.system.absences import AbsenceFile

ROW = Absence("m", "docker.io/a/b", AbsenceReason.REFUSED, 1.0, 2.0, 3, 4)


def test_rows_are_there_for_the_next_process(tmp_path: Path) -> None:
    file = AbsenceFile(tmp_path / "state" / "absences.json")
    assert file.load() == ()
    file.keep([ROW])
    file.close()
    assert AbsenceFile(tmp_path / "state" / "absences.json").load() == [ROW]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"absent": 3}', b'{"absent": [{}]}', b"\xff", b'{"absent": [[1]]}']
)
def test_damaged_file_is_begun_anew(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "absences.json"
    path.write_bytes(body)
    file = AbsenceFile(path)
    assert list(file.load()) == []
    file.keep([ROW])
    file.close()
    assert json.loads(path.read_bytes())["absent"][0]["source"] == "m"
