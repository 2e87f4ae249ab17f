"""What a command costs before it does anything, and what a gateway costs that nobody asks."""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.bench import Bench, Goal, Row
from benchmarks.loopback import free_port, served
from benchmarks.peers.headrace import Gateway
from benchmarks.peers.led import RECORD
from benchmarks.stage import Outcome, Stage, scratch

TITLE = "start-up, CPU against `python -I -c pass`; wake-ups of an idle gateway"

_TURNS = 5
#: Seconds that wake-ups are counted for, after what the start brought is done.
_IDLE, _IDLE_QUICK, _SETTLED = 25.0, 10.0, 6.0
_WITH_ONE = "headrace run -- true, gateway up"
_GOALS = {
    "headrace --version": 2.0,
    "docker-credential-headrace version": 2.5,
    "headrace status": 15.0,
    _WITH_ONE: 4.0,
    "headrace run -- true, gateway to start": 25.0,
}
_MAIN = {
    "headrace": "from headrace.cli import main; raise SystemExit(main())",
    "docker-credential-headrace": "from headrace_docker.credential_helper import main; main()",
}


def run(bench: Bench) -> Iterator[Row]:
    """Run each command in turn with plain Python, in a home where nothing is set up, but for the
    one that finds a gateway there.
    """
    with scratch() as home, scratch() as other, _gateway_of_user(other):
        env, with_one = _environment(home), _environment(other)
        used: dict[str, list[float]] = {name: [] for name in ("bare", *_GOALS)}
        for _ in range(max(bench.repeat, _TURNS)):
            for name, seconds in used.items():
                seconds.append(_cpu(name, with_one if name == _WITH_ONE else env))
                bench.record(Outcome(name, seconds[-1], 0))
        bare = statistics.median(used.pop("bare"))
        for name, seconds in used.items():
            took = statistics.median(seconds)
            note = f"{took * 1e3:.0f} ms : {bare * 1e3:.0f} ms"
            yield Row(name, took / bare, Goal(most=_GOALS[name]), note)
    with (
        served(bench.corpus) as origin,
        Gateway(Stage(), origin.url, {}, keep=bench.log("idle")) as gateway,
    ):
        time.sleep(_SETTLED)
        before = _wakes(gateway)
        idle = _IDLE_QUICK if bench.quick else _IDLE
        time.sleep(idle)
        yield Row("wake-ups a second", (_wakes(gateway) - before) / idle, Goal(most=0.2))


def _environment(home: Path) -> dict[str, str]:
    env = Stage().environment(home, HEADRACE_HOME=str(home / "headrace"))
    return env | {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONDONTWRITEBYTECODE": ""}


@contextlib.contextmanager
def _gateway_of_user(home: Path) -> Iterator[None]:
    """Keep a gateway up as `headrace on` does, which would edit files of the machine's too."""
    env = _environment(home)

    def python(program: str, *words: str) -> None:
        command = [sys.executable, "-c", program, *words]
        subprocess.run(command, env=env, check=True, capture_output=True)

    python(RECORD)
    python(_MAIN["headrace"], "gateway", "--detach", "--port", str(free_port()))
    try:
        yield
    finally:
        python(_MAIN["headrace"], "gateway", "--stop")


def _cpu(name: str, env: Mapping[str, str]) -> float:
    """Seconds of processor time of a command and of those of its children that it waited for."""
    program, _, rest = name.partition(",")[0].partition(" ")
    command = [sys.executable, "-I", "-c", "pass"]
    if program != "bare":
        # As the script that pip makes, which brings `re`.
        command = [sys.executable, "-c", f"import re; {_MAIN[program]}", *rest.split()]
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _wakes(gateway: Gateway) -> int:
    """How often the threads of a gateway have woken by themselves."""
    total = 0
    for pid in gateway.processes():
        for task in Path(f"/proc/{pid}/task").iterdir():
            status = (task / "status").read_text("ascii", "replace")
            found = re.search(r"(?m)^voluntary_ctxt_switches:\s+(\d+)", status)
            total += int(found[1]) if found else 0
    return total
