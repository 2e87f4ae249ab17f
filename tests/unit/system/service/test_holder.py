"""The holder with real workers: they die, hang, never start, fall asleep."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headrace.system.service import holder, process
from lib.capabilities import lacks
from lib.holders import ORIGIN, Hold, Running
from lib.waiting import HANG, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "POSIX signals"))


def rss(pid: int) -> int:
    """Resident kilobytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError(pid)


def told(what: str, running: Running) -> None:
    """Wait for words in the log."""
    until(lambda: what in running.told(), running.told)


def test_killed_worker_is_replaced(hold: Hold) -> None:
    running = hold()
    first = running.worker()
    os.kill(first, signal.SIGKILL)
    second = running.worker()
    assert second != first
    assert "signal 9" in running.told()


def test_connections_that_wait_while_no_worker_lives_are_all_answered(hold: Hold) -> None:
    running = hold()
    os.kill(running.worker(), signal.SIGKILL)
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(running.get("/pid")[0])) for _ in "x" * 20
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 20


def test_holder_is_small(hold: Hold) -> None:
    running = hold()
    running.worker()
    assert rss(running.process.pid) < 14_000


def test_worker_that_never_starts_leaves_a_redirect_to_the_origin(hold: Hold) -> None:
    running = hold("crash")
    told("clients are sent to the origin", running)
    assert running.get("/simple/numpy/") == (
        302,
        f"{ORIGIN}numpy/",
        b"headrace: the gateway is down, ask there\n",
    )
    assert running.get("/healthz")[0] == 200


def test_worker_that_hangs_at_its_start_does_not_make_clients_wait(hold: Hold) -> None:
    running = hold("hang")
    assert running.get("/simple/numpy/")[0] == 302
    assert holder.PATIENCE < 10


def test_worker_that_can_start_again_takes_over_from_the_redirects(
    hold: Hold, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    running = hold(f"flag:{flag}")
    told("clients are sent to the origin", running)
    flag.touch()
    until(lambda: running.get("/pid")[0] == 200)
    # Nothing but the worker answers from now on.
    assert {running.get("/simple/x/")[0] for _ in range(20)} == {200}


def test_place_without_an_origin_is_sent_round_until_the_worker_is_back(hold: Hold) -> None:
    running = hold("crash")
    told("clients are sent to the origin", running)
    began = time.monotonic()
    status, place, _ = running.get("/packages/aa/file.whl")
    assert (status, place) == (302, "/packages/aa/file.whl")
    assert time.monotonic() - began > 0.9


@pytest.mark.parametrize(
    "target", ["/simple/../x", "//evil.example/", "/simple/a\\b", "http://evil.example/", "/a%2fb"]
)
def test_indecent_target_is_sent_nowhere(hold: Hold, target: str) -> None:
    running = hold("crash")
    told("clients are sent to the origin", running)
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        host = f"Host: 127.0.0.1:{running.port}"
        connection.sendall(f"GET {target} HTTP/1.1\r\n{host}\r\n\r\n".encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"Location" not in answer


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", ""])
def test_redirect_is_for_those_who_ask_this_gateway(hold: Hold, host: str) -> None:
    running = hold("crash")
    told("clients are sent to the origin", running)
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(f"GET /simple/x/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 421 ")


def test_slow_clients_do_not_keep_others_from_the_redirect(hold: Hold) -> None:
    running = hold("crash")
    told("clients are sent to the origin", running)
    # More than it answers at a time: the oldest give way.
    idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(100)]
    for connection in idle[::2]:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /simple/ HTTP/1.1\r\nHo")
    assert running.get("/simple/x/")[0] == 302
    for connection in idle:
        connection.close()


def test_running_answer_survives_a_reload(hold: Hold) -> None:
    running = hold()
    before = running.worker()
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=HANG)
    connection.request("GET", "/slow?5")
    answer = connection.getresponse()
    assert process.reload(running.lock)
    until(lambda: running.worker() != before)
    assert answer.read().endswith(str(before).encode())
    connection.close()


def test_running_answer_survives_the_stop(hold: Hold) -> None:
    running = hold()
    running.worker()
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=HANG)
    connection.request("GET", "/slow?1.5")
    answer = connection.getresponse()
    running.process.send_signal(signal.SIGTERM)
    assert len(answer.read()) > 20_000
    connection.close()
    assert running.process.wait(HANG) == 0


def test_idle_worker_ends_and_the_next_connection_starts_one(hold: Hold) -> None:
    running = hold("good", "--idle", "0.5")
    first = running.worker()
    until(lambda: len(running.lock.read_text("ascii").splitlines()) <= 1, running.told)
    time.sleep(0.7)
    assert len(running.lock.read_text("ascii").splitlines()) == 1
    assert running.worker() != first
    assert "clients" not in running.told()


def test_second_holder_of_one_lock_ends_with_its_own_code(hold: Hold) -> None:
    first = hold()
    first.worker()
    second = hold()
    assert second.process.wait(HANG) == 75
    assert process.is_held(first.lock)
    first.worker()


def test_orphaned_worker_is_stopped_by_its_mark(hold: Hold) -> None:
    running = hold()
    worker = running.worker()
    running.process.kill()
    running.process.wait()
    assert running.get("/pid")[0] == 200
    assert not process.is_held(running.lock)
    assert process.stop(running.lock)
    assert process.start_mark(worker) == ""


def test_stop_leaves_a_stranger_with_a_recorded_pid_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        lock = tmp_path / "lock"
        lock.write_text(f"{stranger.pid} 1\n{stranger.pid} 2\n", "ascii")
        assert not process.stop(lock)
        assert stranger.poll() is None
        stranger.kill()


def test_log_stays_small(hold: Hold) -> None:
    running = hold("crash")
    told("clients are sent to the origin", running)
    log = running.folder / "log"
    with log.open("ab") as file:
        file.write(b"x" * (3 << 20) + b"\nthe newest line\n")
    until(lambda: log.stat().st_size <= 1 << 20 and "the newest line" in running.told())
