"""Which commands write the index that they ask into a file."""

from __future__ import annotations

import pytest

from headrace_pip.tools.lockers import is_locker


@pytest.mark.parametrize(
    "command",
    [
        "pip-compile",
        "/x/venv/bin/pip-compile -q requirements.in",
        "pip-compile.exe",
        "python -m piptools compile",
        "python3.12 -X dev -m pipenv lock",
        "pipenv install app",
        "uvx pip-compile requirements.in",
        "uv tool run pip-compile",
        "pipx run --spec pip-tools pip-compile",
        "env A=1 pip-compile",
    ],
)
def test_locker_is_known(command: str) -> None:
    assert is_locker(command.split())


@pytest.mark.parametrize(
    "command",
    [
        "",
        "pip install pip-tools",
        "pip install pipenv",
        "python -m pip install pipenv",
        "uv pip install pipenv",
        "uv tool install pipenv",
        "pipx install pipenv",
        "python -m",
        "make lock",
    ],
)
def test_what_installs_is_none(command: str) -> None:
    assert not is_locker(command.split())
