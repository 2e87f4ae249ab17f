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
        ("uv run -m pip install x", LedBy.ALONE),
        ("uv run python -m poetry lock", LedBy.ALONE),
        ("uv --preview-features run lock", LedBy.PROXY),
        ("uv auth token x", LedBy.OFFLINE),
        ("python -X utf8 -m uv sync", LedBy.PROXY),
        ("python train.py -m uv sync", LedBy.SETTINGS),
        ("python -c x -m uv sync", LedBy.SETTINGS),
        ("nice python -m uv sync", LedBy.PROXY),
        ("poetry source show", LedBy.OFFLINE),
        ("poetry self show", LedBy.PROXY),
        # A script of the project's, which pdm runs by its name alone.
        ("pdm start", LedBy.ALONE),
        ("pdm -c lock start", LedBy.ALONE),
        ("pdm py install 3.12", LedBy.PROXY),
        ("pdm python list", LedBy.OFFLINE),
        ("pdm venv create", LedBy.PROXY),
        ("pdm --pep582", LedBy.ALONE),
        ("hatch env run -e x -- train", LedBy.ALONE),
        ("hatch -e run dep sync", LedBy.PROXY),
        ("hatch test run", LedBy.ALONE),
        ("hatch env show", LedBy.OFFLINE),
        ("pipenv open requests", LedBy.ALONE),
        ("pipenv --venv", LedBy.OFFLINE),
        ("pipenv install --venv", LedBy.PROXY),
        ("pipenv --python run install", LedBy.PROXY),
        ("pip-sync", LedBy.SETTINGS),
        ("python -m piptools sync", LedBy.SETTINGS),
        ("python -m piptools compile", LedBy.PROXY),
        ("micromamba shell", LedBy.ALONE),
        ("micromamba shell hook -s bash", LedBy.OFFLINE),
        ("micromamba --log-level run env create", LedBy.PROXY),
        ("micromamba env export", LedBy.OFFLINE),
        ("pixi r train", LedBy.ALONE),
        ("pixi s", LedBy.ALONE),
        ("pixi x ruff", LedBy.ALONE),
        ("pixi g install ruff", LedBy.PROXY),
        ("pixi shell-hook", LedBy.PROXY),
        ("pixi --manifest-path run install", LedBy.PROXY),
        ("pixi --list", LedBy.OFFLINE),
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
        ("uv run -s own", "uv sync --script own"),
        ("uv run --frozen -p 3.12 own.py", "uv sync --frozen -p 3.12 --script own.py"),
        ("uv run --with=a own.py", ""),
        ("uv --python-preference system run x", f"uv --python-preference system run {NOTHING}"),
        ("uvx --constraint c ruff", "uvx --constraint c --from ruff python -c ''"),
        ("python -m uv run x", f"python -m uv run {NOTHING}"),
        ("python -m hatch run x", "python -m hatch run python -c ''"),
        ("hatch run test:pytest", "hatch run test:python -c ''"),
        ("hatch run a:b:pytest -x", "hatch run a:b:python -c ''"),
        ("hatch run pytest", "hatch run python -c ''"),
        ("hatch -e run run pytest", "hatch -e run run python -c ''"),
        ("hatch run +py=3.12 -v=1 test:pytest", "hatch run +py=3.12 -v=1 test:python -c ''"),
        ("hatch run :pytest", ""),
        ("hatch run own.py", ""),
        ("hatch run train.py", "hatch run python -c ''"),
        ("hatch run --help", ""),
        ("hatch run", ""),
        ("hatch env run -e t -i v=1 -- x -e", "hatch env run -e t -i v=1 -- python -c ''"),
        ("hatch env run x", "hatch env run -- python -c ''"),
        ("hatch env run", ""),
        ("hatch -p d shell", "hatch -p d run python -c ''"),
        ("hatch shell --name bash test", "hatch run test:python -c ''"),
        ("hatch test run", ""),
        ("pixi shell --manifest-path m", "pixi install --manifest-path m"),
        ("pixi r --frozen -e gpu train --locked", "pixi install --frozen -e gpu"),
        ("pixi -e gpu s --locked", "pixi install -e gpu --locked"),
        ("pixi run --environment=gpu train", "pixi install --environment=gpu"),
        ("pixi run --as-is train", ""),
        ("pixi run --no-install train", ""),
        ("pixi run --script x.py", ""),
        ("pixi run -n train", ""),
        ("pixi run", ""),
        ("pixi run --concurrent-downloads 2 train", "pixi install --concurrent-downloads 2"),
        ("pixi exec x", ""),
        ("poetry run x", ""),
        ("pdm run x", ""),
    ],
)
def test_what_is_led_first_fetches_and_starts_nothing(
    tmp_path: Path, words: str, before: str
) -> None:
    (tmp_path / "work").mkdir()
    for name in ("own.py", "own"):
        (tmp_path / "work" / name).write_text("# /// script\n# dependencies = []\n# ///\n")
    (tmp_path / "work" / "train.py").write_text("import torch\n")
    assert led(tmp_path, words).before == tuple(shlex.split(before))


def test_environment_of_a_task_that_only_pixi_can_choose_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "work" / "deep").mkdir(parents=True)
    text = """
[tasks]
lint = "ruff"
[feature.gpu.tasks]
train = "python train.py"
[feature.gpu.target.linux-64.tasks]
bench = "python bench.py"
[environments]
gpu = ["gpu"]
"""
    (tmp_path / "work" / "pixi.toml").write_text(text)
    for task in ("train", "bench"):
        assert led(tmp_path, f"pixi run {task}").before == ()
    assert led(tmp_path, "pixi run -e gpu train").before == ("pixi", "install", "-e", "gpu")
    assert led(tmp_path, "pixi run lint").before == ("pixi", "install")
    assert led(tmp_path, "pixi run --manifest-path other train").before == ()
    (tmp_path / "work" / "pixi.toml").write_text("[tasks")
    assert led(tmp_path, "pixi run lint").before == ()
