"""A client's connection outlives its worker: the next one goes on at the same byte."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from headrace.system.service import holder, link, process
from lib import older_state
from lib.capabilities import lacks
from lib.holders import Hold, Running
from lib.waiting import HANG, until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=lacks("system", "elsewhere a client is cut, and resumes")
)

NIGHTLY = pytest.mark.nightly
#: More than the kernel takes of an answer that nobody reads.
SIZE = 12 << 20


def kill(pid: int) -> None:
    """Kill a worker, and wait until it accepts nobody any more."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists())


FAULTS: dict[str, Callable[[int], None]] = {
    "killed": kill,
    "stopped": lambda pid: os.kill(pid, signal.SIGSTOP),
}


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class Talk:
    """One connection of a client's."""

    def __init__(self, running: Running, *, buffer: int = 64 << 10) -> None:
        self.host = f"127.0.0.1:{running.port}"
        self.socket = socket.socket()
        # Small, so that the worker cannot put a whole answer into the kernel.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(HANG)
        self.socket.connect(("127.0.0.1", running.port))
        self.got = b""

    def ask(self, path: str, *lines: str) -> None:
        head = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {self.host}", *lines, "", ""])
        self.socket.sendall(head.encode())

    def read(self, count: int) -> None:
        """Read until `count` bytes are here, or the other side has ended."""
        while len(self.got) < count and (part := self.socket.recv(min(1 << 20, count))):
            self.got += part

    def answer(self) -> tuple[bytes, bytes]:
        """Read an answer to its end: head and body."""
        while b"\r\n\r\n" not in self.got:
            before = len(self.got)
            self.read(before + 1)
            assert len(self.got) > before, "the connection ended before an answer"
        head, _, _ = self.got.partition(b"\r\n\r\n")
        (length,) = [line for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
        whole = len(head) + 4 + int(length.split()[1])
        self.read(whole)
        body, self.got = self.got[len(head) + 4 : whole], self.got[whole:]
        return head, body

    def is_cut(self) -> bool:
        """Read to the end of the connection; whether it was the end of nothing."""
        try:
            self.read(1 << 30)
        except ConnectionError:
            return True
        return not self.got.endswith(content(SIZE)[-100:])


@contextmanager
def talk(running: Running, *, buffer: int = 64 << 10) -> Iterator[Talk]:
    """Connect."""
    made = Talk(running, buffer=buffer)
    try:
        yield made
    finally:
        made.socket.close()


def connections(running: Running) -> set[str]:
    """Name the connections of clients that the holder has copies of."""
    folder = Path(f"/proc/{running.process.pid}/fd")
    own = set()
    for each in folder.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            own.add(str(each.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return {row[9] for row in rows if row[3] != "0A" and f"socket:[{row[9]}]" in own}


def lent(running: Running, count: int = 1) -> None:
    """Wait until the holder has copies of so many connections of clients."""
    until(lambda: len(connections(running)) >= count, running.told)


def switches(pid: int) -> int:
    """How often a process has gone to sleep."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    (line,) = [line for line in lines if line.startswith("voluntary_ctxt_switches")]
    return int(line.split()[1])


def calm(running: Running) -> bool:
    """Whether the holder sleeps for longer than a heart beats."""
    before = switches(running.process.pid)
    time.sleep(2.5)
    return switches(running.process.pid) == before


def stands_still(pid: int) -> bool:
    """Whether a process has done nothing for a while."""
    before = switches(pid)
    time.sleep(0.3)
    return switches(pid) == before


def test_holder_and_worker_name_one_protocol() -> None:
    assert holder.PROTOCOL == link.PROTOCOL


def test_a_worker_that_dies_before_it_says_anything_forgets_nothing(
    hold: Hold, tmp_path: Path
) -> None:
    running, go = hold(), tmp_path / "go"
    go.touch()
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}&wait={go}")
        client.read(1000)
        go.unlink()
        kill(pid)
        pid = running.worker()
        lent(running)
        # Longer than a connection stays as it is before it is recorded anew.
        time.sleep(0.3)
        kill(pid)
        running.worker()
        go.touch()
        assert client.answer()[1] == content(SIZE), running.told()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=NIGHTLY) for n in range(1, 40))])
def test_wherever_a_worker_is_killed_the_client_has_the_bytes_of_the_file(
    hold: Hold, seed: int
) -> None:
    chance = random.Random(seed)
    running = hold()
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}")
        for _ in range(3):
            client.read(chance.choice([1, 90, 1000, chance.randrange(SIZE)]))
            kill(pid)
            pid = running.worker()
        head, body = client.answer()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == content(SIZE), running.told()
        # And the connection goes on.
        client.ask("/pid")
        assert client.answer()[1] == str(pid).encode()


@pytest.mark.parametrize("fault", FAULTS)
def test_request_without_an_answer_is_answered_by_the_next_worker(
    hold: Hold, tmp_path: Path, fault: str
) -> None:
    running, flag = hold(), tmp_path / "flag"
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}&wait={flag}", "X-Long: " + "x" * 3000)
        lent(running)
        FAULTS[fault](pid)
        until(lambda: f"pid {pid}" not in running.told() and not Path(f"/proc/{pid}").exists())
        flag.touch()
        assert client.answer()[1] == content(SIZE)


@pytest.mark.parametrize("fault", ["killed", pytest.param("stopped", marks=NIGHTLY)])
def test_connection_between_two_requests_is_kept(hold: Hold, fault: str) -> None:
    running = hold()
    with talk(running) as client:
        client.ask("/pid")
        pid = int(client.answer()[1])
        lent(running)
        FAULTS[fault](pid)
        # It may never have been read by the first one.
        client.ask("/pid")
        assert int(client.answer()[1]) != pid


def test_worker_that_stands_still_is_replaced_and_its_clients_go_on(hold: Hold) -> None:
    running = hold()
    pid = running.worker()
    with talk(running) as reading, talk(running) as waiting, talk(running) as blocking:
        reading.ask(f"/file?size={SIZE}")
        reading.read(1000)
        waiting.ask("/pid")
        assert waiting.answer()[1] == str(pid).encode()
        lent(running, 3)
        blocking.ask("/block")
        blocking.read(1000)
        until(lambda: stands_still(pid))
        waiting.ask("/pid")
        assert int(waiting.answer()[1]) != pid
        assert reading.answer()[1] == content(SIZE)
        assert "no sign of life" in running.told()
        assert blocking.is_cut()


@NIGHTLY
def test_worker_that_stood_still_before_its_first_client_is_replaced(hold: Hold) -> None:
    running = hold()
    pid = running.worker()
    until(lambda: calm(running))
    os.kill(pid, signal.SIGSTOP)
    assert running.worker() != pid


def test_heart_beats_while_a_client_is_connected_and_then_only(hold: Hold) -> None:
    running = hold()
    with talk(running) as client:
        client.ask("/pid")
        client.answer()
        lent(running)
        before = switches(running.process.pid)
        until(lambda: switches(running.process.pid) > before + 2)
    until(lambda: calm(running))


def test_worker_that_lost_its_holder_goes_on_in_peace(hold: Hold) -> None:
    running = hold()
    with talk(running) as client:
        client.ask("/pid")
        pid = int(client.answer()[1])
        lent(running)
        running.process.kill()
        running.process.wait()
        client.ask("/pid")
        assert int(client.answer()[1]) == pid
        before = ticks(pid)
        time.sleep(2)
        assert ticks(pid) - before < os.sysconf("SC_CLK_TCK")
        client.ask(f"/file?size={SIZE}", "Connection: close")
        assert client.answer()[1] == content(SIZE)
    assert process.stop(running.lock)


def ticks(pid: int) -> int:
    """How long a process has computed, in the kernel's ticks."""
    words = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


@pytest.mark.parametrize("tag", ["pid", pytest.param("none", marks=NIGHTLY)])
def test_answer_whose_bytes_nothing_names_is_cut(hold: Hold, tag: str) -> None:
    running = hold()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}&tag={tag}")
        client.read(1000)
        kill(running.worker())
        assert client.is_cut()


@NIGHTLY
def test_answer_without_a_length_is_cut(hold: Hold) -> None:
    running = hold()
    with talk(running) as client:
        client.ask("/slow?60")
        client.read(3000)
        kill(running.worker())
        assert client.is_cut()
        assert not client.got.endswith(b"0\r\n\r\n")


@NIGHTLY
def test_requests_sent_ahead_are_answered_rightly_or_not_at_all(hold: Hold) -> None:
    running = hold()
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}")
        client.read(1000)
        client.ask("/pid")
        client.ask("/pid")
        client.read(2000)
        kill(pid)
        try:
            assert client.answer()[1] == content(SIZE)
            assert client.answer()[1] == client.answer()[1] != str(pid).encode()
        except (ValueError, AssertionError):
            # They had been read, and nobody else can know them.
            assert client.is_cut()
            assert content(SIZE).startswith(client.got.partition(b"\r\n\r\n")[2])


def test_client_that_was_to_be_closed_hears_it_though_the_holder_has_a_copy(
    hold: Hold, tmp_path: Path
) -> None:
    running, flag = hold(), tmp_path / "flag"
    with talk(running) as client:
        client.ask(f"/file?size=1000&wait={flag}", "Connection: close")
        lent(running)
        flag.touch()
        client.read(1 << 30)
        assert client.got.endswith(content(1000))
    # And the holder keeps nothing of those who have gone.
    with talk(running) as client:
        client.ask("/pid")
        client.answer()
        lent(running)
    until(lambda: not connections(running))


def test_worker_that_finishes_after_a_reload_may_die_too(hold: Hold) -> None:
    running = hold()
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}")
        client.read(1000)
        assert process.reload(running.lock)
        until(lambda: running.worker() != pid)
        kill(pid)
        assert client.answer()[1] == content(SIZE)


def test_client_is_cut_when_no_worker_comes(hold: Hold, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    running = hold(f"flag:{flag}")
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}")
        client.read(1000)
        flag.unlink()
        kill(pid)
        assert client.is_cut()
        assert "clients are sent to the origin" in running.told()


def test_client_waits_for_a_worker_that_takes_its_time(hold: Hold, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    running = hold(f"late:{flag}")
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}")
        client.read(1000)
        flag.unlink()
        kill(pid)
        until(lambda: "clients are sent to the origin" in running.told(), running.told)
        flag.touch()
        assert client.answer()[1] == content(SIZE)


def test_worker_of_before_works_under_this_holder(hold: Hold) -> None:
    running = hold("before")
    pid = running.worker()
    with talk(running) as client:
        client.ask(f"/file?size={SIZE}")
        client.read(1000)
        assert process.reload(running.lock)
        until(lambda: running.worker() != pid)
        assert client.answer()[1] == content(SIZE)
        second = running.worker()
        client.ask("/pid")
        assert client.is_cut()  # the first one ends
    kill(second)
    assert running.worker() != second


def test_worker_of_now_works_under_a_holder_of_before(hold: Hold, tmp_path: Path) -> None:
    for name in ("holder", "responder"):
        shutil.copy(older_state.DATA / f"{name}.py.txt", tmp_path / f"{name}.py")
    running = hold(script=tmp_path / "holder.py")
    pid = running.worker()
    with talk(running) as client, talk(running) as other:
        client.ask(f"/file?size={SIZE}")
        client.read(1000)
        other.ask("/pid")
        assert other.answer()[1] == str(pid).encode()
        # It knows nothing of clients, and loses none that the worker has.
        assert not connections(running)
        assert process.reload(running.lock)
        until(lambda: running.worker() != pid)
        assert client.answer()[1] == content(SIZE)
        second = running.worker()
        client.socket.close()
        other.socket.close()
        kill(second)
        assert running.worker() != second
