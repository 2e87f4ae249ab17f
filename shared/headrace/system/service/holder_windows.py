"""A program of its own: `holder` for Windows, where there is neither fork nor a socket's owner.

Run as ``pythonw -I -S holder_windows.py [options] -- WORKER…`` with the options of `holder`, and
``--listen HOST:PORT`` where nobody handed a socket over. A worker that has lived for `PROVED`
seconds counts as one that answers. Times are seconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time

#: A worker that lived for this long answers.
PROVED = 5.0
#: Pauses before the first, second, … restart in a row; the last one is kept for ever.
PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: Clients do not wait for a worker that failed this often in a row.
FALSE_STARTS = 2

ALREADY_RUNNING = 75
PORT_TAKEN = 73


def parse(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the options, each with its values, and the worker's command."""
    if "--" not in words[:-1]:
        sys.exit("holder: no worker after --")
    at = words.index("--")
    head = [word for word in words[:at] if word != "--on-demand"]
    given: dict[str, list[str]] = {}
    for name, value in zip(head[::2], head[1::2], strict=True):
        given.setdefault(name, []).append(value)
    return given, words[at + 1 :]


def listening(given: dict[str, list[str]]) -> list[socket.socket]:
    """Return the sockets, open for the children as well."""
    sockets = [socket.socket(fileno=int(handle)) for handle in given.get("--fd", [])]
    for place in () if sockets else given.get("--listen", []):
        host, _, port = place.rpartition(":")
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        with contextlib.suppress(AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        try:
            sock.bind((host.strip("[]"), int(port)))
        except OSError:
            sys.exit(PORT_TAKEN)
        sock.listen(1024)
        sockets.append(sock)
    if not sockets:
        sys.exit("holder: nobody handed a socket over")
    for sock in sockets:
        os.set_inheritable(sock.fileno(), True)
    return sockets


def locked(path: str) -> int:
    """Take the lock file, or end with `ALREADY_RUNNING`."""
    if not path:
        return -1
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - on Windows alone

        # Far behind the text, which others must be able to read.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            sys.exit(ALREADY_RUNNING)
        os.lseek(descriptor, 0, os.SEEK_SET)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def start(argv: list[str], sockets: list[socket.socket]) -> subprocess.Popen[bytes]:
    """Start a child with the sockets open in it."""
    words = [word for sock in sockets for word in ("--fd", str(sock.fileno()))]
    return subprocess.Popen([*argv, *words], close_fds=False, stdin=subprocess.DEVNULL)  # noqa: S603 - our own programs


def main() -> None:
    """Hold the port for ever; whoever wants an end ends the tree of processes."""
    given, worker = parse(sys.argv[1:])
    sockets = listening(given)
    locked(given.get("--lock", [""])[-1])
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "responder.py")  # noqa: PTH100, PTH118, PTH120 - pathlib costs memory here
    stand_in = [sys.executable, "-I", "-S", beside]
    stand_in += [
        word for mapping in given.get("--redirect", []) for word in ("--redirect", mapping)
    ]
    responder: subprocess.Popen[bytes] | None = None
    failures = 0
    while True:
        began = time.monotonic()
        child = start(worker, sockets)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PROVED)
        if child.poll() is None:
            failures = 0
            if responder is not None:
                responder.kill()
                responder.wait()
                responder = None
            child.wait()
        if time.monotonic() - began < PROVED:
            failures += 1
        if failures >= FALSE_STARTS and responder is None:
            responder = start(stand_in, sockets)
        time.sleep(PAUSES[min(failures, len(PAUSES) - 1)])


if __name__ == "__main__":
    main()
