"""``headrace run -- COMMAND``: from the start of its gateway to the last that it clears up."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loopback import free_port
from benchmarks.peers.headrace import configure, own_program
from benchmarks.stage import Outcome, Stage

__all__ = ["RECORD", "LedUser"]

#: What `headrace on` remembers of the tools' origins: a program.
RECORD = (
    "import os; from headrace.cli.context import Context; "
    "from headrace.cli.setup.discovery import discover; context = Context(dict(os.environ)); "
    "context.state.record_origins(discover(context))"
)


@dataclass(frozen=True, slots=True)
class LedUser:
    """A user whose pip knows `origin` as its index, and who has no gateway yet."""

    stage: Stage
    origin: str
    mirrors: Mapping[str, str]
    """Base URLs by id."""
    gateway: bool = False
    """Whether a gateway of the user's own is up."""

    def run(
        self, contender: str, words: Sequence[str], folder: Path, *, keep: Path | None = None
    ) -> Outcome:
        """Run a command in a folder, which is its home too. Nothing is known before, nor has a
        gateway that is up been asked for anything. What headrace logged is copied to `keep`.
        """
        home = folder / "headrace"
        home.mkdir()
        configure(home, self.mirrors, public=f"{self.origin}/simple")
        pip = folder / ".config" / "pip"
        pip.mkdir(parents=True)
        (pip / "pip.conf").write_text(f"[global]\nindex-url = {self.origin}/simple\n")
        python_path = os.environ.get("PYTHONPATH", "")
        port = str(free_port())
        env = {
            "HEADRACE_HOME": str(home),
            "HEADRACE_PORT": port,
            "HEADRACE_LOG": os.environ.get("HEADRACE_LOG", "info"),
            "PYTHONDONTWRITEBYTECODE": "",
            **({"PYTHONPATH": python_path} if python_path else {}),
        }

        def aside(*command: str) -> None:
            outcome = self.stage.run("beside", command, folder, **env)
            if not outcome.good:
                raise RuntimeError(f"{command[-1]}: {outcome.told}")

        with ExitStack() as ending:
            if self.gateway:
                aside(sys.executable, "-c", RECORD)
                aside(*own_program(), "gateway", "--detach", "--port", port)
                ending.callback(aside, *own_program(), "gateway", "--stop")
            led = [*own_program(), "run", "--quiet", "--", *words]
            outcome = self.stage.run(contender, led, folder, **env)
        if keep is not None:
            keep.parent.mkdir(parents=True, exist_ok=True)
            for log in home.rglob("*.log"):
                shutil.copy(log, keep)
        return outcome
