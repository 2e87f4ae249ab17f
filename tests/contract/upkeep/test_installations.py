"""Upgraded, downgraded, installed again or twice while it is on, or deleted: real installations of
several versions, of one user's.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.clients import PIPS, Environment, Pip, Result
from lib.gateway import headrace as headrace_of_the_tests
from lib.holders import living
from lib.serving.ports import free_port
from lib.versions.installations import Installation
from lib.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the folders are those of Linux")


#: The doctor's two checks of the gateway alone: the others ask the network.
MEND = """
import os
from headrace.cli.checks import kept_state, network
from headrace.cli.context import Context
from headrace.cli.mending import fixes
context = Context(dict(os.environ))
found = [*kept_state.service(context), *network.gateway(context)]
print(*(f"{each.check}:{each.level}" for each in found))
print(*(each.trouble for each in fixes.mend(context, fixes.offered(found))))
print(*(f"{each.check}:{each.level}" for each in network.gateway(context)))
"""


class User:
    """A home in which pip is there, and files of the user's own."""

    def __init__(self, root: Path) -> None:
        self.environment = Environment(root / "user")
        pip = Pip(PIPS[-1], self.environment)
        program = self.environment.scripts / "pip"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(pip.command())} "$@"\n')
        program.chmod(0o755)
        self.environment.variables["HEADRACE_PORT"] = str(free_port())
        self.home = self.environment.home
        (self.home / ".config" / "pip").mkdir(parents=True)
        (self.home / ".config" / "pip" / "pip.conf").write_text("[global]\ntimeout = 20\n", "utf-8")
        (self.home / ".bashrc").write_text("alias l=ls\n", "utf-8")

    def files(self) -> dict[str, bytes | None]:
        """Give what is in the home, folders too."""
        found = {}
        for path in sorted(self.home.rglob("*")):
            name = str(path.relative_to(self.home))
            found[name] = path.read_bytes() if path.is_file() else None
        return {name: content for name, content in found.items() if not name.startswith("tmp")}

    def table(self, done: Result) -> Any:
        assert done.out, done.told()
        return json.loads(done.out)

    def gateway(self, headrace: Installation) -> Any:
        return self.table(headrace.run(self.environment, "status", "--json"))["gateway"]

    def sees(self, headrace: Installation, version: str) -> None:
        """Wait until the worker of a version is there: `on` lets the one of before end its work."""
        until(lambda: self.gateway(headrace)["version"] == version)

    def found(self, headrace: Installation, *words: str) -> dict[str, dict[str, Any]]:
        told = self.table(headrace.run(self.environment, "doctor", "--json", *words))
        return {each["check"]: each for each in told["findings"]}


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    made = User(tmp_path)
    yield made
    made.environment.run(*headrace_of_the_tests(), "off", "--force", timeout=300)
    while living(str(tmp_path)):
        time.sleep(0.05)


def test_a_gateway_that_is_gone_is_mended_and_uninstalled_it_leaves_nothing_of_its_own(
    user: User,
) -> None:
    def headrace(*words: str) -> Result:
        return user.environment.run(*headrace_of_the_tests(), *words, timeout=300)

    with (user.home / ".bashrc").open("a", encoding="utf-8") as file:
        file.write('eval "$(headrace completion bash)"\n')
    before = user.files()
    headrace("on").ok()
    state = user.home / ".local/state/headrace"
    headrace("gateway", "--stop").ok()
    (state / "keeper" / "holder.py").unlink()
    mended = user.environment.run(sys.executable, "-c", MEND, timeout=300).ok()
    was, trouble, now = mended.out.splitlines()
    assert was.split()[:2] == ["service:warning", "gateway:failure"]
    assert (trouble, now.split()[0]) == ("None", "gateway:ok")
    mine = state / "mine.txt"
    mine.write_text("a user's", "utf-8")
    shown = headrace("self", "uninstall")
    assert shown.code == 3
    assert f"keep       {mine}: not headrace's" in shown.out
    assert "Nothing was changed" in shown.out
    assert json.loads(headrace("status", "--json").out)["gateway"]["up"]
    done = headrace("self", "uninstall", "--yes").ok()
    assert f"{mine}: left" in done.out
    assert f"line 2 of {user.home / '.bashrc'} is of headrace, and written by you" in done.out
    mine.unlink()
    headrace("self", "uninstall", "--yes").ok()
    assert user.files() == before


@pytest.mark.nightly
def test_upgraded_installed_again_and_downgraded_while_it_is_on_it_leaves_nothing(
    user: User, tmp_path: Path
) -> None:
    before = user.files()
    headrace = Installation(tmp_path / "venv", "1.0")
    headrace.run(user.environment, "on").ok()
    assert user.gateway(headrace)["version"] == "1.0"
    for version in ("2.0", "1.5"):
        headrace.install(version)
        # Installs go on: what runs still is of before, and says so.
        assert user.gateway(headrace)["up"]
        headrace.run(user.environment, "on").ok()
        user.sees(headrace, version)
        assert user.found(headrace)["installation"]["level"] == "ok"
    done = headrace.run(user.environment, "self", "uninstall", "--yes").ok()
    assert f"{headrace.python} -m pip uninstall headrace" in done.out
    assert user.files() == before


@pytest.mark.nightly
def test_of_two_installations_the_second_says_so_and_one_gives_back_what_the_other_wrote(
    user: User, tmp_path: Path
) -> None:
    before = user.files()
    first, second = (Installation(tmp_path / name, name) for name in ("1.0", "2.0"))
    first.run(user.environment, "on").ok()
    found = user.found(second, "--fix", "--yes")["installation"]
    assert found["level"] == "warning"
    assert f"set up by another headrace, 1.0 in {first.packages}" in found["text"]
    assert user.gateway(second)["version"] == "1.0"  # nothing was taken over unasked
    told = second.run(user.environment, "on").ok().out
    assert f"another headrace, 1.0 in {first.packages}" in told.replace("\n", " ")
    user.sees(first, "2.0")

    shutil.rmtree(second.folder)
    found = user.found(first)["installation"]
    assert f"headrace 2.0 in {second.packages}, which is gone" in found["text"]
    assert found["fix"]
    assert user.found(first, "--fix", "--yes")["installation"]["level"] == "ok"
    user.sees(first, "1.0")

    shutil.rmtree(first.folder)
    third = Installation(tmp_path / "elsewhere", "3.0")
    third.run(user.environment, "self", "uninstall", "--yes").ok()
    assert user.files() == before
