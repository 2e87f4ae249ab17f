"""`headrace bench --svg FILE`: what may stand at that path, and what must not be lost there."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from headrace.cli.upkeep.bench import _check_place, _write
from headrace.cli.upkeep.shown.picture import Bar, Chart
from headrace.errors import LocalError

ODD = "a\x1b]0;t\x07<&>\ufffe\ud800.whl"
CHARTS = [Chart("python", ODD, 5, [Bar(ODD, 1.0), Bar("x", None, None, ODD)])]


def test_a_picture_is_xml_whatever_a_file_or_a_mirror_is_called(tmp_path: Path) -> None:
    path = tmp_path / "b.svg"
    _check_place(path)
    _write(path, CHARTS)
    assert "<&>" in "".join(ET.parse(path).getroot().itertext())


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "b.svg").symlink_to("real.svg")
    (tmp_path / "real.svg").write_text("")
    (tmp_path / "real.svg").chmod(0o600)
    _write(tmp_path / "b.svg", CHARTS)
    assert (tmp_path / "b.svg").is_symlink()
    assert stat.S_IMODE((tmp_path / "real.svg").stat().st_mode) == 0o600
    assert (tmp_path / "real.svg").read_text().startswith("<svg")


def test_what_is_no_file_is_written_to_and_nothing_takes_its_place(tmp_path: Path) -> None:
    """Root's pictures go to /dev/null, and it stays what it is."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()), daemon=True)
    reader.start()
    try:
        _check_place(path)
        _write(path, CHARTS)
    finally:
        if not path.is_fifo():
            path.unlink()
            pytest.fail("a file took the place of the pipe")
    reader.join()
    assert read[0].endswith("</svg>\n")


def test_where_nothing_can_be_written_nobody_waits_for_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "none" / "b.svg", tmp_path / "file" / "b.svg"):
        with pytest.raises(LocalError, match="cannot be written"):
            _check_place(path)
