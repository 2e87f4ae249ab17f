"""Run a program that may hang, crash or talk without end, and come back in time whatever it does.

`subprocess.run` will not do: after its time limit it waits for the killed process, and one that
hangs in a driver cannot be killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from headrace.values import dataclass

__all__ = ["ProcessResult", "run"]

#: Bytes of output that are worth reading.
_LIMIT = 1 << 18


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How it went. `output` is what was said until the end, or until the limit."""

    output: str
    code: int | None = None
    """Exit status, negative for a signal; None: it was not started or not waited for."""
    late: bool = False
    """The time limit passed."""
    trouble: str = ""
    """For people; empty where it ended by itself with status 0."""

    @property
    def crashed(self) -> bool:
        """True where a signal ended it, and not one of ours."""
        return not self.late and self.code is not None and self.code < 0


def run(argv: Sequence[str], env: Mapping[str, str], timeout: float) -> ProcessResult:
    """Run `argv` for at most `timeout` seconds; it and its children are killed after that."""
    deadline = time.monotonic() + timeout
    try:
        process = subprocess.Popen(  # noqa: S603 - our own child, or a program from the path
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return ProcessResult(
            "", trouble=f"cannot be started: {getattr(error, 'strerror', None) or error}"
        )
    said = bytearray()
    silent, ended = threading.Event(), threading.Event()
    arguments = (process, said, silent, ended)
    threading.Thread(target=_attend, args=arguments, daemon=True).start()
    late = not silent.wait(timeout)
    talks = len(said) > _LIMIT
    if not late and not talks:
        late = not ended.wait(max(0.0, deadline - time.monotonic()))
    if late or talks:
        _kill(process)
        silent.wait(0.2)
    output = bytes(said[:_LIMIT]).decode("utf-8", "replace")
    if late:
        return ProcessResult(output, late=True, trouble=f"no answer within {timeout:g} s")
    if talks:
        return ProcessResult("", trouble="talks without end")
    return ProcessResult(output, process.returncode, trouble=_trouble(process.returncode))


def _attend(
    process: subprocess.Popen[bytes],
    said: bytearray,
    silent: threading.Event,
    ended: threading.Event,
) -> None:
    """Read until the end of the output, then wait for the process, however long that takes."""
    assert process.stdout is not None
    with process.stdout as stream, contextlib.suppress(OSError, ValueError):
        while len(said) <= _LIMIT and (block := os.read(stream.fileno(), 1 << 14)):
            said += block
    silent.set()
    process.wait()
    ended.set()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _trouble(code: int | None) -> str:
    if not code:
        return ""
    if code > 0:
        return f"ended with status {code}"
    try:
        return f"crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"crashed (signal {-code})"
