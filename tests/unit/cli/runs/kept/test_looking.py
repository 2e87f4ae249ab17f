from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from headrace.cli.runs.kept import looking, outcome
from headrace.interface.editing import presence
from headrace.ownership import files as ownership


@pytest.fixture(autouse=True)
def fine_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests write counts as old at once."""
    monkeypatch.setattr(looking, "_STEP", -1.0)


def ended(looked: looking.Looked, scratch: Path) -> str:
    looked.end(scratch)
    return looked.in_vain


def test_what_is_read_listed_and_looked_for_is_taken_down(tmp_path: Path) -> None:
    (tmp_path / "read").write_text("x")
    (tmp_path / "other").mkdir()
    looked = looking.Looked()
    (tmp_path / "read").read_text()
    with pytest.raises(FileNotFoundError):
        (tmp_path / "open").read_bytes()
    with pytest.raises(FileNotFoundError):
        ownership.read(tmp_path / "no-folder/believed")
    presence.is_there(tmp_path / "there")
    presence.is_folder(tmp_path)
    list(tmp_path.glob("*"))
    (tmp_path / "other/written").write_text("not looked at")
    assert ended(looked, tmp_path / "scratch") == ""
    told = {path.removeprefix(f"{tmp_path}/") for path in looked.paths}
    assert {"read", "open", "no-folder/believed", str(tmp_path)} <= told
    assert "other/written" not in told
    assert looked.there[str(tmp_path / "there")] == 0
    assert looked.there[str(tmp_path)] == 0o040000
    (tmp_path / "after").touch()
    assert str(tmp_path / "after") not in looked.paths


def test_a_program_that_is_there_counts_with_its_mode_and_what_it_leads_to(tmp_path: Path) -> None:
    first, second, program = tmp_path / "first", tmp_path / "second", tmp_path / "program"
    for folder in (first, second):
        folder.mkdir()
    program.write_text("#!/bin/sh\n")
    (first / "uv").write_text("not executable")
    (second / "uv").symlink_to(program)
    program.chmod(0o755)
    looked = looking.Looked()
    found = presence.which("uv", f"{first}:{second}:{tmp_path / 'no-folder'}")
    assert found == str(second / "uv")
    assert presence.resolved(Path(found)) == program
    assert ended(looked, tmp_path / "scratch") == ""
    wanted = {first, second, first / "uv", second / "uv", tmp_path / "no-folder"}
    assert {str(path) for path in wanted} <= looked.paths.keys()
    for change in (lambda: (first / "uv").chmod(0o755), lambda: program.write_text("#!/bin/sh \n")):
        told = {"made": time.time(), "looked": dict(looked.paths), "there": {}}
        assert outcome.stands(told)
        time.sleep(0.02)  # a step of the file system's clock
        change()
        assert not outcome.stands(told)
        looked.paths = {path: outcome.fingerprint(path) for path in looked.paths}


def test_files_in_memory_and_at_descriptors_count_and_those_of_the_kernel_do_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pip.conf"
    path.write_text("x")
    looked = looking.Looked()
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as shared, path.open() as file:
        at_descriptor = f"/proc/self/fd/{file.fileno()}"
        for each in (shared.name, "/dev/shm/no-such-file", at_descriptor):
            looked.look(each)
            assert each in looked.paths
        assert looked.paths[at_descriptor] == outcome.fingerprint(str(path))
    for each in ("/dev/null", "/proc/self/status", "/proc/no-such", "/sys/kernel", "/dev/tty"):
        looked.look(each)
        assert each not in looked.paths


def test_of_compiled_code_its_source_counts(tmp_path: Path) -> None:
    source = tmp_path / "acme.py"
    source.write_text("x = 1\n")
    sys.path.insert(0, str(tmp_path))
    try:
        for _ in range(2):
            looked = looking.Looked()
            spec = importlib.util.spec_from_file_location("acme_looked_at", source)
            assert spec is not None
            assert spec.loader is not None
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
            ended(looked, tmp_path / "scratch")
            assert str(source) in looked.paths
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize("said", [True, False])
def test_a_program_that_was_asked_must_have_said_what_it_reads(
    tmp_path: Path,
    said: bool,  # noqa: FBT001 - a table
) -> None:
    looked = looking.Looked()
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    if said:
        presence.asked([tmp_path / "its-file"])
    assert (ended(looked, tmp_path / "scratch") == "") is said
    assert (str(tmp_path / "its-file") in looked.paths) is said


def test_nothing_is_kept_where_something_was_said(tmp_path: Path) -> None:
    looked = looking.Looked()
    logging.getLogger("headrace.cli").warning("a tool is left out")
    assert "a tool is left out" in ended(looked, tmp_path)
    looked = looking.Looked()
    sys.audit("headrace.said", "pip is left alone")
    assert "pip is left alone" in ended(looked, tmp_path)


def test_nothing_is_kept_of_what_changes_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "pip.conf"
    path.write_text("one")
    looked = looking.Looked()
    path.read_text()
    path.write_text("two, and longer")
    assert "pip.conf was changed" in ended(looked, tmp_path / "scratch")


def test_nothing_is_kept_of_what_was_just_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_STEP", 3600.0)
    (tmp_path / "pip.conf").write_text("one")
    looked = looking.Looked()
    (tmp_path / "pip.conf").read_text()
    assert "was just changed" in ended(looked, tmp_path / "scratch")


def test_what_the_run_made_for_itself_does_not_count(tmp_path: Path) -> None:
    scratch = tmp_path / "headrace-run-x"
    scratch.mkdir()
    looked = looking.Looked()
    presence.is_there(scratch / "a")
    list(scratch.glob("*"))
    with looked.nothing_of_this():
        list(tmp_path.iterdir())
    assert ended(looked, scratch) == ""
    assert not [path for path in {*looked.paths, *looked.there} if path.startswith(str(tmp_path))]


@pytest.mark.parametrize("made", [-1.0, 0.0, outcome.LASTS - 60.0, outcome.LASTS + 1.0])
def test_an_outcome_stands_for_an_hour(made: float) -> None:
    """`made` is its age in seconds; one of the future is of another clock."""
    told = {"made": time.time() - made, "looked": {}, "there": {}}
    assert outcome.stands(told) is (0 <= made < outcome.LASTS)


def test_an_outcome_stands_while_each_path_is_what_it_was(tmp_path: Path) -> None:
    file, folder, missing = tmp_path / "file", tmp_path / "folder", tmp_path / "missing"
    file.write_text("x")
    folder.mkdir()

    def told() -> dict[str, object]:
        paths = (file, folder, missing)
        looked = {str(path): outcome.fingerprint(str(path)) for path in paths}
        return {
            "made": time.time(),
            "looked": looked,
            "there": {str(missing): outcome.kind(str(missing))},
        }

    for change in (
        lambda: file.write_text("y"),
        (folder / "new").touch,
        lambda: file.chmod(0o600),
        missing.mkdir,
        file.unlink,
    ):
        seen = told()
        assert outcome.stands(seen)
        time.sleep(0.02)  # a step of the file system's clock
        change()
        assert not outcome.stands(seen), change


def test_its_key_tells_words_variables_and_folders_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {
        outcome.key_of(["uv", "sync"], {"A": "1"}),
        outcome.key_of(["uv sync"], {"A": "1"}),
        outcome.key_of(["uv", "sync"], {"A": "2"}),
        outcome.key_of(["uv", "sync"], {}),
    }
    assert outcome.key_of(["uv", "sync"], {"A": "1", "SSH_TTY": "/dev/pts/3"}) in keys
    monkeypatch.chdir(tmp_path)
    keys.add(outcome.key_of(["uv", "sync"], {"A": "1"}))
    monkeypatch.setattr(sys, "executable", "/usr/bin/another")
    keys.add(outcome.key_of(["uv", "sync"], {"A": "1"}))
    monkeypatch.setattr(outcome, "__version__", "99")
    keys.add(outcome.key_of(["uv", "sync"], {"A": "1"}))
    assert len(keys) == 7
