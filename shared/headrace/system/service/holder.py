"""A program of its own: hold the listening socket, and keep somebody answering on it.

Run as ``python -I -S holder.py [options] -- WORKER…``. It imports nothing of headrace, because a
copy of this file lies in the state folder and must go on working when the environment that headrace
was installed in is being upgraded, is broken or is gone: then clients are sent to the origin by
`responder.py`, which lies beside it (promise 2). Small on purpose; this process is all that is
left when the worker went to sleep. POSIX only; `holder_windows.py` is its brother.

The socket comes from whoever starts it: ``--fd N`` or LISTEN_FDS (sd_listen_fds(3)). The worker
gets each socket as ``--fd N`` and a control channel as ``--control N``. ``--owner PID``: once that
process is gone and the worker went to sleep nobody wants us any more. ``--runners FILE``: whoever
this is for has the file locked, shared (flock(2)); when nobody has it any more, however they ended,
this ends. ``--remove FOLDER`` goes with it. ``--log`` names the file that standard error goes to,
so that it can be kept small. Times are seconds.

What is spoken on the channel has a number, because holder and worker are of different ages after an
upgrade; both speak the lower of their two. A message begins with its letter.

1. From the worker: ``R`` it answers, ``.`` a sign of life, every few seconds, ``I`` it ends for
   want of work. The holder says nothing, not even the number.
2. The holder begins with ``H2``, and the worker's ``R`` has its number behind it. ``W``: a client
   is connected, and until ``C`` (calm) a sign of life comes every second; so nobody wakes for
   nothing, and a worker that stands still is noticed while that matters. The first client of a calm
   worker is seen at the listening socket. ``L`` and 8 bytes (a connection's number), with its
   descriptor the first time: a copy of a client's connection and what is known of it, which means
   nothing here; ``D`` and the number: it has ended. What a worker that died had lent is given to
   the next one, as ``L``, once the kernel says that the dead one is dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time

#: Without an answer for this long clients are sent away: they are promised headers within 10 s.
PATIENCE = 6.0
#: Clients do not wait for a worker that never answered this often in a row, nor for a long pause.
FALSE_STARTS = 2
LONG_PAUSE = 2.0
#: A worker that is not ready after this long will never be.
START_LIMIT = 60.0
#: A ready worker without a sign of life for this long hangs: one that speaks `PROTOCOL` 1.
SILENCE_LIMIT = 60.0
#: The same for one that gives a sign every second while a client is connected.
FREEZE_LIMIT = 5.0
#: A worker that was up for this long has proved itself: the count of failures starts anew.
PROVED = 30.0
#: Pauses before the first, second, … restart in a row; the last one is kept for ever.
PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: Between two looks at who this is for: at first, and when nothing has happened for long.
LOOK, SELDOM = 1.0, 10.0
LOG_LIMIT = 1 << 20

#: What is spoken with the worker, see above.
PROTOCOL = 2
#: Bytes of a message, connections that are kept for a worker, and seconds that those of a dead one
#: wait for the next.
MESSAGE, LOANS, ORPHANED = 64 << 10, 512, 30.0

ALREADY_RUNNING = 75
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Options:
    """The command line: pairs of ``--name value``, ``--on-demand``, ``--`` and the worker."""

    def __init__(self, words: list[str]) -> None:
        """SystemExit when it makes no sense."""
        if "--" not in words[:-1]:
            sys.exit("holder: no worker after --")
        at = words.index("--")
        self.worker = words[at + 1 :]
        self.on_demand = "--on-demand" in words[:at]
        pairs = [word for word in words[:at] if word != "--on-demand"]
        given: dict[str, list[str]] = {}
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            given.setdefault(name, []).append(value)
        self.fds = [int(fd) for fd in given.pop("--fd", [])]
        self.redirects = given.pop("--redirect", [])
        self.grace = float(given.pop("--grace", ["20"])[-1])
        self.lock = given.pop("--lock", [""])[-1]
        self.log = given.pop("--log", [""])[-1]
        self.owner = int(given.pop("--owner", ["0"])[-1])
        self.runners = given.pop("--runners", [""])[-1]
        self.remove = given.pop("--remove", [])
        if given:
            sys.exit(f"holder: what is {', '.join(given)}?")


def say(text: str) -> None:
    """Log one line; having nobody to read it is no reason to end."""
    with contextlib.suppress(OSError):
        os.write(2, f"headrace holder: {text}\n".encode())


def notify(text: str) -> None:
    """Tell systemd (sd_notify(3)), where it started us."""
    path = os.environ.get("NOTIFY_SOCKET")  # noqa: TID251 - a program without headrace.config
    if path:
        address = "\0" + path[1:] if path.startswith("@") else path
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
        ):
            channel.sendto(text.encode(), address)


def sockets_of(options: Options) -> list[socket.socket]:
    """Return the listening sockets that were handed over."""
    env = os.environ  # noqa: TID251 - a program without headrace.config
    fds = list(options.fds)
    # Whoever became the holder by exec has left these for us, and named the same socket by --fd.
    if not fds and env.get("LISTEN_PID") == str(os.getpid()):
        fds += range(3, 3 + int(env.get("LISTEN_FDS", "0")))
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        env.pop(name, None)
    sockets = [socket.socket(fileno=fd) for fd in fds]
    if not sockets:
        sys.exit("holder: nobody handed a socket over")
    for sock in sockets:
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
    return sockets


def start_mark(pid: int) -> str:
    """Return what tells this process from a later one of the same pid (proc_pid_stat(5)), or ""."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib costs memory here
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


class Lock:
    """The file that says who holds the port. Whoever has it locked is alive."""

    def __init__(self, path: str) -> None:
        """Take it, or end with `ALREADY_RUNNING`."""
        self.fd = -1
        if path:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if path:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"another holder has {path}")
            sys.exit(ALREADY_RUNNING)

    def write(self, worker: int) -> None:
        """Record holder and worker, each as ``pid mark``."""
        if self.fd >= 0:
            lines = [f"{pid} {start_mark(pid)}\n" for pid in (os.getpid(), worker) if pid]
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, 0)
                os.pwrite(self.fd, "".join(lines).encode(), 0)


class RunnersLock:
    """Those whom this is for."""

    def __init__(self, path: str) -> None:
        """Open their file; without one this is for everybody."""
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600) if path else -1
        self.pause = LOOK if path else 20.0
        """Seconds until the next look."""

    def happened(self, anything: bool) -> None:  # noqa: FBT001 - one caller
        """Look soon where something happened; else ever more seldom."""
        if self.fd >= 0:
            self.pause = LOOK if anything else min(2 * self.pause, SELDOM)

    def gone(self) -> bool:
        """Whether there is nobody left. Then nobody comes any more: the lock is ours."""
        if self.fd < 0:
            return False
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def bound(log: str) -> None:
    """Keep the newest quarter of a log that grew too long; all who write to it append."""
    if log and os.fstat(2).st_size > LOG_LIMIT:
        with contextlib.suppress(OSError), open(log, "rb+") as file:  # noqa: PTH123 - as above
            file.seek(-LOG_LIMIT // 4, os.SEEK_END)
            newest = file.read()
            file.truncate(0)
            os.write(2, newest)


class Child:
    """A worker or a responder."""

    def __init__(self, pid: int, control: socket.socket | None, now: float) -> None:
        """`now` is when it was started."""
        self.pid = pid
        self.control = control
        self.started = self.heard = now
        self.ready_at: float | None = None
        self.idle = self.told = self.condemned = False
        self.number = 1
        self.calm = False
        """It says that no client is connected."""
        self.loans: dict[bytes, tuple[int, bytes]] = {}
        """Copies of its clients' connections, each with what is known of it."""

    def send(self, number: int) -> None:
        """Signal it; it is our child and not reaped, so the pid is its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)

    def hear(self, now: float) -> None:
        """Read the control channel."""
        while self.control is not None:
            try:
                data, fds, _, _ = socket.recv_fds(self.control, MESSAGE, 1)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                self.control.close()
                self.control = None
                return
            self.heard = now
            for fd in fds:
                os.set_inheritable(fd, False)
            self._understand(data, fds, now)

    def _understand(self, data: bytes, fds: list[int], now: float) -> None:
        word, rest = data[:1], data[1:]
        if word == b"R" and self.ready_at is None:
            self.ready_at = now
            self.number = min(PROTOCOL, int(rest)) if rest.isdigit() else 1
        elif word == b"I":
            self.idle = True
        elif word in b"CW":
            self.calm = word == b"C"
        elif word == b"D":
            shut(self.loans.pop(rest, None))
        elif word == b"L" and (fds or rest[:8] in self.loans):
            known = self.loans.get(rest[:8])
            if known and fds:
                shut(known)
            if known or len(self.loans) < LOANS:
                fd = fds.pop() if fds else known[0] if known else -1
                self.loans[rest[:8]] = fd, rest[8:]
        for fd in fds:
            os.close(fd)

    def lend(self, number: bytes, fd: int, what: bytes) -> bool:
        """Give a client's connection to it; False: not now."""
        assert self.control is not None
        try:
            socket.send_fds(self.control, [b"L" + number + what], [fd])
        except BlockingIOError:
            return False
        except OSError:
            shut((fd, what))
            return True
        self.loans[number] = fd, what
        return True


def shut(loan: tuple[int, bytes] | None) -> None:
    """Let go of a client's connection; where nobody else has it, it ends."""
    if loan is not None:
        os.close(loan[0])


def cut(loans: dict[bytes, tuple[int, bytes]]) -> None:
    """Let go of many."""
    while loans:
        shut(loans.popitem()[1])


class Supervisor:
    """The loop: one worker, a responder while it cannot answer, predecessors that finish."""

    def __init__(self, options: Options, sockets: list[socket.socket]) -> None:
        """Take the lock; start nothing yet."""
        self.options, self.sockets = options, sockets
        self.lock = Lock(options.lock)
        self.runners = RunnersLock(options.runners)
        self.worker: Child | None = None
        self.responder: Child | None = None
        self.leaving: list[Child] = []
        self.failures = self.false_starts = 0
        self.next_start = self.answered_at = time.monotonic()
        self.asleep = options.on_demand
        self.reload = self.notified = False
        self.stopping_since: float | None = None
        self.wake_read, self.wake_write = socket.socketpair()
        self.orphans: dict[bytes, tuple[int, bytes]] = {}
        """Connections of clients whose worker died."""

    # ---------------------------------------------------------------- children

    def spawn(self, argv: list[str], now: float, *, controlled: bool) -> Child:
        """Start a program with the sockets open in it."""
        passed = list(self.sockets)
        words = [*argv, *(w for sock in passed for w in ("--fd", str(sock.fileno())))]
        ours: socket.socket | None = None
        theirs: socket.socket | None = None
        if controlled:
            # Whole messages, in their order: macOS has no SOCK_SEQPACKET.
            kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
            ours.setblocking(False)
            ours.send(b"H%d" % PROTOCOL)
            words += ["--control", str(theirs.fileno())]
            passed.append(theirs)
        pid = os.fork()
        if pid == 0:
            _become(words, passed)
        if theirs is not None:
            theirs.close()
        return Child(pid, ours, now)

    def reap(self, now: float) -> None:
        """Take note of every child that ended; as process 1 of a container also of strangers."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.worker is not None and pid == self.worker.pid:
                self._worker_ended(self.worker, os.waitstatus_to_exitcode(status), now)
            elif self.responder is not None and pid == self.responder.pid:
                self.responder = None
            for child in [child for child in self.leaving if child.pid == pid]:
                child.hear(now)
                self._leave(child, gone=True)

    def _worker_ended(self, worker: Child, code: int, now: float) -> None:
        worker.hear(now)
        self._leave(worker, gone=True)
        if self.stopping_since is not None:
            return
        if worker.idle and code == 0:
            self.asleep, self.failures = True, 0
            self.lock.write(0)
            if self.options.owner not in (0, os.getppid()):
                self.stopping_since = now
            return
        if worker.ready_at is None:
            self.false_starts += 1
        elif now - worker.ready_at >= PROVED:
            self.failures = 0
        pause = PAUSES[min(self.failures, len(PAUSES) - 1)]
        self.failures += 1
        self.next_start = now + pause
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        say(f"the worker ended ({how}); the next one starts in {pause:g} s")

    def _leave(self, child: Child, *, gone: bool) -> None:
        """Take a child from its post; one that is not gone yet is waited for."""
        if child is self.worker:
            self.worker = None
        if child is self.responder:
            self.responder = None
        if not gone:
            child.send(signal.SIGTERM)
            self.leaving.append(child)
            return
        if child in self.leaving:
            self.leaving.remove(child)
        if child.control is not None:
            child.control.close()
        if not child.idle and self.stopping_since is None:
            self.orphans.update(child.loans)
        else:
            cut(child.loans)

    # ---------------------------------------------------------------- decisions

    def step(self, now: float) -> None:
        """Do what the hour demands."""
        if self.stopping_since is None and self.runners.gone():
            self.stopping_since = now
        if self.stopping_since is not None:
            self._stop(now - self.stopping_since > self.options.grace)
            return
        if self.reload:
            # The old worker finishes what it sends; the new one takes the new connections.
            self.reload = self.asleep = False
            self.failures, self.next_start = 0, now
            if self.worker is not None:
                self._leave(self.worker, gone=False)
        if self.worker is None and not self.asleep and now >= self.next_start:
            self.worker = self.spawn(self.options.worker, now, controlled=True)
            self.lock.write(self.worker.pid)
        for child in (self.worker, *self.leaving):
            if child is not None:
                _end_if_hanging(child, now)
        self._stand_in(now)
        if self.orphans:
            self._place_orphans(now)
        if not self.notified and (self.answered_at == now or self.responder is not None):
            self.notified = True
            notify("READY=1")

    def _stand_in(self, now: float) -> None:
        """Have a responder exactly while clients would wait too long without."""
        if self.asleep or (self.worker is not None and self.worker.ready_at is not None):
            self.answered_at, self.false_starts = now, 0
            if self.responder is not None:
                self._leave(self.responder, gone=False)
            return
        waits = self.false_starts >= FALSE_STARTS or now - self.answered_at > PATIENCE
        pause = self.next_start - now if self.worker is None else 0.0
        if (waits or pause > LONG_PAUSE) and self.responder is None:
            say("clients are sent to the origin meanwhile")
            argv = [sys.executable, "-I", "-S", __file__.removesuffix("holder.py") + "responder.py"]
            for mapping in self.options.redirects:
                argv += ["--redirect", mapping]
            self.responder = self.spawn(argv, now, controlled=False)

    def _place_orphans(self, now: float) -> None:
        """Give the next worker what the last one had; cut them when there is none for it."""
        worker = self.worker
        if worker is not None and worker.control is not None and worker.ready_at is not None:
            if worker.number < 2:
                cut(self.orphans)
            for number, (fd, what) in list(self.orphans.items()):
                if not worker.lend(number, fd, what):
                    return
                del self.orphans[number]
        elif self.false_starts >= FALSE_STARTS or now - self.answered_at > ORPHANED:
            # One that only takes its time is worth waiting for: most have no other way to go on.
            cut(self.orphans)

    def _stop(self, late: bool) -> None:  # noqa: FBT001 - one caller
        for child in (self.worker, self.responder, *self.leaving):
            if child is not None and late:
                child.send(signal.SIGKILL)
            elif child is not None and not child.told:
                child.told = True
                child.send(signal.SIGTERM)

    # ---------------------------------------------------------------- the loop

    def wait(self, now: float) -> None:
        """Sleep until something happens, at most until the next decision is due."""
        poll = select.poll()
        poll.register(self.wake_read, select.POLLIN)
        children = [child for child in (self.worker, *self.leaving) if child is not None]
        for child in children:
            if child.control is not None:
                poll.register(child.control, select.POLLIN)
        worker = self.worker
        calm = worker is not None and worker.calm
        for sock in self.sockets if (self.asleep or calm) and self.stopping_since is None else ():
            poll.register(sock, select.POLLIN)
        until = self._until(now)
        events = {fd for fd, _ in poll.poll(until * 1000)}
        self.runners.happened(bool(events))
        began, now = now, time.monotonic()
        if self.wake_read.fileno() in events:
            for number in self.wake_read.recv(4096):
                self.signalled(number, now)
        late = now - began - until
        for child in children:
            # Where the machine stands still it is not the worker that hangs.
            child.heard += max(0.0, late)
            child.hear(now)
        if any(sock.fileno() in events for sock in self.sockets):
            if self.asleep:
                self.asleep, self.next_start, self.answered_at = False, now, now
            elif worker is not None and worker.calm:
                # From now on it is to speak.
                worker.calm, worker.heard = False, now

    def _until(self, now: float) -> float:
        if self.stopping_since is not None or self.orphans:
            return 0.2
        worker, ready = self.worker, self.worker is not None and self.worker.ready_at is not None
        if self.leaving or (worker is not None and worker.number > 1 and not worker.calm):
            return 1.0
        if self.asleep or ready:
            return self.runners.pause
        return min(1.0, max(0.0, self.next_start - now)) if worker is None else 1.0

    def signalled(self, number: int, now: float) -> None:
        """Remember what a signal asks for."""
        if number in (signal.SIGTERM, signal.SIGINT) and self.stopping_since is None:
            self.stopping_since = now
            notify("STOPPING=1")
        elif number == signal.SIGHUP:
            self.reload = True

    def run(self) -> int:
        """Hold until told to stop."""
        self.wake_write.setblocking(False)
        signal.set_wakeup_fd(self.wake_write.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        self.lock.write(0)
        while True:
            now = time.monotonic()
            self.reap(now)
            self.step(now)
            busy = self.worker or self.responder or self.leaving
            if self.stopping_since is not None and not busy:
                remove(self.options.remove)
                return 0
            bound(self.options.log)
            self.wait(now)
            notify("WATCHDOG=1")


def remove(folders: list[str]) -> None:
    """Leave nothing behind of those whom this was for."""
    if folders:
        import shutil  # noqa: PLC0415 - costs memory as long as it lives

        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _end_if_hanging(worker: Child, now: float) -> None:
    """Kill a worker that cannot be asked to end any more."""
    limit = START_LIMIT if worker.ready_at is None else SILENCE_LIMIT
    if worker.number > 1:
        limit = FREEZE_LIMIT
    if now - worker.heard > limit and not worker.calm and not worker.condemned:
        worker.condemned = True
        say("the worker does not come up, or gives no sign of life any more")
        worker.send(signal.SIGKILL)


def _become(words: list[str], passed: list[socket.socket]) -> None:
    """Turn a fresh fork into the program; never returns."""
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for sock in passed:
            os.set_inheritable(sock.fileno(), True)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)  # noqa: TID251 - the holder alone speaks to systemd
        os.execv(words[0], words)  # noqa: S606 - the command that the holder was given
    except BaseException as error:  # noqa: BLE001 - whatever it is, this copy must not go on
        say(f"{words[0]} cannot be started: {error}")
    os._exit(127)


def main() -> int:
    """Hold the port."""
    options = Options(sys.argv[1:])
    return Supervisor(options, sockets_of(options)).run()


if __name__ == "__main__":
    sys.exit(main())
