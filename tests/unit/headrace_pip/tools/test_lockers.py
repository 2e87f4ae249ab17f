"""Which commands write the index that they ask into a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface import Place, Scope
from headrace_pip import at_start
from headrace_pip.tools.lockers import is_locker, reaches_nested_ones


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


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("make lock", True),
        ("tox run -e lock", True),
        ("python setup.py", True),
        ("/x/bin/pip3.12 install app", False),
        ("python -m pip install app", False),
    ],
)
def test_what_may_start_one_hands_on_how_to_tell(
    command: str,
    told: bool,  # noqa: FBT001 - a table
) -> None:
    env, words = {"PYTHONPATH": "/a::/b"}, tuple(command.split())
    place = Place(Scope.USER, Path("/h"), env, "linux", Path("/w"), words)
    variables = reaches_nested_ones(place)
    folder = Path(at_start.__file__).parent
    assert variables == ({"PYTHONPATH": f"{folder}:/a:/b"} if told else {})
