"""The one gateway of a user's runs: its URL is the same each time, and it ends with the last."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lib import wheels
from lib.capabilities import lacks
from lib.clients import PIPS, UVS, Environment, Pip, Uv
from lib.gateway import free_port, headrace
from lib.holders import none_left
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until
from lib.world import MakeWorld

RUN = (*headrace(), "run", "--")
ON, OFF = ((*headrace(), word, "--scope", "user") for word in ("on", "off"))
MB = 1 << 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "flock"))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    """A home, and a port that nobody else's tests have."""
    environment = Environment(tmp_path / "box")
    home = tmp_path / "headrace"
    environment.variables |= {
        "HEADRACE_HOME": str(home),
        "HEADRACE_PORT": str(free_port()),
        "PATH": f"{environment.scripts}:{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    environment.write(".config/pip/pip.conf", "[global]\nindex-url = http://127.0.0.1:9/simple\n")
    (home / "config").mkdir(parents=True)
    (home / "config/config.toml").write_text("catalogue = false\n", "utf-8")
    yield environment
    if (home / "state/journal").exists():
        environment.run(*OFF).ok()
    none_left(str(tmp_path))
    left = [*(environment.home / "tmp").glob("headrace-run-*"), *home.glob("state/run/*/now")]
    assert left == []


@contextmanager
def going_on(box: Environment, script: str = "", **env: str) -> Iterator[subprocess.Popen[str]]:
    """A run that stays until the block is over; it has said its port in `port` by then."""
    words = ["sh", "-c", f"{script} echo $HEADRACE_RUN; exec sleep {int(HANG)}"]
    with box.start(*RUN, *words, env=env) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(HANG)


def port_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line.isdigit(), line + process.stdout.read()
    return line


def port(box: Environment, **env: str) -> str:
    return box.run(*RUN, "sh", "-c", "echo $HEADRACE_RUN", env=env).ok().out.strip()


def wanted(box: Environment) -> str:
    return box.variables["HEADRACE_PORT"]


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


# ------------------------------------------------------------------ caches


@pytest.mark.parametrize("version", [pytest.param(UVS[0], marks=pytest.mark.nightly), UVS[-1]])
def test_uvs_cache_holds_a_wheel_once_however_often_and_by_whatever_way_it_came(
    world: MakeWorld, box: Environment, version: str
) -> None:
    made = world(mirrors=0)
    built = wheels.wheel("demo", size=3 * MB)
    made.index.add(built)
    uv = Uv(version, box)
    box.write(".config/uv/uv.toml", f'[pip]\nindex-url = "{made.origin}/"\n')
    install = (str(uv.binary), "pip", "install", "--reinstall", "demo")
    cached = []
    for _ in range(3):
        box.run(*RUN, *install).ok()
        cached.append(size(box.home / "uv-cache"))
    assert cached[0] > 3 * MB
    box.run(*ON).ok()
    # The gateway of `on`, plain, and by a run; with what chooses builds, which uv is not told of.
    box.run(*install).ok()
    cached.append(size(box.home / "uv-cache"))
    box.run(*RUN, *install, env={"HEADRACE_CUDA": "cpu"}).ok()
    cached.append(size(box.home / "uv-cache"))
    assert max(cached) < cached[0] + MB, cached


@pytest.mark.parametrize("version", [pytest.param(PIPS[0], marks=pytest.mark.nightly), PIPS[-1]])
def test_pip_builds_an_sdist_once(world: MakeWorld, box: Environment, version: str) -> None:
    made = world(mirrors=0)
    made.index.add(wheels.sdist("demo"), wheels.backend())
    pip = Pip(version, box)
    pip.point_at(made.origin)
    install = pip.command("install", "-v", "--force-reinstall", "demo")
    first = box.run(*RUN, *install).ok()
    assert "Building wheel" in first.out
    for env in ({}, {"HEADRACE_CUDA": "cpu"}):
        again = box.run(*RUN, *install, env=env).ok()
        assert "Using cached demo" in again.out, again.told()
        assert "Building wheel" not in again.out
    box.run(*ON).ok()
    assert "Building wheel" not in box.run(*install).ok().out


@pytest.mark.nightly
def test_a_login_in_the_indexs_url_changes_nothing_of_it(
    world: MakeWorld, box: Environment
) -> None:
    """The token is another one each time, and it is no part of what caches go by."""
    made = world(mirrors=0)
    made.index.add(wheels.sdist("demo"), wheels.backend())
    pip = Pip(PIPS[-1], box)
    pip.point_at(made.origin.replace("http://", "http://user:secret@"))
    install = pip.command("install", "-v", "--force-reinstall", "demo")
    show = "grep -h ^index-url $PIP_CONFIG_FILE"
    urls = [box.run(*RUN, "sh", "-c", show).ok().out.strip() for _ in range(2)]
    assert len({url.rpartition("@")[2] for url in urls}) == 1, urls
    assert len({url.rpartition("@")[0] for url in urls}) == 2, urls
    assert "Building wheel" in box.run(*RUN, *install).ok().out
    assert "Building wheel" not in box.run(*RUN, *install).ok().out


# ------------------------------------------------------------------ one for all


@pytest.mark.nightly
def test_runs_at_the_same_time_share_one_gateway_which_ends_with_the_last(
    box: Environment,
) -> None:
    with ExitStack() as rest:
        last = rest.enter_context(going_on(box))
        with going_on(box) as first:
            assert port_of(first) == port_of(last) == wanted(box)
            (lock,) = Path(box.variables["HEADRACE_HOME"]).glob("state/run/*/gateway.lock")
            holder = int(lock.read_text("ascii").split()[0])
        assert port(box) == wanted(box)
        os.kill(holder, 0)
    until(lambda: not Path(f"/proc/{holder}").exists())


def test_many_that_begin_at_once_share_it(box: Environment) -> None:
    with ExitStack() as rest:
        every = [rest.enter_context(going_on(box)) for _ in range(2)]
        assert {port_of(each) for each in every} == {wanted(box)}


@pytest.mark.nightly
def test_hosts_to_choose_builds_for_are_kept_apart_by_path_and_not_by_port(
    box: Environment,
) -> None:
    show = "grep -h ^index-url $PIP_CONFIG_FILE"
    with going_on(box) as process:
        assert port_of(process) == wanted(box)
        urls = [
            box.run(*RUN, "sh", "-c", show, env=env).ok().out.split()[2]
            for env in (
                {},
                {"HEADRACE_CUDA": "cpu"},
                {"HEADRACE_CUDA": "cu126"},
                {"HEADRACE_TARGET": "driver=550,gpu=A100"},
                {"CONDA_OVERRIDE_CUDA": "12.4"},
            )
        ]
    bare = [url.rpartition("@")[2] for url in urls]
    assert bare[0] == f"127.0.0.1:{wanted(box)}/simple/"
    assert all(each.startswith(f"127.0.0.1:{wanted(box)}/for/") for each in bare[1:]), bare
    assert len(set(bare)) == len(bare)


@pytest.mark.nightly
def test_its_worker_has_said_where_clients_go_while_none_answers(box: Environment) -> None:
    with going_on(box) as process:
        port_of(process)
        (told,) = (Path(box.variables["HEADRACE_HOME"]) / "state/run").rglob("redirects.json")
        assert "/simple/=http://127.0.0.1:9/simple/" in json.loads(told.read_text("utf-8"))


def test_what_is_meant_otherwise_has_a_gateway_of_its_own(box: Environment) -> None:
    settings = Path(box.variables["HEADRACE_HOME"]) / "config/config.toml"
    with going_on(box) as process:
        assert port_of(process) == wanted(box)
        assert port(box, HTTPS_PROXY="http://127.0.0.1:9") != wanted(box)
        settings.write_text('catalogue = false\nvariants = "cpu"\n', "utf-8")
        assert port(box) != wanted(box)
    assert port(box) == wanted(box)


@pytest.mark.nightly
def test_another_version_has_a_gateway_of_its_own_beside_that_of_runs_and_of_on(
    box: Environment,
) -> None:
    other = "import headrace; headrace.__version__ = '0.0.1'; "
    other += "from headrace.cli import main; raise SystemExit(main())"
    words = (sys.executable, "-c", other, "run", "--", "sh", "-c", "echo $HEADRACE_RUN")
    with going_on(box) as process:
        assert port_of(process) == wanted(box)
        assert box.run(*words).ok().out.strip() != wanted(box)
    box.run(*ON).ok()
    assert port(box) == wanted(box)
    assert box.run(*words).ok().out.strip() != wanted(box)


@pytest.mark.nightly
def test_another_index_has_another_port_and_always_the_same(box: Environment) -> None:
    """A URL says nothing of the index behind it, so a cache would mix the two."""
    first, other = ({"PIP_INDEX_URL": f"http://127.0.0.1:9/{n}/simple"} for n in "ab")
    ports = [port(box, **env) for env in (first, other, first, other)]
    assert ports[:2] == ports[2:]
    assert ports[0] == wanted(box) != ports[1]


@pytest.mark.nightly
def test_where_somebody_else_has_the_port_a_run_has_its_own(box: Environment) -> None:
    assert port(box) == wanted(box)
    with socket.create_server(("127.0.0.1", int(wanted(box)))):
        assert port(box) not in ("", wanted(box))
    assert port(box) == wanted(box)
    with RecordingServer() as server:
        box.variables["HEADRACE_PORT"] = server.url.rpartition(":")[2]
        port(box, PIP_INDEX_URL="http://127.0.0.1:9/other/simple")
        assert server.seen == []


# ------------------------------------------------------------------ beside `on`


@pytest.mark.nightly
def test_on_takes_the_port_that_runs_had_and_runs_use_its_gateway(box: Environment) -> None:
    assert port(box) == wanted(box)
    box.run(*ON).ok()
    assert port(box) == wanted(box)
    assert not list(Path(box.variables["HEADRACE_HOME"]).glob("state/run/*/now"))


@pytest.mark.nightly
def test_on_waits_for_the_runs_that_have_the_port_rather_than_take_another(
    box: Environment,
) -> None:
    with going_on(box) as process:
        assert port_of(process) == wanted(box)
        refused = box.run(*ON).failed()
        assert f"commands of `headrace run` use port {wanted(box)} now" in refused.err
        assert "wait until they have ended" in refused.err
    box.run(*ON).ok()


# ------------------------------------------------------------------ ends


def test_daemon_that_a_command_leaves_behind_keeps_no_gateway(box: Environment) -> None:
    pid = int(box.run(*RUN, "sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!").ok().out)
    try:
        assert not list(Path(box.variables["HEADRACE_HOME"]).glob("state/run/*/now"))
        assert "sleep" in Path(f"/proc/{pid}/cmdline").read_text("ascii")
    finally:
        os.kill(pid, signal.SIGKILL)


def test_run_and_command_that_are_killed_leave_nothing(box: Environment) -> None:
    """The holder sees that nobody is left; the fixture sees that it has ended and cleared up."""
    with going_on(box) as process:
        port_of(process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii")
        for pid in (process.pid, *map(int, children.split())):
            os.kill(pid, signal.SIGKILL)
    now = Path(box.variables["HEADRACE_HOME"]).glob
    until(lambda: not list(now("state/run/*/now")))


@pytest.mark.nightly
def test_run_whose_gateway_is_killed_with_it_is_cleared_up_by_the_next(box: Environment) -> None:
    with going_on(box) as process:
        port_of(process)
        (lock,) = Path(box.variables["HEADRACE_HOME"]).glob("state/run/*/gateway.lock")
        pids = [int(line.split()[0]) for line in lock.read_text("ascii").splitlines()]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii")
        for pid in (*pids, process.pid, *map(int, children.split())):
            os.kill(pid, signal.SIGKILL)
    assert list(lock.parent.glob("now"))
    # Another index: another gateway, whose start sweeps for all.
    port(box, PIP_INDEX_URL="http://127.0.0.1:9/other/simple")
    assert not list(lock.parent.glob("now"))
