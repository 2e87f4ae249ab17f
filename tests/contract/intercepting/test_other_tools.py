"""poetry, pdm, pipenv, hatch and pip-tools: each lock is the one that it would have made alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.clients import installed
from lib.serving.faults import large

from .conftest import LedUser, MakeUser
from .test_surroundings import told

#: What each reads of its project.
POETRY = """
[[tool.poetry.source]]
name = "here"
url = "{origin}"
priority = "primary"

[tool.poetry]
package-mode = false
"""
PDM = """
[[tool.pdm.source]]
name = "pypi"
url = "{origin}"

[tool.pdm]
distribution = false

[tool.pdm.scripts]
start = "python tell.py"
"""
PIPENV = """
[[source]]
name = "pypi"
url = "{origin}"
verify_ssl = true

[packages]
large = "*"
small = "*"
"""
HATCH = """
[tool.hatch.envs.default]
skip-install = true
dependencies = ["large", "small"]
"""
#: Prints its whole environment, and has what it needs.
TELL = "import large, os, json; print(json.dumps(dict(os.environ)))"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of one version, as it is used here."""

    name: str
    requirements: tuple[str, ...]
    settings: str
    lock: tuple[str, ...]
    install: tuple[str, ...]
    file: str = "pyproject.toml"
    """Where its settings stand."""
    locked: str = ""
    """What it writes down; as it is called, unless said."""
    program: str = ""
    runs: tuple[tuple[str, ...], ...] = (("run", "python", "tell.py"),)
    """Commands that start a program of the user's."""


def prepared(user: LedUser, tool: Tool) -> Path:
    path = user.project / tool.file
    before = path.read_text("utf-8") if path.exists() else ""
    path.write_text(before + tool.settings.format(origin=user.world.origin), "utf-8")
    # Not the environment of the test: each tool makes one of its own.
    user.box.variables.pop("VIRTUAL_ENV")
    user.box.variables |= {"POETRY_VIRTUALENVS_IN_PROJECT": "1", "PIPENV_VENV_IN_PROJECT": "1"}
    user.box.variables |= {"HATCH_DATA_DIR": str(user.project / ".venv" / "hatch")}
    return user.project


def forget_caches(user: LedUser) -> None:
    for folder in (".cache", ".venv"):
        shutil.rmtree(user.box.home / folder, ignore_errors=True)
        shutil.rmtree(user.project / folder, ignore_errors=True)


TOOLS = [
    Tool("pdm", ("2.29.4", "hishel[httpx2]==1.4.0"), PDM, ("lock",), ("sync",), runs=(("start",),)),
    Tool("poetry", ("2.5.1",), POETRY, ("lock",), ("install",)),
    Tool(
        "pipenv",
        ("2026.10.3",),
        PIPENV,
        ("lock",),
        ("sync",),
        file="Pipfile",
        locked="Pipfile.lock",
    ),
    Tool(
        "pip-tools",
        ("7.6.2",),
        "large\nsmall\n",
        ("--generate-hashes", "--strip-extras", "-q", "needed.in"),
        (),
        file="needed.in",
        locked="needed.txt",
        program="pip-compile",
        runs=(),
    ),
]


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param(
            tool, id=tool.name, marks=() if tool.name == "pip-tools" else pytest.mark.nightly
        )
        for tool in TOOLS
    ],
)
def test_lock_is_the_plain_one_files_come_from_mirrors_and_a_program_is_left_alone(
    make_user: MakeUser, tool: Tool
) -> None:
    user = make_user()
    program = installed(tool.name, *tool.requirements, program_name=tool.program)
    made = prepared(user, tool) / (tool.locked or f"{tool.name}.lock")
    user.plain(program, *tool.lock).ok()
    plain = made.read_bytes()
    assert b"large" in plain
    made.unlink()
    forget_caches(user)
    user.world.pages.forget()
    user.led(program, *tool.lock).ok()
    assert made.read_bytes() == plain
    # What has another form than the one that is kept is the tool's own request.
    asked = {
        seen.path for seen in user.world.pages.seen if "headrace" in seen.headers["user-agent"]
    }
    assert {"/simple/large/", "/simple/small/"} <= asked
    forget_caches(user)
    user.world.files.forget()
    if tool.install:
        result = user.led(program, *tool.install).ok()
        assert user.own_words() < len(large().data) / 2, result.told()
    for words in tool.runs:
        left_alone(user, program, *words)
    user.world.assert_polite()


def left_alone(user: LedUser, program: Path, *words: str) -> None:
    user.box.write("project/tell.py", TELL)
    led, plain = (run(program, *words).ok() for run in (user.led, user.plain))
    assert told(led.out) == told(plain.out)


@pytest.mark.nightly
def test_environment_of_hatch_comes_from_mirrors_and_its_program_is_left_alone(
    make_user: MakeUser,
) -> None:
    user = make_user()
    tool = Tool("hatch", ("1.18.2",), HATCH, (), ())
    program = installed(tool.name, *tool.requirements)
    prepared(user, tool)
    left_alone(user, program, "run", "python", "tell.py")
    assert user.own_words() < len(large().data) / 2
    assert user.world.at_mirrors()


@pytest.mark.nightly
def test_pip_sync_has_its_files_from_mirrors_by_settings_of_pips(make_user: MakeUser) -> None:
    user = make_user()
    compiler = installed("pip-tools", "7.6.2", program_name="pip-compile")
    user.box.write("project/needed.txt", "large==1.0\nsmall==1.0\n")
    user.plain(compiler.with_name("python"), "-m", "venv", "env").ok()
    sync = compiler.with_name("pip-sync")
    result = user.led(sync, "--python-executable", "env/bin/python", "needed.txt").ok()
    assert user.own_words() < len(large().data) / 2, result.told()
    assert user.world.at_mirrors()
