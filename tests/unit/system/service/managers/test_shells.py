"""The line in a shell's files: where it stands, what shells make of it, how it goes."""

from __future__ import annotations

import os
import pty
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import FileEdit, Scope
from headrace.system import service
from headrace.system.edits.file_step import read_file
from headrace.system.edits.journal import Journal
from headrace.system.service.managers import shells
from headrace.system.service.managers.shell_functions import MARK, line_for
from headrace.system.service.managers.spec import ServiceSpec, describe
from lib.capabilities import lacks
from lib.serving.ports import free_port
from lib.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "POSIX shells"))


def spec(home: Path) -> ServiceSpec:
    folders = Folders(home / "config", home / "state", home / "cache")
    return describe(folders, Scope.USER, 17223, home)


def written(home: Path, shell: str = "/bin/bash", **env: str) -> list[str]:
    found = shells.edits(spec(home), env, shell, read_file)
    return [str(edit.path.relative_to(home)) for edit in found]


@pytest.mark.parametrize(
    ("shell", "there", "expected"),
    [
        ("/bin/bash", (), [".bashrc", ".profile"]),
        ("/bin/bash", (".bash_profile", ".profile"), [".bashrc", ".bash_profile"]),
        ("/bin/sh", (), [".profile"]),
        ("", (".bashrc", ".zshrc"), [".bashrc", ".profile", ".zshrc"]),
        ("/usr/bin/zsh", (), [".zshrc"]),
        ("/usr/bin/zsh", (".bashrc", ".profile"), [".bashrc", ".profile", ".zshrc"]),
        ("/usr/bin/fish", (), [".config/fish/conf.d/headrace.fish"]),
    ],
)
def test_it_stands_where_the_login_shell_and_other_shells_that_are_used_look(
    tmp_path: Path, shell: str, there: tuple[str, ...], expected: list[str]
) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert written(tmp_path, shell) == expected


def test_zsh_and_fish_are_followed_where_they_are_told_to_look(tmp_path: Path) -> None:
    env = {"ZDOTDIR": str(tmp_path / "z"), "XDG_CONFIG_HOME": str(tmp_path / "x")}
    assert written(tmp_path, "/bin/zsh", **env) == ["z/.zshrc"]
    assert written(tmp_path, "/bin/fish", **env) == ["x/fish/conf.d/headrace.fish"]


def test_links_and_what_is_no_file_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("# mine\n")
    (tmp_path / ".bashrc").symlink_to(tmp_path / "kept")
    (tmp_path / ".profile").mkdir()
    assert written(tmp_path) == []


def in_force(home: Path) -> Journal:
    journal = Journal(
        home / "journal", withdraw=lambda tool, _, *rest: service.withdraw(tool, *rest)
    )
    found = shells.edits(spec(home), {}, "/bin/bash", journal.pristine)
    journal.apply([(service.TOOL, edit) for edit in found])
    return journal


MINE = "# mine\nalias ll='ls -l'\nexport EDITOR=vi"


def test_files_come_back_byte_for_byte_and_what_was_not_there_goes(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text(MINE)
    in_force(tmp_path)
    journal = in_force(tmp_path)
    assert (tmp_path / ".bashrc").read_text().count("--wake") == 1
    assert (tmp_path / ".profile").read_text().count("--wake") == 1
    journal.undo()
    assert (tmp_path / ".bashrc").read_text() == MINE
    assert not (tmp_path / ".profile").exists()


def test_lines_of_a_lost_state_folder_are_found_and_not_written_twice(tmp_path: Path) -> None:
    rc, profile = tmp_path / ".bashrc", tmp_path / ".profile"
    rc.write_bytes(b"alias l=ls\n")
    for edit in shells.edits(spec(tmp_path), {}, "/bin/bash", read_file):
        edit.path.write_bytes(edit.after or b"")
    written_once = rc.read_bytes()
    found = dict(shells.leftovers(tmp_path, {}, "/bin/bash"))
    assert found == {rc: b"alias l=ls\n", profile: None}
    again = {e.path: e.after for e in shells.edits(spec(tmp_path), {}, "/bin/bash", read_file)}
    assert again[rc] == written_once


@pytest.mark.parametrize(
    "order", [(0, 1, 2, 3, 4, 5), (3, 4, 0, 1, 2), (0, 1, 2), (4, 0, 1, 2), (0, 3, 1, 2)]
)
def test_lines_go_wherever_the_user_has_put_them_meanwhile(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    path = tmp_path / ".bashrc"
    path.write_text(MINE)
    in_force(tmp_path)
    lines = [*path.read_text().splitlines(), "alias la='ls -a'"]
    assert len(lines) == 6
    path.write_text("".join(f"{lines[number]}\n" for number in order))
    in_force(tmp_path).undo()
    assert path.read_text().splitlines() == [lines[n] for n in order if n not in (3, 4)]


def functions(home: Path, described: Sequence[FileEdit] = ()) -> dict[str, FileEdit]:
    found = shells.with_functions(described, home, {}, "/bin/bash", read_file)
    assert len({edit.path for edit in found}) == len(found)
    return {edit.path.name: edit for edit in found}


def test_functions_stand_in_the_same_files_behind_what_a_service_manager_has_there(
    tmp_path: Path,
) -> None:
    (tmp_path / ".bashrc").write_text(MINE)
    other = FileEdit(tmp_path / "unit", None, b"[Unit]\n", "is kept up by it")
    both = functions(tmp_path, [other, *shells.edits(spec(tmp_path), {}, "/bin/bash", read_file)])
    assert both.pop("unit") == other
    alone = functions(tmp_path)
    assert both.keys() == alone.keys() == {".bashrc", ".profile"}
    for edit in both.values():
        lines = (edit.after or b"").decode().splitlines()
        assert "--wake" in lines[-2]
        assert lines[-1].endswith(MARK)
    last = (both[".bashrc"].after or b"").splitlines(keepends=True)[-1]
    assert alone[".bashrc"].after == f"{MINE}\n".encode() + last


def test_functions_of_a_lost_state_folder_are_found_and_not_written_twice(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("alias l=ls\n")
    for edit in functions(tmp_path).values():
        edit.path.write_bytes(edit.after or b"")
    rc, profile = tmp_path / ".bashrc", tmp_path / ".profile"
    assert shells.functions_in(tmp_path, {}, "/bin/bash") == [rc, profile]
    assert dict(shells.leftovers(tmp_path, {}, "/bin/bash")) == {rc: b"alias l=ls\n", profile: None}
    assert functions(tmp_path)[".bashrc"].after == rc.read_bytes()


@pytest.mark.parametrize(
    "words",
    [("sh", "-euc"), ("sh", "-ieuc"), ("bash", "-euc"), ("zsh", "-euc"), ("fish", "-c")],
    ids=" ".join,
)
def test_the_line_for_functions_does_nothing_in_a_shell_that_nobody_types_into_or_knows_none(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(lacks("programs", f"{words[0]} is not installed here"))
    name = {"fish": "headrace.fish", "zsh": ".zshrc"}.get(words[0], ".profile")
    text = f"{line_for(tmp_path / name, {})}\necho done"
    done = subprocess.run(
        [*words, text],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout == "done\n"
    assert "headrace" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "/proc/net/tcp"))
@pytest.mark.parametrize(
    "words", [("sh", "-euc"), ("bash", "-euc"), ("zsh", "-euc"), ("fish", "-c")], ids=lambda w: w[0]
)
def test_a_shell_starts_the_command_where_nobody_listens_and_only_there(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(lacks("programs", f"{words[0]} is not installed here"))
    port, mark = free_port(), tmp_path / "it's been here"
    text = shells.line(port, ["touch", str(mark)], tmp_path / "notice")

    def run() -> None:
        asked = [*words, f"{text}\necho done"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("done\n", "")

    with socket.create_server(("127.0.0.1", port)):
        run()
        assert not mark.exists()
    run()
    until(mark.exists)


@pytest.mark.parametrize("command", [["/no/such/program"], ["false"]])
def test_a_command_that_is_gone_or_fails_says_nothing(tmp_path: Path, command: list[str]) -> None:
    text = shells.line(free_port(), command, tmp_path / "notice")
    for path in ("/usr/bin:/bin", "/nowhere"):
        words = [
            "/bin/sh",
            "-euc",
            f"PATH={path}; {text.replace('sh -c', '/bin/sh -c', 1)}; echo done",
        ]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env={**os.environ}
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "/proc/net/tcp"))
@pytest.mark.parametrize(
    "words", [("sh", "-euc"), ("bash", "-euc"), ("zsh", "-euc"), ("fish", "-c")], ids=lambda w: w[0]
)
def test_a_terminal_is_told_that_headrace_is_gone_while_tools_are_led_to_it(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(lacks("programs", f"{words[0]} is not installed here"))
    package, mark = tmp_path / "it's here" / "__init__.py", tmp_path / "started"
    package.parent.mkdir()
    package.touch()
    needed = [Path(sys.executable), package]
    text = shells.line(free_port(), ["touch", str(mark)], tmp_path / "notice", needed)
    asked = [*words, f"{text}\necho done"]

    def said() -> str:
        ours, theirs = pty.openpty()
        subprocess.run(asked, stdout=subprocess.PIPE, stderr=theirs, check=True)
        os.close(theirs)
        os.set_blocking(ours, False)
        try:
            return os.read(ours, 1000).decode()
        except OSError:
            return ""
        finally:
            os.close(ours)

    assert said() == ""
    until(mark.exists)
    mark.unlink()
    package.unlink()
    assert f"{package.parent} is gone" in said()
    assert "install headrace again, then `headrace off`" in said()
    assert not mark.exists()
    quiet = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert (quiet.stdout, quiet.stderr) == ("done\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "/proc/net/tcp"))
@pytest.mark.parametrize(
    "words", [("sh", "-euc"), ("bash", "-euc"), ("zsh", "-euc"), ("fish", "-c")], ids=lambda w: w[0]
)
def test_a_sentence_that_was_left_is_shown_to_a_terminal_once(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(lacks("programs", f"{words[0]} is not installed here"))
    notice = tmp_path / "it's here" / "notice"
    notice.parent.mkdir()
    notice.write_text("headrace: torch will not use the GPU\n")
    asked = [*words, f"{shells.line(free_port(), ['true'], notice)}\necho done"]

    def shown() -> bytes:
        ours, theirs = pty.openpty()
        subprocess.run(asked, stdout=subprocess.PIPE, stderr=theirs, check=True)
        os.close(theirs)
        os.set_blocking(ours, False)
        try:
            return os.read(ours, 1000)
        except OSError:
            return b""
        finally:
            os.close(ours)

    # Programs that copy files over a shell read what it says: they get nothing.
    done = subprocess.run(asked, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"done\n", b"")
    assert shown() == b"headrace: torch will not use the GPU\r\n"
    assert not notice.exists()
    assert shown() == b""
