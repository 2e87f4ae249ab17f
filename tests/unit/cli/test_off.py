"""What `headrace off` leaves, and says that it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.config import Folders, environment


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "SUDO_UID", "HEADRACE_CONFIG", "HEADRACE_PORT"):
        monkeypatch.delenv(name, raising=False)
    return Folders.of_user(environment()).cache / "store"


def fill(store: Path, size: int) -> None:
    (store / "sha256").mkdir(parents=True)
    (store / "sha256" / "0").write_bytes(bytes(size))


def test_files_that_stay_are_told_with_the_way_to_free_them(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store, 2_500_000)
    assert main(["off"]) == 0
    said = capsys.readouterr().out
    assert f"left: 2.5 MB of files in {store}; `headrace cache clear` frees them" in said


def test_what_nobody_would_miss_is_not_told(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store, 2_500)
    assert main(["off"]) == 0
    assert "left:" not in capsys.readouterr().out


def test_programs_are_told_in_any_case(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(store, 2_500)
    assert main(["off", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == {"store": str(store), "bytes": 2_500}
