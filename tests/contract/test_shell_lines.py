"""`headrace on --shell`: the line in a shell's files, what a new shell makes of it, how it goes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.clients import Environment
from lib.gateway import free_port, headrace
from lib.holders import none_left
from lib.terminals.typist import Typist, rc_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "POSIX shells"))

OWN = "# mine\nalias ll='ls -l'"  # the last line has no end
MARK = "# headrace: leads tools"


class User:
    """A user with three shells and a tool that only a proxy leads."""

    def __init__(self, root: Path) -> None:
        self.box = Environment(root / "box")
        self.box.variables |= {
            "HEADRACE_HOME": str(root / "headrace"),
            "HEADRACE_PORT": str(free_port()),
            "PATH": os.pathsep.join(
                (str(self.box.scripts), str(Path(sys.executable).parent), "/usr/bin", "/bin")
            ),
        }
        self.box.write(".config/pip/pip.conf", "[global]\nindex-url = http://127.0.0.1:9/simple\n")
        for shell in ("bash", "zsh", "fish"):
            path = rc_file(self.box.home, shell)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(OWN, "utf-8")
        tool = self.box.scripts / "uv"
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        self.before = self.files()

    def headrace(self, *words: str) -> str:
        done = self.box.run(*headrace(), *words)
        assert done.code in (0, 3), done.told()
        return done.out + done.err

    def files(self) -> dict[str, bytes]:
        """Every file that a shell may read."""
        names = (".bashrc", ".profile", ".zshrc", ".config/fish")
        paths = [self.box.home / name for name in names]
        paths += [each for folder in paths if folder.is_dir() for each in folder.rglob("*")]
        return {str(each): each.read_bytes() for each in paths if each.is_file()}

    def lines(self) -> int:
        return sum(each.count(MARK.encode()) for each in self.files().values())

    def types(self, shell: str) -> Typist:
        return Typist(shell, self.box.home, self.box.variables)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    one = User(tmp_path)
    try:
        yield one
    finally:
        one.headrace("off")
        none_left(str(tmp_path))


def test_it_is_written_once_kept_by_a_later_on_and_taken_out_byte_for_byte(user: User) -> None:
    user.headrace("on", "--dry-run", "--shell")
    assert user.files() == user.before
    user.headrace("on", "--shell")
    written = user.files()
    assert written[str(user.box.home / ".bashrc")].count(MARK.encode()) == 1
    assert written[str(user.box.home / ".zshrc")].count(MARK.encode()) == 1
    assert MARK.encode() in written[str(user.box.home / ".config/fish/conf.d/headrace.fish")]
    user.headrace("on")
    assert user.files() == written
    user.headrace("off")
    assert user.files() == user.before


def test_what_is_written_for_the_gateway_is_shown_before_told_then_and_told_when_it_is_taken_out(
    user: User,
) -> None:
    rc, own = user.box.home / ".bashrc", user.box.variables["HEADRACE_HOME"]
    tells = f"service  {rc}: starts the gateway again"
    foreseen = user.headrace("on", "--dry-run")
    assert tells in foreseen
    assert f"+++ {rc}" in foreseen
    assert "+# headrace: starts its gateway" in foreseen
    assert f"+++ {own}" not in foreseen
    done = user.headrace("on")
    assert tells in done
    assert own not in done
    again = json.loads(user.headrace("on", "--json"))["service"]
    assert {each["path"]: each["changed"] for each in again}[str(rc)] is False
    foreseen = user.headrace("off", "--dry-run")
    assert "-# headrace: starts its gateway" in foreseen
    assert f"--- {own}" not in foreseen
    assert f"{rc}: as it was" in user.headrace("off").splitlines()


@pytest.mark.nightly
def test_who_takes_it_out_by_hand_does_not_get_it_again_unasked(user: User) -> None:
    user.headrace("on")
    assert user.lines() == 0
    user.headrace("on", "--shell")
    count = user.lines()
    for name, content in user.files().items():
        kept = [line for line in content.splitlines(keepends=True) if MARK.encode() not in line]
        Path(name).write_bytes(b"".join(kept))
    user.headrace("on")
    assert user.lines() == 0
    user.headrace("on", "--shell")
    assert user.lines() == count
    user.headrace("off")
    # A file that was changed since stays a file, and a last line that was given an end keeps it.
    left = {name: each.rstrip(b"\n") for name, each in user.files().items()}
    assert {name: each for name, each in left.items() if each} == user.before


@pytest.mark.parametrize(
    "shell", ["bash", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("zsh", "fish"))]
)
def test_a_new_shell_has_the_functions_and_doctor_and_status_tell_of_one_that_has_not(
    user: User, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(lacks("programs", f"{shell} is not installed here"))
    there = "functions -q uv" if shell == "fish" else "typeset -f uv"
    ask = " ".join((*headrace(), "doctor", "--json"))

    def doctor(typist: Typist) -> str:
        typist.run(f"{ask} > findings.json")
        told = json.loads((user.box.home / "findings.json").read_text("utf-8"))["findings"]
        (level,) = [each["level"] for each in told if each["check"] == "functions"]
        return str(level)

    with user.types(shell) as old:
        user.headrace("on", "--shell")
        assert old.run(there)[1] == 1
        assert doctor(old) == "warning"
        assert "not in this one" in old.run(" ".join((*headrace(), "status")))[0]
    with user.types(shell) as new:
        assert new.run(there)[1] == 0
        assert doctor(new) == "ok"
        assert "as it is typed into this shell" in new.run(" ".join((*headrace(), "status")))[0]
    user.headrace("off")
    with user.types(shell) as later:
        assert later.run(there)[1] == 1


@pytest.mark.nightly
def test_who_keeps_the_files_elsewhere_is_told_what_to_write_there(user: User) -> None:
    shutil.rmtree(user.box.home / ".config/fish")
    for name in user.files():
        Path(name).rename(f"{name}-kept")
        Path(name).symlink_to(f"{name}-kept")
    (user.box.home / ".profile").symlink_to("nowhere")
    told = user.headrace("on", "--shell")
    assert "links are left alone" in " ".join(told.split())
    assert user.lines() == 0


def test_the_machines_gateway_has_no_shell_of_a_users(user: User) -> None:
    done = user.box.run(*headrace(), "on", "--shell", "--scope", "system")
    assert done.code == 1
    assert "--shell is for" in done.err
    assert user.files() == user.before
