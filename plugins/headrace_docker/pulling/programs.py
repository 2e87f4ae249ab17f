"""Programs of engines, run in bounds of time and of what they may say; which engine is at hand."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from headrace.interface import LocalError, Place, UsageError, dataclass, meant, printable
from headrace.interface.editing import presence
from headrace_docker.pulling.commands import ENGINES, EngineCommands
from headrace_docker.pulling.failures import lasting

__all__ = ["Said", "engine_at_hand", "is_there", "now", "run", "unused_name", "wait"]

#: Seconds for a short answer.
_SHORT = 20.0
#: Bytes of what a program said that are kept, the last ones, and in all before it is ended.
_KEPT, _MOST = 1 << 20, 64 << 20
_PART = 1 << 16
#: Characters of a line that a sentence may have.
_LINE = 300
#: What engines say after the reason.
_HELP = re.compile(r"(?:Run|See) '[^']{1,60} --help'")
#: Seconds in which a program may clear up after itself.
_GRACE = 5.0
#: Where `headrace on` and containerd have the settings of registries.
_HOSTS = "/etc/containerd/certs.d"


@dataclass(frozen=True, slots=True)
class Said:
    """How a program ended."""

    status: int
    """-1: it did not start."""
    text: str = ""
    """What it said last on standard output."""
    errors: str = ""
    """And on standard error."""
    ended: bool = False
    """By us: it took too long, or said too much."""

    @property
    def last(self) -> str:
        """The last line that it said, of its errors if it had any."""
        said = [line.strip() for line in (self.errors or self.text).splitlines()]
        lines = [line for line in said if line and not _HELP.match(line)]
        return printable(lines[-1])[:_LINE] if lines else f"status {self.status}"


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    patience: float | None = _SHORT,
    given: bytes = b"",
) -> Said:
    """Run a program. `patience` is in seconds, None: it takes what it takes; `given` is its
    standard input.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - an engine's program, from the user's own PATH
            words,
            env=dict(environment),
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        return Said(-1, errors=error.strerror or str(error))
    assert process.stdout is not None
    assert process.stderr is not None
    out, errors = _Listener(process, process.stdout), _Listener(process, process.stderr)
    late = False
    try:
        if process.stdin is not None:
            with contextlib.suppress(OSError), process.stdin:
                process.stdin.write(given)
        process.wait(patience)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        _end(process)
        for each in (out, errors):
            each.thread.join(_SHORT)
    flooded = out.flooded or errors.flooded
    return Said(process.returncode, out.text, errors.text, late or flooded)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it if it runs; podman has locks and half a layer to put away first."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Also where somebody presses Ctrl-C again.
        if process.poll() is None:
            process.kill()
        process.wait()


class _Listener:
    """Reads what a program says as it says it, and keeps the end of it."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes]) -> None:
        self.flooded = False
        self._process, self._pipe, self._heard = process, pipe, bytearray()
        self.thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self.thread.start()

    @property
    def text(self) -> str:
        return bytes(self._heard[-_KEPT:]).decode("utf-8", "replace")

    def _listen(self) -> None:
        total = 0
        with self._pipe:
            while part := os.read(self._pipe.fileno(), _PART):
                total += len(part)
                self._heard += part
                if len(self._heard) > 2 * _KEPT:
                    del self._heard[:-_KEPT]
                if total > _MOST:
                    self.flooded = True
                    self._process.kill()
                    return


# ------------------------------------------------------------------ engines


def engine_at_hand(wanted: str, place: Place) -> EngineCommands:
    """Find the engine: the one that is named, else the first one that answers. UsageError says
    that there are no words for it, LocalError that none is here or answers.
    """
    if wanted and Path(wanted).name not in ENGINES:
        what = f"--engine: {wanted[:60]!r} is none of {', '.join(ENGINES)}"
        hint = "leave it out: the first of them that answers is taken"
        raise UsageError("unknown-engine", what + meant(wanted, ENGINES), hint=hint)
    path = place.environment.get("PATH", "")
    silent = []
    for name in (wanted,) if wanted else ENGINES:
        program = name if "/" in name else presence.which(name, path)
        if program is None:
            continue
        engine = _commands(Path(name).name, str(program), place)
        said = run(engine.answers(), place.environment)
        if said.status == 0:
            return engine
        silent.append((name, said))
    if not silent:
        what = f"{wanted} is not here" if wanted else "no engine of containers is here"
        hint = f"install one of {', '.join(ENGINES)}"
        raise LocalError("no-engine", what, hint=hint)
    name, said = silent[0]
    if error := lasting(said.errors, said.last):
        raise error
    hint = f"`{name} version` asks it again"
    raise LocalError("engine-silent", f"{name} does not answer: {said.last}", hint=hint)


def _commands(name: str, program: str, place: Place) -> EngineCommands:
    if name == "docker" and "podman" in run((program, "--version"), place.environment).text:
        # Debian's podman-docker and its like: podman by docker's name.
        name = "podman"
    hosts = _HOSTS if name == "ctr" and presence.is_folder(Path(_HOSTS)) else ""
    return EngineCommands(name, program, hosts)


def is_there(engine: EngineCommands, place: Place) -> bool:
    """Whether it answers now."""
    return run(engine.answers(), place.environment).status == 0


def now() -> float:
    """Return seconds on a clock that nobody sets."""
    return time.monotonic()


def wait(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def unused_name() -> str:
    """Return a name for a container that nobody else has."""
    return f"headrace-check-{secrets.token_hex(6)}"
