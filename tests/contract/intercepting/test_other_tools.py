"""poetry, pdm, pipenv, hatch and pip-tools: each lock is the one that it would have made alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.clients import installed
from lib.serving.faults import large

from .conftest import LedUser, MakeUser

#: What each writes down, the commands that make it and install it, and its own settings.
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
"""


def prepared(user: LedUser, text: str) -> Path:
    path = user.project / "pyproject.toml"
    path.write_text(path.read_text("utf-8") + text.format(origin=user.world.origin), "utf-8")
    # Not the environment of the test: each tool makes one of its own.
    user.box.variables.pop("VIRTUAL_ENV")
    user.box.variables |= {"POETRY_VIRTUALENVS_IN_PROJECT": "1", "PIPENV_VENV_IN_PROJECT": "1"}
    return user.project


def forget_caches(user: LedUser) -> None:
    for folder in (".cache", ".venv"):
        shutil.rmtree(user.box.home / folder, ignore_errors=True)
        shutil.rmtree(user.project / folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of one version, as it is used here."""

    name: str
    requirements: tuple[str, ...]
    settings: str
    lock: str
    install: str


TOOLS = [
    Tool("poetry", ("2.5.1",), POETRY, "lock", "install"),
    # A newer hishel lacks what this pdm imports of it.
    Tool("pdm", ("2.29.4", "hishel[httpx2]==1.4.0"), PDM, "lock", "sync"),
]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_lock_is_the_plain_one_and_files_come_from_mirrors(make_user: MakeUser, tool: Tool) -> None:
    user = make_user()
    program = installed(tool.name, *tool.requirements)
    made = prepared(user, tool.settings) / f"{tool.name}.lock"
    user.plain(program, tool.lock).ok()
    plain = made.read_bytes()
    assert b"large" in plain
    made.unlink()
    forget_caches(user)
    user.world.pages.forget()
    user.led(program, tool.lock).ok()
    assert made.read_bytes() == plain
    assert user.world.pages.seen
    assert all(each.headers["user-agent"].startswith("headrace/") for each in user.world.pages.seen)
    forget_caches(user)
    user.world.files.forget()
    result = user.led(program, tool.install).ok()
    assert user.own_words() < len(large().data) / 2, result.told()
    user.world.assert_polite()
