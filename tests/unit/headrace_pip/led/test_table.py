"""By which way a command is led, and what is led before a program of its user's."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from headrace.interface.leading import LedBy, LedCommand, which_way
from headrace_conda.tools import led as conda
from headrace_docker.engines import led as docker
from headrace_pip.led import table
from lib.places import place

TOOLS = [*table.every(), *conda.every(), *docker.every()]


def led(base: Path, words: str) -> LedCommand:
    """Ask as `run` does; files are those below the folder."""

    def read(path: Path) -> bytes | None:
        return path.read_bytes() if path.is_file() else None

    return which_way(shlex.split(words), TOOLS, place(base), read)


@pytest.mark.parametrize(
    ("words", "way"),
    [
        ("uv sync", LedBy.PROXY),
        ("/usr/bin/uv --directory run lock", LedBy.PROXY),
        ("uv --no-cache pip install run", LedBy.SETTINGS),
        ("uv pip compile requirements.in", LedBy.PROXY),
        ("uv tool install ruff", LedBy.PROXY),
        ("uv tool run ruff", LedBy.ALONE),
        ("uv.exe run x", LedBy.ALONE),
        ("uvx ruff", LedBy.ALONE),
        ("python3.12 -m uv sync", LedBy.PROXY),
        ("python -m pip install x", LedBy.SETTINGS),
        ("python train.py", LedBy.SETTINGS),
        ("python -m poetry run x", LedBy.ALONE),
        ("pip3.11 install x", LedBy.SETTINGS),
        ("poetry -C run lock", LedBy.PROXY),
        ("poetry run x", LedBy.ALONE),
        ("pdm sync", LedBy.PROXY),
        ("hatch env create", LedBy.PROXY),
        ("pipenv shell", LedBy.ALONE),
        ("pipenv lock", LedBy.PROXY),
        ("pip-compile", LedBy.PROXY),
        ("conda install x", LedBy.SETTINGS),
        ("micromamba -n env install x", LedBy.PROXY),
        ("mamba run x", LedBy.ALONE),
        ("pixi install", LedBy.PROXY),
        ("podman run x", LedBy.SETTINGS),
        ("make all", LedBy.PROXY),
        ("npm ci", LedBy.PROXY),
    ],
)
def test_way_is_told_by_the_tool_and_its_subcommand(tmp_path: Path, words: str, way: LedBy) -> None:
    assert led(tmp_path, words).way is way


NOTHING = "-- python -c ''"


@pytest.mark.parametrize(
    ("words", "before"),
    [
        ("uv run train.py --x run", f"uv run {NOTHING}"),
        ("uv run -- train.py", f"uv run {NOTHING}"),
        ("uv run --with a -p 3.12 -m pytest -q", f"uv run --with a -p 3.12 {NOTHING}"),
        ("uv --project p run --extra cpu run", f"uv --project p run --extra cpu {NOTHING}"),
        ("uv run -", ""),
        ("uv run", ""),
        ("uv run own.py 1", "uv sync --script own.py"),
        ("uv run --with a own.py", ""),
        ("uv run -m own.py", f"uv run {NOTHING}"),
        ("uvx -p 3.12 ruff@0.5 check", "uvx -p 3.12 --from ruff@0.5 python -c ''"),
        ("uv tool run --from ruff run", "uv tool run --from ruff python -c ''"),
        ("hatch run test:pytest", "hatch env create test"),
        ("hatch run pytest", "hatch env create"),
        ("hatch -p d shell", "hatch -p d env create"),
        ("pixi run --manifest-path m train run", "pixi install --manifest-path m"),
        ("pixi exec x", ""),
        ("poetry run x", ""),
        ("pdm run x", ""),
    ],
)
def test_what_is_led_first_fetches_and_starts_nothing(
    tmp_path: Path, words: str, before: str
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "own.py").write_text("# /// script\n# dependencies = []\n# ///\n")
    (tmp_path / "work" / "train.py").write_text("import torch\n")
    assert led(tmp_path, words).before == tuple(shlex.split(before))
