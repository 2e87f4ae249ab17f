"""The server under a real client: how it begins, how it ends, what it tells its watcher."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO

import pytest

from lib.capabilities import lacks
from lib.waiting import HANG, until

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
from headrace.gateway.server import LifespanListener, serve
from headrace.system.service import listeners

async def application(scope, receive, send):
    import asyncio
    if scope["type"] == "lifespan":
        await receive()
        if mode == "broken":
            await send({"type": "lifespan.startup.failed", "message": "on purpose"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shut down", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] in ("/slow", "/endless"):
        for _ in range(20 if scope["path"] == "/slow" else 10**9):
            await asyncio.sleep(0.1)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await send({"type": "http.response.body", "body": b"!"})

def told(sleep):
    return lambda *words: (print("slept", flush=True), sleep(*words))[1]

mode, idle, grace = sys.argv[1], float(sys.argv[2]) or None, float(sys.argv[3])
sock = listeners.bind("127.0.0.1", 0)
print(listeners.address_of(sock)[1], flush=True)
say = lambda word: (lambda: print(word, flush=True))
if mode == "sleeps":
    import asyncio
    asyncio.sleep = told(asyncio.sleep)
watcher = LifespanListener(say("ready"), say("alive"), say("stopping"), every=0.5)
end = serve(lambda: application, [sock], grace=grace, idle_exit=idle, watcher=watcher)
print(end.value, flush=True)
"""


class Served:
    """The program above."""

    def __init__(self, mode: str = "good", idle: float = 0, grace: float = 10) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, mode, str(idle), str(grace)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PYTHONPATH": str(ROOT / "shared"), "PATH": os.defpath},
        )
        assert self.process.stdout is not None
        self.out = self.process.stdout
        self.port = int(self.out.readline())

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG)
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse()

    def end(self) -> tuple[int, list[str]]:
        """Exit code and what it said."""
        said = self.out.read().split("\n")
        return self.process.wait(HANG), [line for line in said if line]


@pytest.fixture
def made() -> Iterator[list[Served]]:
    running: list[Served] = []
    yield running
    for each in running:
        each.process.kill()
        each.process.wait()
        each.out.close()


def start(made: list[Served], *args: object) -> Served:
    made.append(Served(*args))  # type: ignore[arg-type]
    return made[-1]


def test_ready_is_told_when_requests_are_answered(made: list[Served]) -> None:
    served = start(made)
    assert served.out.readline() == "ready\n"
    assert served.get("/").read() == b"!"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_code_0_and_the_running_answer_is_whole(
    made: list[Served], number: signal.Signals
) -> None:
    served = start(made)
    answer = served.get("/slow")
    served.process.send_signal(number)
    assert answer.read() == b"x" * 20 + b"!"
    code, said = served.end()
    assert code == 0
    assert said[-1] == "told"
    assert said.index("stopping") < said.index("shut down")


def test_at_its_end_nothing_is_waited_for_where_nobody_is_connected(made: list[Served]) -> None:
    served = start(made, "sleeps")
    assert served.get("/").read() == b"!"
    served.process.terminate()
    code, said = served.end()
    assert code == 0
    assert said[-2:] == ["shut down", "told"]
    assert "slept" not in said


def test_new_connections_are_refused_while_it_ends(made: list[Served]) -> None:
    served = start(made)
    answer = served.get("/endless")
    served.process.terminate()

    def refused() -> bool:
        try:
            served.get("/").close()
        except ConnectionRefusedError:
            return True
        except (OSError, http.client.HTTPException):
            pass  # it was accepted, and then the listener went
        return False

    until(refused)
    assert answer.read(1) == b"x"
    assert served.process.poll() is None


def test_second_signal_does_not_wait(made: list[Served]) -> None:
    served = start(made, "good", 0, 2 * HANG)
    answer = served.get("/endless")
    served.process.terminate()
    assert [served.out.readline() for _ in range(2)] == ["ready\n", "stopping\n"]
    served.process.terminate()
    served.process.wait(HANG)
    answer.close()


def test_grace_is_the_limit_of_waiting(made: list[Served]) -> None:
    served = start(made, "good", 0, 1)
    answer = served.get("/endless")
    served.process.terminate()
    served.process.wait(HANG)
    answer.close()


def test_signs_of_life_are_given_while_nothing_happens(made: list[Served]) -> None:
    served = start(made)
    assert [served.out.readline() for _ in range(3)] == ["ready\n", "alive\n", "alive\n"]


def test_idle_server_ends_and_says_why(made: list[Served]) -> None:
    served = start(made, "good", 0.5)
    code, said = served.end()
    assert (code, said[-1]) == (0, "idle")


def test_server_is_not_idle_while_it_answers(made: list[Served]) -> None:
    served = start(made, "good", 0.5)
    assert served.get("/slow").read() == b"x" * 20 + b"!"


def test_application_that_cannot_start_is_a_failure_and_never_ready(made: list[Served]) -> None:
    served = start(made, "broken")
    _, said = served.end()
    assert said == ["failed"]


ARMED = """
import asyncio, sys
from headrace.gateway import server
from headrace.system.service import listeners

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"!"})
    print("asked", armed(), flush=True)

def armed():
    timers = [each.when() - loop.time() for each in loop._scheduled if not each.cancelled()]
    return [round(seconds) for seconds in sorted(timers)]

def made():
    global loop
    loop = asyncio.SelectorEventLoop()
    select = loop._selector.select
    def selecting(timeout):
        if timeout is None or timeout > 0:
            print("waits", armed(), flush=True)
        return select(timeout)
    loop._selector.select = selecting
    return loop

server._loop_factory = lambda: made
idle = float(sys.argv[1]) or None
sock = listeners.bind("127.0.0.1", 0)
print(listeners.address_of(sock)[1], flush=True)
server.serve(lambda: application, [sock], idle_exit=idle)
"""


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "SIGTERM"))
@pytest.mark.parametrize("idle", [0, 5000])
def test_while_nobody_is_connected_no_timer_is_armed_and_the_date_is_right_all_the_same(
    idle: int,
) -> None:
    command = [sys.executable, "-c", ARMED, str(idle)]
    env = {"PYTHONPATH": str(ROOT / "shared"), "PATH": os.defpath}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        at_rest = f"waits {[idle] if idle else []}\n"
        for _ in range(2):
            until_said(process.stdout, at_rest)
            time.sleep(1.1)  # the date of before is another one
            before = int(time.time())
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert answer.read() == b"!"
            assert parsedate_to_datetime(answer.headers["date"]).timestamp() >= before
            until_said(process.stdout, "waits [1")  # somebody is connected
            connection.close()
        until_said(process.stdout, at_rest)
        process.terminate()
        process.stdout.read()


def until_said(out: IO[str], begin: str) -> None:
    """Read on until a line begins so."""
    while not (line := out.readline()).startswith(begin):
        assert line, f"it ended without {begin!r}"


def test_idle_server_wakes_seldom(made: list[Served]) -> None:
    served = start(made)
    assert served.get("/").read() == b"!"
    status = Path(f"/proc/{served.process.pid}/status")
    if not status.exists():
        pytest.skip(lacks("system", "reads /proc"))

    def wakes() -> int:
        (line,) = re.findall(r"(?m)^voluntary_ctxt_switches:\s+(\d+)", status.read_text("ascii"))
        return int(line)

    before, alive = wakes(), 0
    while alive < 4:
        alive += served.out.readline() == "alive\n"
    assert wakes() - before <= 10 * alive


def test_answer_has_a_date_and_no_server_name(made: list[Served]) -> None:
    served = start(made)
    answer = served.get("/")
    assert answer.headers["date"]
    assert answer.headers["server"] is None
    answer.read()


def test_connection_stays_open_between_two_requests(made: list[Served]) -> None:
    served = start(made)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=HANG)
    for _ in range(2):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"!"
        assert isinstance(connection.sock, socket.socket)
        time.sleep(0.2)
    connection.close()
