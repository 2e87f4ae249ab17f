"""``headrace run -- COMMAND``: from the start of its gateway to the last that it clears up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loopback import free_port
from benchmarks.peers.headrace import configure, own_program
from benchmarks.stage import Outcome, Stage

__all__ = ["LedUser"]


@dataclass(frozen=True, slots=True)
class LedUser:
    """A user whose pip knows `origin` as its index, and who has no gateway yet."""

    stage: Stage
    origin: str
    mirrors: Mapping[str, str]
    """Base URLs by id."""

    def run(
        self, contender: str, words: Sequence[str], folder: Path, *, keep: Path | None = None
    ) -> Outcome:
        """Run a command in a folder, which is its home too. Nothing is known before. What headrace
        logged is copied to `keep`.
        """
        home = folder / "headrace"
        home.mkdir()
        configure(home, self.mirrors, public=f"{self.origin}/simple")
        pip = folder / ".config" / "pip"
        pip.mkdir(parents=True)
        (pip / "pip.conf").write_text(f"[global]\nindex-url = {self.origin}/simple\n")
        python_path = os.environ.get("PYTHONPATH", "")
        outcome = self.stage.run(
            contender,
            [*own_program(), "run", "--quiet", "--", *words],
            folder,
            HEADRACE_HOME=str(home),
            HEADRACE_PORT=str(free_port()),
            HEADRACE_LOG=os.environ.get("HEADRACE_LOG", "info"),
            PYTHONDONTWRITEBYTECODE="",
            **({"PYTHONPATH": python_path} if python_path else {}),
        )
        if keep is not None:
            keep.parent.mkdir(parents=True, exist_ok=True)
            for log in home.rglob("*.log"):
                shutil.copy(log, keep)
        return outcome
