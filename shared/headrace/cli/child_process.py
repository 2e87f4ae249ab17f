"""Run somebody's command as if nobody stood in between: terminal, signals, exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "find", "replace_by", "run"]

#: POSIX.1-2017 XCU 2.8.2, "Exit Status for Commands".
NOT_EXECUTABLE = 126
NOT_FOUND = 127
#: Seconds after which the command is looked at although no signal came. The kernel gives one to any
#: thread that does not block it, and a library's own thread does not.
_LOOK_AGAIN = 2.0


def find(name: str, env: Mapping[str, str]) -> str:
    """Return the program's path; ClientError, reference ``not-found`` or ``not-executable``."""
    import shutil  # noqa: PLC0415 - start-up time

    from headrace.errors import ClientError  # noqa: PLC0415 - as above

    path = env.get("PATH", os.defpath)
    if found := shutil.which(name, path=path):
        return found
    if shutil.which(name, mode=os.F_OK, path=path):
        raise ClientError("not-executable", f"{name} cannot be executed", hint="check its mode")
    raise ClientError("not-found", f"{name}: command not found", hint="check PATH and spelling")


def replace_by(path: str, words: Sequence[str], env: Mapping[str, str]) -> int:
    """Become the command, where a process can; else run it and return its exit code."""
    if os.name == "nt":
        return run(path, words, env)
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these two, and what is ignored stays so across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    return os.execve(path, list(words), dict(env))  # noqa: S606 - the user's own command


def run(
    path: str,
    words: Sequence[str],
    env: Mapping[str, str],
    *,
    after: tuple[float, Callable[[], None]] | None = None,
    aside: Callable[[], AbstractContextManager[object]] | None = None,
) -> int:
    """Run the command in our terminal and process group; return its exit code, or 128 + signal.

    What the terminal sends reaches the command without us; what is sent to us alone is passed on.
    `after` is seconds, and what is called once if the command takes longer. `aside` is entered for
    as long as the keyboard has stopped us: another job has the terminal then.
    """
    if os.name == "nt":
        return _run_windows(path, words, env)
    passed_on = {
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
    watched = passed_on | {signal.SIGCHLD, *((signal.SIGTSTP,) if aside else ())}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        pid = os.posix_spawn(
            path,
            list(words),
            dict(env),
            setsigmask=before,
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
        return _follow(pid, watched, after, aside)
    finally:
        _forget_pending(watched)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(
    pid: int,
    watched: set[signal.Signals],
    after: tuple[float, Callable[[], None]] | None,
    aside: Callable[[], AbstractContextManager[object]] | None,
) -> int:
    left = after[0] if after else 0.0
    while True:
        within = min(left, _LOOK_AGAIN) if after else _LOOK_AGAIN
        came = _next_signal(watched, within)
        if came is None and after:
            left -= within
            if left <= 0:
                after[1]()
                after = None
        if came and came[0] == signal.SIGTSTP and aside:
            with aside():
                _stop()
        elif came is None or came[0] == signal.SIGCHLD:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        elif not came[1]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, came[0])


def _next_signal(watched: set[signal.Signals], within: float) -> tuple[int, bool] | None:
    """Wait; say which signal came, and whether the kernel sent it to our whole process group. None:
    none came `within` so many seconds.
    """
    if hasattr(signal, "sigtimedwait"):
        told = signal.sigtimedwait(watched, within)
        return told and (told.si_signo, told.si_code > 0)
    # Where the sender cannot be told (macOS), these two come from the keyboard.
    number = signal.sigwait(watched)
    return number, number in (signal.SIGINT, signal.SIGQUIT)


def _stop() -> None:
    """Stop as if nobody had looked: where no shell could let us go on, the system does not."""
    signal.raise_signal(signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})


def _forget_pending(watched: set[signal.Signals]) -> None:
    """Drop what came too late, so that it does not end us before we have cleared up."""
    while signal.sigpending() & watched:
        signal.sigwait(watched)


def _run_windows(path: str, words: Sequence[str], env: Mapping[str, str]) -> int:
    import subprocess  # noqa: PLC0415 - start-up time

    process = subprocess.Popen([path, *words[1:]], env=dict(env))  # noqa: S603 - the user's own
    while True:
        # Ctrl-C reaches every process of the console; what it means is the command's to say.
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
