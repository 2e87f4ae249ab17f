"""What ``headrace image write`` does with files, whoever made them."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cli.context import Context
from headrace.cli.images import folder as on_disk
from headrace.cli.images import image, write
from headrace.errors import LocalError
from headrace.interface.explanations import Explanation
from headrace.interface.images import (
    FolderFile,
    HeldSecret,
    ImageFolder,
    ImageQuestion,
    ImageTool,
    ImageWishes,
)
from lib.capabilities import lacks

FILES = (FolderFile("Acmefile", b"from x\n"), FolderFile("a/run", b"#!/bin/sh\n", 0o755))


class Acme(ImageTool):
    wishes: ImageWishes | None = None

    def __init__(self, files: tuple[FolderFile, ...] = FILES) -> None:
        self.files = files

    def folder(
        self, question: ImageQuestion, wishes: ImageWishes, directory: Path
    ) -> ImageFolder | None:
        self.wishes = wishes
        if question.what != "acme":
            return None
        found = Explanation(
            "acme", ("acme.example/x:1",), table={"image": "x"}, answers=bool(self.files)
        )
        return ImageFolder(found, self.files, (f"acme-build {directory}",))

    def secrets_sent(
        self, paths: Collection[str], read: Callable[[str], bytes]
    ) -> Iterable[HeldSecret]:
        return [
            HeldSecret(path, "acme's key") for path in sorted(paths) if b"acme-key" in read(path)
        ]


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Acme:
    @contextlib.contextmanager
    def there(context: Context, _: object) -> Iterator[SimpleNamespace]:
        del context
        yield SimpleNamespace(address="somewhere")

    tool = Acme()
    monkeypatch.setattr("headrace.cli.explaining.at_hand.at_hand", there)
    plugins = SimpleNamespace(image_tools=lambda: [ImageTool(), tool])
    monkeypatch.setattr(Context, "plugins", plugins)
    return tool


def run(*words: object, env: dict[str, str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    image.add(parser.add_subparsers())
    args = parser.parse_args(["image", "write", *map(str, words)])
    return write.run(args, Context(env or {}, as_json="--json" in words))


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("acme")
def test_files_are_written_with_their_modes_and_what_to_type_next_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("acme", tmp_path / "new" / "work") == 0
    made = tmp_path / "new" / "work"
    assert (made / "Acmefile").read_bytes() == b"from x\n"
    assert (made / "a" / "run").stat().st_mode & 0o777 == 0o755
    assert (made / "Acmefile").stat().st_mode & 0o777 == 0o644
    assert f"acme-build {made}" in capsys.readouterr().out
    # The same once more changes nothing, and is no fault.
    before = (made / "Acmefile").stat()
    assert run("acme", made, "--json") == 0
    assert (made / "Acmefile").stat() == before
    assert {each["state"] for each in told(capsys)["files"]} == {"same"}


@pytest.mark.usefixtures("acme")
def test_what_is_there_and_differs_stays_with_all_the_rest_until_it_is_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Acmefile").write_text("mine\n")
    assert run("acme", tmp_path, "--json") == 1
    shown = told(capsys)
    assert not shown["written"]
    assert "-mine\n+from x\n" in shown["diff"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Acmefile"]
    assert (tmp_path / "Acmefile").read_text() == "mine\n"
    assert run("acme", tmp_path, "--force") == 0
    assert (tmp_path / "Acmefile").read_text() == "from x\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Acmefile", "a"]


@pytest.mark.usefixtures("acme")
def test_dry_run_shows_every_byte_and_writes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("acme", tmp_path / "work", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "+from x" in said
    assert "+#!/bin/sh" in said
    assert not (tmp_path / "work").exists()


@pytest.mark.usefixtures("acme")
def test_link_is_replaced_when_forced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("other")
    work = tmp_path / "work"
    work.mkdir()
    (work / "Acmefile").symlink_to(elsewhere)
    assert run("acme", work) == 1
    assert run("acme", work, "--force") == 0
    assert elsewhere.read_text() == "other"
    assert (work / "Acmefile").read_text() == "from x\n"


@pytest.mark.usefixtures("acme")
def test_folder_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    elsewhere, work = tmp_path / "elsewhere", tmp_path / "work"
    elsewhere.mkdir()
    work.mkdir()
    (work / "a").symlink_to(elsewhere)
    with pytest.raises(LocalError, match="is a link"):
        run("acme", work, "--force")
    assert not list(elsewhere.iterdir())
    assert not (work / "Acmefile").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_file_outside_the_folder_is_never_written_whoever_names_it(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(LocalError, match="outside"):
        on_disk.compare(tmp_path / "work", [FolderFile(name, b"")])


@pytest.mark.usefixtures("acme")
def test_something_that_is_no_folder_is_told_and_nothing_half_written_is_left(
    tmp_path: Path,
) -> None:
    (tmp_path / "work").write_text("a file")
    with pytest.raises(LocalError, match="cannot be written"):
        run("acme", tmp_path / "work")
    (tmp_path / "there" / "Acmefile").mkdir(parents=True)
    with pytest.raises(LocalError, match="cannot be read"):
        run("acme", tmp_path / "there", "--force")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["Acmefile"]


def test_nothing_found_and_nobody_who_knows_the_name_end_with_1(
    acme: Acme, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("other", tmp_path / "work") == 1
    assert "Nothing is known by that name" in capsys.readouterr().out
    acme.files = ()
    assert run("acme", tmp_path / "work") == 1
    assert not (tmp_path / "work").exists()


def test_numbers_are_the_callers_and_never_roots(
    acme: Acme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def numbers(**env: str) -> tuple[int, int]:
        run("acme", tmp_path / "x", "--dry-run", env=env)
        assert acme.wishes is not None
        return acme.wishes.user_id, acme.wishes.group_id

    monkeypatch.setattr(os, "getuid", lambda: 501, raising=False)
    monkeypatch.setattr(os, "getgid", lambda: 20, raising=False)
    assert numbers() == (501, 20)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert numbers(SUDO_UID="1234", SUDO_GID="77") == (1234, 77)
    assert numbers(SUDO_UID="0", SUDO_GID="0") == (1000, 1000)
    assert numbers(SUDO_UID="x" * 20) == (1000, 1000)
    assert numbers() == (1000, 1000)


def test_wishes_reach_the_tool_as_they_were_typed(acme: Acme, tmp_path: Path) -> None:
    words = ("--jupyter", "--ssh", "--science", "--slim")
    others = ("--user=ana", "--logs=json", "--containerfile")
    run("acme", tmp_path, "--dry-run", *words, *others)
    wishes = acme.wishes
    assert wishes is not None
    assert all((wishes.jupyter, wishes.ssh, wishes.science, wishes.slim))
    assert (wishes.user, wishes.logs) == ("ana", "json")
    assert wishes.engine_file == "Containerfile"


def test_place_for_a_secret_is_made_once_for_its_owner_and_never_read_again(
    tmp_path: Path,
) -> None:
    files = [FolderFile("secrets/key", b"", private=True), FolderFile("a/b", b"x")]
    on_disk.put(on_disk.compare(tmp_path, files))
    place = tmp_path / "secrets" / "key"
    assert place.read_bytes() == b""
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a").stat().st_mode & 0o077
    place.write_text("the user's")
    compared = on_disk.compare(tmp_path, files)
    assert [each.state for each in compared] == ["same", "same"]
    assert b"the user's" not in [each.before for each in compared]
    on_disk.put(compared)
    assert place.read_text() == "the user's"


@pytest.mark.usefixtures("acme")
def test_secret_that_a_build_would_be_sent_is_told_by_what_will_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "key").write_text("acme-key")
    (tmp_path / "link").symlink_to("deep/key")
    os.mkfifo(tmp_path / "pipe")
    held = [{"place": "deep/key", "what": "acme's key"}]
    assert run("acme", tmp_path, "--json", "--dry-run") == 0
    assert told(capsys)["secrets"] == held
    (tmp_path / "Acmefile").write_text("acme-key")
    # What differs stays, and so does what it holds, until it is replaced.
    assert run("acme", tmp_path, "--json") == 1
    assert told(capsys)["secrets"] == [{"place": "Acmefile", "what": "acme's key"}, *held]
    assert run("acme", tmp_path, "--force") == 0
    said = capsys.readouterr().out
    assert "deep/key: acme's key, and every build is sent it" in said
    assert "acme-key" not in said
    (tmp_path / "deep" / "key").unlink()
    assert run("acme", tmp_path, "--json") == 0
    assert told(capsys)["secrets"] == []


def test_a_node_that_is_described_is_read_once_and_selects_its_kind(
    acme: Acme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
        "nvidia.com/cuda.driver.major": "535",
    }
    node = io.StringIO(json.dumps({"kind": "Node", "metadata": {"labels": labels}}))
    monkeypatch.setattr("sys.stdin", node)
    assert run("acme", tmp_path / "made", "--kubernetes", "-") == 0
    assert acme.wishes is not None
    assert acme.wishes.node == (("nvidia.com/gpu.product", "NVIDIA-A100-SXM4-80GB"),)
    assert run("acme", tmp_path / "other") == 0
    assert not acme.wishes.node


def test_what_root_writes_is_the_callers_and_the_account_inside_can_work_in_its_folder(
    tmp_path: Path, acme: Acme
) -> None:
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip(lacks("root", "only root gives files away"))
    acme.files = (*FILES, FolderFile("bench/.keep", b"", worked_in=True))

    def owners(made: Path) -> dict[str, tuple[int, int]]:
        found = {}
        for each in (made.parent, made, *made.rglob("*")):
            about = each.stat()
            found[each.relative_to(made.parent).as_posix()] = (about.st_uid, about.st_gid)
        return found

    assert run("acme", tmp_path / "a" / "w", env={"SUDO_UID": "1234", "SUDO_GID": "77"}) == 0
    assert set(owners(tmp_path / "a" / "w").values()) == {(1234, 77)}
    # Who was root before has files that nobody else can change.
    assert run("acme", tmp_path / "b" / "w") == 0
    found = owners(tmp_path / "b" / "w")
    assert {name for name, owner in found.items() if owner != (0, 0)} == {
        "w/bench",
        "w/bench/.keep",
    }
    assert found["w/bench"] == (1000, 1000)


def test_folder_that_is_named_by_nothing_is_not_the_one_we_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        run("acme", "")
    assert "a dot is this folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
