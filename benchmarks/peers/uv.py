"""uv, from this interpreter's environment or the search path."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.corpus import Wheel
from benchmarks.stage import Outcome, Stage, scratch

__all__ = ["install", "program", "synced"]


def program() -> str | None:
    """Say where uv is; None: nowhere."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def install(stage: Stage, contender: str, base: str, wheels: Sequence[Wheel]) -> Outcome:
    """``uv pip install`` of these wheels into a folder, with an empty cache."""
    uv = program()
    assert uv is not None
    with scratch() as folder:
        words = [uv, "pip", "install", "--quiet", "--no-deps", "--no-cache", "--no-config"]
        words += ["--python", sys.executable, "--target", "there"]
        words += ["--index-url", f"{base}/simple/"]
        names = [f"{wheel.project}=={wheel.version}" for wheel in wheels]
        outcome = stage.run(contender, [*words, *names], folder)
        modules = [folder / "there" / wheel.project.replace("-", "_") for wheel in wheels]
        there = all((module / "payload.bin").exists() for module in modules)
        return replace(outcome, right=there)


def synced(
    index: str,
    wheels: Sequence[Wheel],
    run: Callable[[list[str], Path], Outcome],
    *,
    lock: str = "",
) -> Outcome:
    """Have `run` perform ``uv sync`` in the folder of a project that requires these wheels from an
    index, with no environment and no cache yet; `lock` is the text of the lock that is committed.
    """
    uv = program()
    assert uv is not None
    with scratch() as folder:
        _project(folder, index, wheels)
        if lock:
            (folder / "uv.lock").write_text(lock)
        outcome = run([uv, "sync", "--quiet", "--no-cache", "--python", sys.executable], folder)
        there = set(folder.glob(".venv/lib/python*/site-packages/*/payload.bin"))
        names = {each.parent.name for each in there}
        right = all(wheel.project.replace("-", "_") in names for wheel in wheels)
        return replace(outcome, right=right)


def locked(index: str, wheels: Sequence[Wheel], stage: Stage) -> str:
    """Give the text of the lock that ``uv lock`` makes for such a project."""
    uv = program()
    assert uv is not None
    with scratch() as folder:
        _project(folder, index, wheels)
        outcome = stage.run("uv lock", [uv, "lock", "--quiet", "--no-cache"], folder)
        if not outcome.good:
            raise RuntimeError(f"uv made no lock: {outcome.told}")
        return (folder / "uv.lock").read_text()


def _project(folder: Path, index: str, wheels: Sequence[Wheel]) -> None:
    needs = "".join(f'  "{wheel.project}=={wheel.version}",\n' for wheel in wheels)
    text = f'[project]\nname = "led"\nversion = "1"\ndependencies = [\n{needs}]\n'
    text += f'requires-python = ">=3.8"\n[[tool.uv.index]]\nurl = "{index}"\ndefault = true\n'
    (folder / "pyproject.toml").write_text(text)
