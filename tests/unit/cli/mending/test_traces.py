"""What `headrace self uninstall` takes from a home, what it leaves, and when it takes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.cli.context import Context
from headrace.cli.mending import traces
from headrace.config import Folders
from headrace.interface.hookspecs import FileEdit


@pytest.fixture(params=["three folders", "one folder"])
def context(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Context:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("HEADRACE_HOME", "HEADRACE_CONFIG", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    if request.param == "one folder":
        monkeypatch.setenv("HEADRACE_HOME", str(home / "all"))
    return Context({**os.environ})


def lay(folders: Folders, *names: str) -> list[Path]:
    """Make files, and the folders for them as headrace makes them."""
    made = []
    for name in names:
        kind, _, rest = name.partition("/")
        path: Path = getattr(folders, kind) / rest
        for folder in reversed(path.parents):
            folder.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(b"x")
        made.append(path)
    return made


OURS = (
    *("config/config.toml", "state/journal.lock", "state/statistics.sqlite-wal", "state/token"),
    *("state/downloads.old.jsonl", "state/kept-runs/x", "cache/pages/a/b", "cache/store/sha256/x"),
    *("state/limits.damaged", "state/.gateway.json.abc.new", "cache/accelerators/x"),
)


def everything(home: Path) -> list[Path]:
    return sorted(home.rglob("*"))


def test_all_of_ours_goes_and_the_folders_that_were_made_for_it(context: Context) -> None:
    home = Path(context.env["HOME"])
    lay(context.folders, *OURS)
    found = traces.look(context)
    assert found.foreign == []
    assert found.remove(keep_store=False) == []
    assert everything(home) == []


def test_what_is_not_ours_stays_with_its_folders(context: Context) -> None:
    home = Path(context.env["HOME"])
    lay(context.folders, *OURS)
    foreign = lay(context.folders, "config/gateway.env", "state/notes.txt", "cache/models/x")
    (home / ".empty").mkdir()
    found = traces.look(context)
    assert len(found.foreign) == 3
    assert found.remove(keep_store=False) == sorted(found.foreign)
    files = [each for each in everything(home) if not each.is_dir()]
    assert files == sorted(foreign)
    assert (home / ".empty").is_dir()


def test_a_folder_of_the_users_own_stays_though_it_is_empty(context: Context) -> None:
    home = Path(context.env["HOME"])
    (home / ".cache").mkdir(mode=0o755)
    lay(context.folders, *OURS)
    traces.look(context).remove(keep_store=False)
    assert everything(home) == [home / ".cache"]


def test_the_store_stays_where_that_is_said(context: Context) -> None:
    *_, stored = lay(context.folders, "state/token", "cache/store/sha256/x")
    assert main(["self", "uninstall", "--yes", "--keep-store"]) == 0
    assert stored.exists()
    assert not context.folders.state.exists()


@pytest.mark.skipif(os.name == "nt", reason="links are Linux's here")
def test_what_a_link_leads_to_stays(context: Context, tmp_path: Path) -> None:
    lay(context.folders, "state/token")
    elsewhere = tmp_path / "big disk"
    (elsewhere / "store").mkdir(parents=True)
    (elsewhere / "store" / "mine").touch()
    context.folders.cache.mkdir(parents=True)
    (context.folders.cache / "store").symlink_to(elsewhere / "store")
    traces.look(context).remove(keep_store=False)
    assert (elsewhere / "store" / "mine").exists()
    assert not context.folders.cache.exists()


def test_a_file_that_cannot_be_given_back_keeps_everything(
    context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tool.conf"
    path.write_bytes(b"one\n")
    context.journal.apply([("acme", FileEdit(path, b"one\n", b"ours\n", "a test"))])
    path.write_bytes(b"mine\n")
    [token] = lay(context.folders, "state/token")
    assert main(["self", "uninstall", "--yes"]) == 3
    assert "Nothing was removed" in capsys.readouterr().out
    assert token.exists()
    assert context.state.journal.exists()


def test_nothing_goes_where_nobody_said_so(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    [token] = lay(context.folders, "state/token")
    assert main(["self", "uninstall"]) == 3
    assert main(["self", "uninstall", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.count("remove     ") == 2
    assert main(["self", "uninstall", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"done": False, "remove": [str(token)]}
    assert token.exists()
