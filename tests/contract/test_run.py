"""`headrace run -- COMMAND`: a gateway for one command, the command as if nobody stood between."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import Environment, Pip, Result
from lib.gateway import TestMirror, free_port, headrace
from lib.holders import none_left
from lib.serving.certificates import authority
from lib.serving.faults import large
from lib.waiting import HANG, until
from lib.world import MakeWorld, World

RUN = [*headrace(), "run"]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    """A home for one test; nothing may live or lie about when the test is over."""
    environment = Environment(tmp_path / "box")
    environment.variables["HEADRACE_HOME"] = str(tmp_path / "headrace")
    environment.variables["HEADRACE_PORT"] = str(free_port())
    environment.variables["PATH"] = (
        f"{environment.scripts}:{Path(sys.executable).parent}:/usr/bin:/bin"
    )
    environment.write(".config/pip/pip.conf", "[global]\nindex-url = http://127.0.0.1:9/simple\n")
    yield environment
    none_left(str(tmp_path))
    nothing_left(environment)


def scratch_folders(box: Environment) -> list[Path]:
    """What runs have made for themselves and not yet taken away."""
    state = Path(box.variables["HEADRACE_HOME"]) / "state/run"
    return [*(box.home / "tmp").glob("headrace-run-*"), *state.glob("*/now")]


def nothing_left(box: Environment) -> None:
    until(lambda: not scratch_folders(box), lambda: scratch_folders(box))


def prepare(made: World, box: Environment, pip: Pip) -> None:
    """The user's pip uses the test's origin, and the settings name its mirrors."""
    pip.point_at(made.origin)
    write_settings(box, made.described)


def write_settings(box: Environment, mirrors: list[TestMirror]) -> None:
    lines = ["catalogue = false"]
    for mirror in mirrors:
        lines += ["[[mirror]]", f'id = "{mirror.id}"', f'url = "{mirror.url}"']
        lines += [f'layout = "{mirror.layout}"']
    path = Path(box.variables["HEADRACE_HOME"]) / "config" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def run(box: Environment, *words: str, **env: str) -> Result:
    return box.run(*RUN, "--", *words, env=env)


@pytest.mark.parametrize("version", ["23.2.1", "26.3"])
def test_pip_goes_through_a_gateway_and_nothing_is_configured(
    world: MakeWorld, box: Environment, version: str
) -> None:
    made = world(mirrors=2)
    made.index.add(large())
    pip = Pip(version, box)
    prepare(made, box, pip)
    before = (box.home / ".config/pip/pip.conf").read_bytes()
    result = run(box, *pip.command("install", "large")).ok()
    assert box.holds(large().files())
    # The test's index stands for a company's own: its names are told to no mirror.
    assert made.at_mirrors() == []
    assert all(seen.headers["user-agent"].startswith("headrace/") for seen in made.pages.seen)
    assert (box.home / ".config/pip/pip.conf").read_bytes() == before
    line = result.err.strip().splitlines()[-1]
    assert line.startswith("headrace: "), result.told()
    assert re.search(r"25\.2 MB in \d files? from", line), line
    assert "from origin" in line, line


def test_quiet_run_says_nothing_of_its_own(world: MakeWorld, box: Environment) -> None:
    made = world(mirrors=1)
    made.index.add(large())
    pip = Pip("26.3", box)
    prepare(made, box, pip)
    result = box.run(*RUN, "--quiet", "--", *pip.command("download", "-q", "large")).ok()
    assert "headrace" not in result.err


@pytest.mark.parametrize("code", [0, 1, 3, 130, 255])
def test_exit_code_is_the_commands(box: Environment, code: int) -> None:
    assert run(box, "sh", "-c", f"exit {code}").code == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_command_killed_by_a_signal_gives_128_and_its_number(
    box: Environment, number: signal.Signals
) -> None:
    assert run(box, "sh", "-c", f"kill -{int(number)} $$").code == 128 + number


def test_command_that_is_not_there_is_127_and_one_that_cannot_run_is_126(box: Environment) -> None:
    missing = run(box, "no-such-command-here")
    assert missing.code == 127
    assert "not found" in missing.err
    script = box.write("plain.txt", "no program")
    assert run(box, str(script)).code == 126


def wait_for(word: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = ""
    while word not in said:
        line = process.stdout.readline()
        assert line, said
        said += line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signal_that_is_sent_to_us_alone_reaches_the_command(
    box: Environment, number: signal.Signals
) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    # A shell cannot trap what was ignored when it began (POSIX, trap), as in a run under nohup.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        started = box.start(*RUN, "--", "sh", "-c", script)
    finally:
        signal.signal(number, before)
    with started as process:
        wait_for("ready", process)
        process.send_signal(number)
        out, _ = process.communicate(timeout=HANG)
    assert "got" in out
    assert process.returncode == 9


def test_command_has_the_terminal_and_ctrl_c_reaches_it_once(box: Environment) -> None:
    code = (
        # Counted by a handler that is there before the parent hears of this process.
        "import os,signal,sys,time\n"
        "got=[]\n"
        "signal.signal(signal.SIGINT, lambda *_: got.append(time.monotonic()))\n"
        "print('tty', os.isatty(0), os.isatty(1), os.tcgetpgrp(0)==os.getpgrp(), flush=True)\n"
        "end=time.monotonic()+20\n"
        "while not got and time.monotonic()<end: time.sleep(0.05)\n"
        "time.sleep(0.3)\n"
        "print('interrupts', len(got), flush=True)\n"
        "sys.exit(5)\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(box.home)
        os.execve(RUN[0], [*RUN, "--", str(box.python), "-c", code], box.variables)
    said = b""
    while b"tty" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    try:
        while data := os.read(terminal, 1000):
            said += data
    except OSError:
        pass  # the terminal's end, on Linux
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert b"tty True True True" in said, said
    assert b"interrupts 1" in said, said
    assert os.waitstatus_to_exitcode(status) == 5


def test_run_inside_run_uses_the_outer_gateway(box: Environment) -> None:
    inner = f"{' '.join(RUN)} -- sh -c 'echo inner=$HEADRACE_RUN'"
    result = run(box, "sh", "-c", f"echo outer=$HEADRACE_RUN; {inner}").ok()
    values = dict(line.split("=") for line in result.out.split())
    assert values["outer"] == values["inner"] != ""


def test_gateway_that_cannot_start_is_one_line_and_the_command_runs(
    world: MakeWorld, box: Environment
) -> None:
    made = world(mirrors=0)
    made.index.add(large())
    pip = Pip("26.3", box)
    prepare(made, box, pip)
    path = Path(box.variables["HEADRACE_HOME"]) / "config" / "config.toml"
    path.write_text("prot = 3\n", "utf-8")
    result = run(box, *pip.command("install", "-q", "large")).ok()
    assert box.holds(large().files())
    (line,) = [line for line in result.err.splitlines() if line.startswith("headrace")]
    assert "prot" in line
    assert "runs without headrace" in line


def test_home_that_cannot_be_written_is_no_obstacle(world: MakeWorld, box: Environment) -> None:
    made = world(mirrors=1)
    made.index.add(large())
    pip = Pip("26.3", box)
    prepare(made, box, pip)
    box.variables["HEADRACE_CONFIG"] = str(
        Path(box.variables["HEADRACE_HOME"]) / "config" / "config.toml"
    )
    box.variables["HEADRACE_HOME"] = "/proc/nowhere"
    run(box, *pip.command("install", "-q", "large")).ok()
    assert box.holds(large().files())
    assert all(seen.headers["user-agent"].startswith("headrace/") for seen in made.pages.seen)


def test_worker_that_is_killed_during_the_command_is_replaced(
    world: MakeWorld, box: Environment
) -> None:
    made = world(mirrors=0, origin_rate=4 << 20)
    made.index.add(large())
    pip = Pip("26.3", box)
    prepare(made, box, pip)
    with box.start(*RUN, "--", *pip.command("install", "large")) as process:
        kill_worker_midway(box, made)
        out, _ = process.communicate(timeout=HANG)
    assert process.returncode == 0, out
    assert box.holds(large().files())


def kill_worker_midway(box: Environment, made: World) -> None:
    until(lambda: sum(made.sent().values()) >= 3 << 20, made.sent)
    (lock,) = Path(box.variables["HEADRACE_HOME"]).glob("state/run/*/gateway.lock")
    _, worker = lock.read_text("ascii").splitlines()
    os.kill(int(worker.split()[0]), signal.SIGKILL)


def test_runs_own_death_leaves_the_command_its_gateway_and_nothing_after_that(
    box: Environment,
) -> None:
    go = box.home / "go"
    script = f"echo ready; while [ ! -e {go} ]; do sleep 0.05; done; echo port=$HEADRACE_RUN"
    with box.start(*RUN, "--", "sh", "-c", script) as process:
        wait_for("ready", process)
        (lock,) = Path(box.variables["HEADRACE_HOME"]).glob("state/run/*/gateway.lock")
        holder = int(lock.read_text("ascii").split()[0])
        process.kill()
        process.wait()
        time.sleep(2.5)  # longer than the holder looks away
        os.kill(holder, 0)
        assert scratch_folders(box)
        go.touch()
        out, _ = process.communicate(timeout=HANG)
    assert "port=" in out
    until(lambda: not Path(f"/proc/{holder}").exists())
    nothing_left(box)


def test_what_a_killed_run_left_beside_the_gateway_of_on_is_gone_after_the_next(
    box: Environment,
) -> None:
    box.run(*headrace(), "on", "--scope", "user").ok()
    try:
        with box.start(*RUN, "--", "sh", "-c", "echo ready; read x") as process:
            wait_for("ready", process)
            process.kill()
            process.communicate(timeout=HANG)
        assert scratch_folders(box)
        run(box, "true").ok()
        nothing_left(box)
    finally:
        box.run(*headrace(), "off", "--scope", "user").ok()


def test_scratch_folder_is_the_users_alone(box: Environment) -> None:
    script = (
        "cd $HEADRACE_HOME/state/run && find . -type d -perm /77; find . -maxdepth 3 -type f "
        "-perm /77; echo looked at $(find . -maxdepth 3 -type f | wc -l) files"
    )
    (told,) = run(box, "sh", "-c", script).ok().out.splitlines()
    assert int(told.split()[2]) >= 8, told


def test_processes_of_a_run_show_no_secret(world: MakeWorld, box: Environment) -> None:
    made = world(mirrors=0)
    pip = Pip("26.3", box)
    pip.point_at(made.origin.replace("http://", "http://user:hunter2secret@"))
    write_settings(box, [])
    result = run(box, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").ok()
    assert "gateway" in result.out
    assert "hunter2secret" not in result.out


def test_usage_without_a_command(box: Environment) -> None:
    done = subprocess.run(RUN, env=box.variables, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "headrace run -- COMMAND" in done.stderr


def test_file_of_authorities_in_pip_conf_counts_for_pips_index_beside_another_ones(
    world: MakeWorld, box: Environment, tmp_path: Path
) -> None:
    pips, other = authority(tmp_path / "pips"), authority(tmp_path / "other")
    made = world(mirrors=0, tls=pips.server, one_host=True)
    made.index.add(wheels.wheel("thing", "1.0"))
    pip = Pip("26.3", box)
    write_settings(box, [])
    # What the environment names is another one; and a third one is neither's.
    for named, trusted in ((pips, True), (other, False)):
        pip.point_at(made.origin, more=f"cert = {named.certificate}\n")
        asked = len(made.pages.seen)
        result = run(
            box,
            *pip.command("install", "--force-reinstall", "--retries", "0", "thing"),
            SSL_CERT_FILE=str(other.certificate),
            HEADRACE_HOME=str(tmp_path / f"headrace-{trusted}"),
        )
        assert (result.code == 0) is trusted, result.told()
        agents = {seen.headers["user-agent"] for seen in made.pages.seen[asked:]}
        assert all(agent.startswith("headrace/") for agent in agents)
        assert bool(agents) is trusted
