"""Start a holder apart from its starter, find it again, and stop it and nobody else.

The lock file is locked by the holder as long as it lives, and names holder and worker as ``pid
mark`` with a mark that a later process of the same pid does not have.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from headrace.errors import LocalError
from headrace.values import dataclass

__all__ = [
    "SupervisorOptions",
    "base_python",
    "become_holder",
    "holder_argv",
    "is_held",
    "leave_running",
    "reload",
    "start",
    "start_mark",
    "stop",
    "worker_argv",
]

_KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
#: Started like this, and not by the console script's path, which an upgrade may move. -P: the
#: folder that the user happens to stand in must not supply modules.
_MAIN = "from headrace.cli import main; raise SystemExit(main())"


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """What the holder is told. Nothing in it may be secret: every user can see a command line."""

    worker: tuple[str, ...]
    redirects: tuple[str, ...] = ()
    redirects_file: Path | None = None
    """Where the worker writes them (`redirects.record`)."""
    interceptions: Path | None = None
    """The folder of the commands that are led: they are tunnelled while no worker can answer."""
    lock: Path | None = None
    log: Path | None = None
    script: Path | None = None
    """The copy of the holder that outlives an upgrade; None: the one of this installation."""
    grace: float = 20.0
    on_demand: bool = False
    owner: int = 0
    """Pid of the process that this is for; 0: for everybody."""
    runners: Path | None = None
    """The file that those whom this is for have locked (`runners`)."""
    remove: tuple[Path, ...] = ()
    """Folders that go with it."""


def base_python() -> str:
    """Return the interpreter below any virtual environment, which stays when that is removed."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def worker_argv(*words: str) -> tuple[str, ...]:
    """Return the command of a worker; the holder adds sockets and control channel."""
    return (sys.executable, "-P", "-c", _MAIN, "gateway", *words)


def holder_argv(held: SupervisorOptions) -> list[str]:
    """Return the holder's command, to which ``--fd`` may be added by `start`."""
    name = "holder_windows.py" if os.name == "nt" else "holder.py"
    script = held.script or Path(__file__).with_name(name)
    words = [base_python(), "-I", "-S", str(script), "--grace", f"{held.grace:g}"]
    words += [word for mapping in held.redirects for word in ("--redirect", mapping)]
    if held.redirects_file:
        words += ["--redirect", f"FILE={held.redirects_file}"]
    if held.interceptions:
        # By this name: a holder of before hands it on, and a responder of before ignores it.
        words += ["--redirect", f"CONNECT={held.interceptions}"]
    words += ["--lock", str(held.lock)] if held.lock else []
    words += ["--log", str(held.log)] if held.log else []
    words += ["--owner", str(held.owner)] if held.owner else []
    words += ["--runners", str(held.runners)] if held.runners else []
    words += [word for folder in held.remove for word in ("--remove", str(folder))]
    words += ["--on-demand"] if held.on_demand else []
    return [*words, "--", *held.worker]


def leave_running(
    held: SupervisorOptions,
    sockets: Sequence[socket.socket],
    env: Mapping[str, str],
    *,
    account: str = "",
) -> None:
    """Start a holder that is nobody's child; else as `start`."""
    shell = () if sys.platform == "win32" else ("/bin/sh", "-c", '"$0" "$@" &')
    started = start(held, sockets, env, account=account, through=shell)
    if shell:
        started.wait()


def start(
    held: SupervisorOptions,
    sockets: Sequence[socket.socket],
    env: Mapping[str, str],
    *,
    account: str = "",
    through: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Start a holder in a session of its own, with the sockets in it, and close them here.

    `account`: the user to become, where the caller is root.
    """
    argv = holder_argv(held)
    argv[argv.index("--") : argv.index("--")] = _handed(sockets)
    argv = [*through, *argv]
    identity = _identity(account)
    for sock in sockets:
        sock.set_inheritable(True)
    try:
        log = _open_log(held.log, identity)
    except OSError as error:
        raise LocalError(
            "log-unwritable",
            f"{held.log} cannot be written: {error.strerror or error}",
            hint="check the disk and the folder's owner",
        ) from error
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(env),
            cwd=Path(sys.executable).anchor,
            **_apart(sockets, identity),
        )
    except OSError as error:
        raise LocalError(
            "holder-not-started",
            f"{argv[0]} cannot be started: {error.strerror or error}",
            hint="check that installation of Python",
        ) from error
    finally:
        os.close(log)
    for sock in sockets:
        sock.close()
    return process


def _open_log(path: Path | None, identity: tuple[int, int] | None) -> int:
    """Open a file to append to, which is the account's; OSError for what is no such file.

    The folder may be the account's, and root opens it: neither a link nor a second name of a file
    of root's is followed.
    """
    if path is None:
        return os.open(os.devnull, os.O_WRONLY)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    log = os.open(path, flags, 0o600)
    status = os.fstat(log)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(log)
        raise OSError(errno.EMLINK, "it is no file of its own", str(path))
    if identity is not None and sys.platform != "win32":
        os.fchown(log, *identity)
    return log


def become_holder(held: SupervisorOptions, sockets: Sequence[socket.socket]) -> NoReturn:
    """Turn this process into the holder."""
    argv = holder_argv(held)
    argv[argv.index("--") : argv.index("--")] = _handed(sockets)
    for sock in sockets:
        os.set_inheritable(sock.detach(), True)
    os.execv(argv[0], argv)  # noqa: S606 - our own program


def _apart(sockets: Sequence[socket.socket], identity: tuple[int, int] | None) -> dict[str, Any]:
    """How a process is started that has nothing to do with our terminal, account and files."""
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags, "close_fds": False}
    apart: dict[str, Any] = {
        "pass_fds": [sock.fileno() for sock in sockets],
        "start_new_session": True,
    }
    if identity is not None:
        apart |= {"user": identity[0], "group": identity[1], "extra_groups": []}
    return apart


def _handed(sockets: Sequence[socket.socket]) -> list[str]:
    return [word for sock in sockets for word in ("--fd", str(sock.fileno()))]


def _identity(account: str) -> tuple[int, int] | None:
    if not account or sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - not on Windows

    entry = pwd.getpwnam(account)
    return entry.pw_uid, entry.pw_gid


def is_held(lock: Path) -> bool:
    """Whether a holder lives that has this lock file."""
    try:
        descriptor = os.open(lock, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - on Windows alone

            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def reload(lock: Path) -> bool:
    """Have the holder put a new worker in the old one's place; False when there is no holder."""
    return (
        sys.platform != "win32" and is_held(lock) and bool(_signal(_named(lock)[:1], signal.SIGHUP))
    )


def stop(lock: Path, timeout: float = 25.0) -> bool:
    """Stop the holder and its worker; return whether there was one. LocalError if it stays.

    A worker that its holder left behind is stopped as well.
    """
    held = is_held(lock)
    # The holder ends its worker itself, and lets it finish what it sends.
    if not _signal(_named(lock)[: 1 if held else None], signal.SIGTERM):
        return False
    deadline = time.monotonic() + timeout
    forced = False
    while is_held(lock) or _signal(_named(lock), 0):
        if time.monotonic() > deadline:
            if forced:
                raise LocalError(
                    "gateway-stays", f"the gateway of {lock} does not end", hint="end it by hand"
                )
            forced = True
            deadline += 5
            _signal(_named(lock), _KILL)
        time.sleep(0.02)
    with contextlib.suppress(OSError):
        lock.unlink()
    return True


def start_mark(pid: int) -> str:
    """Return what tells this process from a later one of the same pid, as the holder writes it.

    "" for one that has ended, also while its parent has not taken note yet.
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "" if words[0] in (b"Z", b"X") else words[19].decode()
    except (OSError, IndexError):
        return ""


def _named(lock: Path) -> list[tuple[int, str]]:
    """Return (pid, mark) of holder and worker, as the lock file has them."""
    with contextlib.suppress(OSError, ValueError):
        lines = [line.split() for line in lock.read_text("ascii").splitlines()]
        return [(int(line[0]), line[1] if len(line) > 1 else "") for line in lines if line]
    return []


def _signal(named: Sequence[tuple[int, str]], number: int) -> int:
    """Signal those that are still who they were (0: only look); return how many."""
    reached = 0
    for index, (pid, mark) in enumerate(named):
        # Without a mark (no /proc) only the holder can be known, by the lock that it has.
        if (mark and start_mark(pid) != mark) or (not mark and index):
            continue
        if sys.platform == "win32":
            reached += _end_tree(pid) if number else 0
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
            reached += 1
    return reached


def _end_tree(pid: int) -> bool:
    """End a process and its children; there is no milder word on Windows."""
    argv = ["taskkill.exe", "/F", "/T", "/PID", str(pid)]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)  # noqa: S603 - the system's
    return done.returncode == 0
