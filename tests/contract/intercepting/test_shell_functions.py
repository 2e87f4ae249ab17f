"""What a person types, in real shells that have the functions of `headrace shell`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.cli.setup import functions
from lib.capabilities import lacks
from lib.clients import UVS, Uv
from lib.gateway import headrace
from lib.terminals.typist import INTERACTIVE, Typist

from .conftest import MakeUser

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "POSIX shells"))
EACH = pytest.mark.parametrize("shell", INTERACTIVE)
#: What zsh and fish hardly do otherwise.
ONE = pytest.mark.parametrize(
    "shell", ["bash", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("zsh", "fish"))]
)

#: As who has nothing on that path of Python's.
HEADRACE = "env -u PYTHONPATH " + " ".join(headrace())
#: Says who started it, and each of its words; ends with the status that it is told.
TOOL = """#!/bin/sh
tr '\\0' ' ' < /proc/$PPID/cmdline | grep -q headrace.cli && echo 'by headrace'
for word; do printf '<%s>' "$word"; done; echo
case $1 in
  status) exit "$2";;
  read) cat;;
  again) bash -ic 'type -t uv; uv cache inner';;
  wait) trap 'echo goes on' CONT; echo began; while :; do sleep 0.05; done;;
esac
"""


def evaluated(shell: str) -> str:
    """The line of a person who has no headrace on."""
    return (
        f"{HEADRACE} shell fish | source"
        if shell == "fish"
        else f'eval "$({HEADRACE} shell {shell})"'
    )


@dataclass(slots=True)
class Person:
    """Somebody with a tool of a name that is led, and a headrace whose gateway cannot start."""

    home: Path
    shell: str
    env: dict[str, str]

    def types(self, before: str = "", line: str | None = None) -> Typist:
        """Begin a shell; `before` and the line stand in its file."""
        line = evaluated(self.shell) if line is None else line
        return Typist(self.shell, self.home, self.env, f"{before}\n{line}\n")


@pytest.fixture
def person(tmp_path: Path, shell: str) -> Person:
    home = tmp_path / "home"
    for name in ("bin", "tmp", "headrace/config"):
        (home / name).mkdir(parents=True)
    tool = home / "bin/uv"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    # What is on Python's path is the person's own, and for other programs.
    (home / "path").mkdir()
    (home / "path/argparse.py").write_text("raise SystemExit('not for headrace')\n")
    # Wrong settings: no gateway is started, all else is as ever.
    (home / "headrace/config/config.toml").write_text("prot = 3\n")
    env = {
        "PATH": f"{home / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "HEADRACE_HOME": str(home / "headrace"),
        "PYTHONPATH": str(home / "path"),
    }
    return Person(home, shell, env)


@EACH
def test_words_status_and_input_are_those_that_were_typed(person: Person) -> None:
    with person.types() as typist:
        said, code = typist.run("uv status 7 'a  b' '' '*' '$HOME' \"it's\" -- --help")
        assert code == 7
        assert "<status><7><a  b><><*><$HOME><it's><--><--help>" in said.splitlines(), said
        said, code = typist.run("echo 'what came in' | uv read")
        assert "what came in" in said.splitlines()
        assert code == 0


@ONE
def test_a_gateway_that_cannot_start_is_one_line_and_the_tool_runs(person: Person) -> None:
    with person.types() as typist:
        said, code = typist.run("uv status 3")
    assert code == 3
    told = [line for line in said.splitlines() if line.startswith("headrace:")]
    assert len(told) == 1
    # Its path is longer than the terminal is wide, so it is folded.
    assert "runs without headrace" in " ".join(said.split())
    assert "by headrace" in said


@ONE
def test_what_fetches_nothing_is_the_tool_itself(person: Person) -> None:
    with person.types() as typist:
        said, _ = typist.run("uv cache dir")
    assert "<cache><dir>" in said
    assert "headrace:" not in said
    assert "by headrace" not in said


@EACH
def test_a_job_is_stopped_continued_and_ended_from_the_keyboard(person: Person) -> None:
    with person.types() as typist:
        typist.type("uv wait\n")
        typist.wait("began")
        typist.type("\x1a")
        said, _ = typist.run("jobs")
        assert "topped" in said or "suspended" in said, said
        typist.type("fg\n")
        typist.wait("goes on")
        typist.type("\x03")
        said, _ = typist.run("jobs")
        assert "wait" not in said
        if person.shell == "fish":
            return  # which starts no function in the background
        typist.run("uv wait >/dev/null 2>&1 &")
        # Whom a signal reached is gone, and so is the job.
        typist.run("kill %1; wait")
        said, _ = typist.run("jobs")
        assert "wait" not in said


@ONE
def test_the_tool_itself_is_there_by_its_other_ways(person: Person) -> None:
    with person.types() as typist:
        assert "by headrace" in typist.run("uv status 0")[0]
        said, code = typist.run("command uv status 4")
        assert (code, "by headrace" in said) == (4, False)
        assert typist.run("which uv")[1] == 0
        said, _ = typist.run("env uv status 0")
        assert "by headrace" not in said
        # What it starts has no functions but its own.
        said, _ = typist.run("uv again")
        assert said.count("by headrace") == 1, said


@EACH
def test_a_function_of_the_users_stays(person: Person) -> None:
    own = (
        "function uv; echo mine $argv; end" if person.shell == "fish" else "uv() { echo mine $1; }"
    )
    with person.types(before=own) as typist:
        assert "mine one" in typist.run("uv one")[0].splitlines()


@ONE
def test_an_alias_of_the_users_stays_and_what_it_stands_for_is_led(person: Person) -> None:
    if person.shell == "fish":
        return  # where an alias is a function
    with person.types(before="alias uv='uv status 5'") as typist:
        said, code = typist.run("uv more")
    assert code == 5
    assert "<status><5><more>" in said.splitlines()
    assert "by headrace" in said.splitlines()


@ONE
def test_a_tool_that_is_not_there_gets_no_function(person: Person) -> None:
    (person.home / "bin/uv").rename(person.home / "bin/poetry")
    has = "functions -q" if person.shell == "fish" else "typeset -f"
    with person.types() as typist:
        assert typist.run(f"{has} poetry")[1] == 0
        assert typist.run(f"{has} uv")[1] == 1
        assert typist.run("uv")[1] == 127


@EACH
def test_a_shell_that_nobody_types_into_has_none(person: Person) -> None:
    asked = f"{evaluated(person.shell)}\nuv status 6"
    done = subprocess.run(
        [shutil.which(person.shell) or pytest.skip(lacks("programs", person.shell)), "-c", asked],
        capture_output=True,
        text=True,
        check=False,
        env=person.env,
    )
    assert (done.returncode, done.stdout, done.stderr) == (6, "<status><6>\n", "")


@EACH
def test_when_headrace_is_gone_the_tool_runs_as_if_it_had_never_been(
    person: Person, tmp_path: Path
) -> None:
    folder = tmp_path / "it's a place"
    folder.mkdir()
    program, module = folder / "python", folder / "__main__.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    module.touch()
    command = [str(program), "-E", "-P", "-m", "headrace.cli"]
    written = tmp_path / "functions"
    written.write_text(functions.text(person.shell, command, str(module), ["uv"]))
    with person.types(line=f". '{written}'") as typist:
        assert "by headrace" in typist.run("uv status 0")[0]
        module.unlink()
        said, code = typist.run("uv status 8")
    assert code == 8
    assert "<status><8>" in said.splitlines()
    assert "headrace" not in said


@ONE
def test_what_completes_a_tools_words_goes_on_doing_so(person: Person) -> None:
    known = {
        "bash": "complete -W 'status sync' uv",
        "zsh": "autoload -U compinit; compinit -u -D\n"
        "compdef '_arguments \"1:what:(status sync)\"' uv",
        "fish": "complete -c uv -f -a 'status sync'",
    }[person.shell]
    with person.types(before=known) as typist:
        if person.shell == "fish":
            assert "status" in typist.run("complete -C 'uv st'")[0].splitlines()
            return
        typist.type("uv stat\t")
        typist.wait("uv status ")
        assert typist.run("9")[1] == 9


@ONE
def test_uv_lock_as_it_is_typed_names_the_origin_and_goes_through_the_gateway(
    make_user: MakeUser, shell: str
) -> None:
    user = make_user()
    uv = Uv(UVS[-1], user.box)
    text = (user.project / "pyproject.toml").read_text("utf-8")
    text += f'\n[[tool.uv.index]]\nurl = "{user.world.origin}"\ndefault = true\n'
    (user.project / "pyproject.toml").write_text(text, "utf-8")
    env: Mapping[str, str] = {
        **user.box.variables,
        "PATH": f"{Path(uv.binary).parent}{os.pathsep}{user.box.variables['PATH']}",
    }
    with Typist(shell, user.box.home, env, evaluated(shell)) as typist:
        said, code = typist.run(f"cd {user.project}; uv lock")
    assert code == 0, said
    lock = (user.project / "uv.lock").read_bytes()
    assert user.world.files.url.encode() in lock
    agents = {seen.headers["user-agent"].partition("/")[0] for seen in user.world.pages.seen}
    assert agents == {"headrace"}
