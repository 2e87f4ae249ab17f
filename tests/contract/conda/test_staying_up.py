"""conda works with a gateway that is down, dies, or has to be started, and says so in one line."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lib.clients import ALL, Result
from lib.conda.channels import package
from lib.conda.clients import Conda
from lib.conda.world import (
    CLASSIC,
    CONDAS,
    NEWEST,
    OLDEST,
    RETRY_WORDS,
    MakeWorld,
    World,
    large,
    make_client,
    routed,
)
from lib.gateway import Gateway, headrace
from lib.serving.dying import FAULTS as STRIKES
from lib.serving.dying import ON_LINUX, SHARES, strike
from lib.serving.faults import SIZE
from lib.serving.ports import free_port, refusing
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG, until

NAMES = CONDAS or [NEWEST]
FEW = NAMES if ALL else list(dict.fromkeys((NEWEST, OLDEST)))
LINE = "headrace: the gateway does not answer; conda goes straight to its channels"
ALPHA, BETA = package("alpha", depends=["beta"]), package("beta")


def conda_of(made: World, name: str, gateway: str = "", more: str = "") -> Conda:
    """Make a conda that is pointed at a gateway which nobody started, and nobody can."""
    conda = make_client(name, made.root / "client")
    assert isinstance(conda, Conda)
    made.route(conda, gateway or made.stack.enter_context(refusing()), more=more)
    return conda


def said(result: Result, line: str = LINE) -> int:
    """Count a line on stderr."""
    return result.err.splitlines().count(line)


# -------------------------------------------------------------- down


@pytest.mark.parametrize("name", FEW)
def test_dead_gateway_costs_one_line_and_nothing_else(world: MakeWorld, name: str) -> None:
    made = world(ALPHA, BETA, mirrors=0)
    conda = conda_of(made, name)
    result = made.install(conda, "env", "alpha").ok()
    assert said(result) == 1, result.told()
    assert ALPHA.installed_in(conda.prefix("env"))
    for seen in made.origin.seen:
        assert seen.headers["user-agent"].startswith("conda/")
    # What only looks at what is here says nothing.
    assert "headrace" not in conda.run("list", "-n", "env").ok().err


def test_json_stays_json_when_the_gateway_is_dead(world: MakeWorld) -> None:
    made = world(ALPHA, BETA, mirrors=0)
    conda = conda_of(made, NEWEST)
    result = conda.create("env", "alpha", channel=made.url, options=["--json"]).ok()
    assert json.loads(result.out)["success"] is True
    assert said(result) == 1


@pytest.mark.parametrize("name", FEW)
def test_kill_in_the_middle_of_a_download_costs_a_second_try_at_most(
    world: MakeWorld, name: str
) -> None:
    made = world(large(), mirror_rate=3 << 20, origin_rate=3 << 20)
    conda = make_client(name, made.root / "client")
    assert isinstance(conda, Conda)
    made.route(conda, made.gateway.url)
    words = ("create", "-y", "-q", "-n", "env", "--override-channels", "-c", made.url, "large")
    with conda.start(*words) as running:

        def half_is_there() -> bool:
            assert running.poll() is None
            return sum(made.sent().values()) >= SIZE // 2

        until(half_is_there, made.gateway.told)
        made.gateway.kill()
        out, _ = running.communicate(timeout=HANG)
    made.origin.rate = None
    if running.returncode != 0:
        # conda itself does not go on with a download that broke off; its next run does.
        assert not conda.meta("env"), out
        part = conda.pkgs / f"{large().filename}.partial"
        # It is given little before the digest agrees: it could take nothing back.
        had = part.stat().st_size if part.exists() else 0
        assert had < len(large().data)
        assert had == 0 or part.read_bytes() == large().data[:had]
        result = made.install(conda, "env", "large").ok()
        assert said(result) == 1
        (seen,) = (
            s for s in made.origin.requests("*.conda") if s.headers["user-agent"][:6] == "conda/"
        )
        assert (seen.range, seen.status) == (((had, None), 206) if had else (None, 200))
    assert large().installed_in(conda.prefix("env"))


@ON_LINUX
@pytest.mark.nightly
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("fault", STRIKES)
@pytest.mark.parametrize("name", CONDAS or [NEWEST])
def test_no_conda_notices_a_gateway_that_dies_or_stands_still(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch, name: str, fault: str, share: float
) -> None:
    monkeypatch.setattr(Gateway, "held", True)
    made = world(large(), mirror_rate=6 << 20, origin_rate=6 << 20)
    conda = make_client(name, made.root / "client")
    assert isinstance(conda, Conda)
    made.route(conda, made.gateway.url)
    words = ("create", "-y", "-q", "-n", "env", "--override-channels", "-c", made.url, "large")
    with conda.start(*words) as running:
        strike(made.gateway, fault, lambda: sum(made.sent().values()) >= share * SIZE)
        out, _ = running.communicate(timeout=HANG)
    assert running.returncode == 0, out + made.gateway.told()
    assert not any(word in out.lower() for word in RETRY_WORDS), out
    assert large().installed_in(conda.prefix("env"))
    made.assert_through()


@ON_LINUX
@pytest.mark.nightly
def test_repodata_goes_on_when_the_gateway_is_killed(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No offset is asked for there: what the client has is left out on the way."""
    monkeypatch.setattr(Gateway, "held", True)
    made = world(mirrors=0, origin_rate=6 << 20)
    page = json.dumps({"packages": {}, "info": {"x": os.urandom(10 << 20).hex()}}).encode()
    made.origin.content["/conda-forge/noarch/repodata.json"] = Reply(page, 200, "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", made.gateway.port, timeout=HANG)
    connection.request("GET", f"{made.at_gateway}/noarch/repodata.json")
    with contextlib.closing(connection), connection.getresponse() as answer:
        got = answer.read(1 << 20)
        strike(made.gateway, "killed", lambda: True)
        assert got + answer.read() == page, made.gateway.told()


def test_download_that_a_kill_broke_off_goes_on_through_the_next_gateway(
    world: MakeWorld,
) -> None:
    made = world(large())
    conda = made.conda()
    conda.pkgs.mkdir()
    part = conda.pkgs / f"{large().filename}.partial"
    part.write_bytes(large().data[: 10 << 20])
    made.gateway.kill()
    made.gateway.start()
    result = made.install(conda, "env", "large").ok()
    assert large().installed_in(conda.prefix("env"))
    assert "Retry" not in result.err
    made.assert_polite()
    made.assert_through()


# -------------------------------------------------------------- started by conda


@contextmanager
def starter(made: World, conda: Conda) -> Iterator[list[str]]:
    """Give the words that start this world's gateway, as `headrace_command` has them."""
    described = made.gateway_made()
    script = made.root / "headrace"
    words = " ".join(shlex.quote(word) for word in headrace())
    origins = " ".join(f"--origin {shlex.quote(each)}" for each in described.origins)
    script.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {words} "$@" {origins}\n', "utf-8")
    script.chmod(0o755)
    conda.variables["HEADRACE_HOME"] = str(described.root)
    try:
        yield [str(script)]
    finally:
        subprocess.run(
            [*headrace(), "gateway", "--stop"], env=described.env, check=False, capture_output=True
        )


@pytest.mark.parametrize("name", FEW)
def test_gateway_that_is_down_is_started_before_a_download(world: MakeWorld, name: str) -> None:
    made = world(ALPHA, BETA, mirrors=0)
    port = free_port()
    conda = make_client(name, made.root / "client")
    assert isinstance(conda, Conda)
    with starter(made, conda) as words:
        more = f"  headrace_command: {json.dumps(words)}\n"
        made.route(conda, f"http://127.0.0.1:{port}", more=more)
        result = made.install(conda, "env", "alpha").ok()
        assert said(result) == 0, result.told()
        made.assert_through("*.conda")
        made.assert_through("*repodata*")
        assert ALPHA.installed_in(conda.prefix("env"))


def test_command_that_cannot_start_a_gateway_is_no_hindrance(world: MakeWorld) -> None:
    made = world(ALPHA, BETA, mirrors=0)
    for command in (["/nowhere/headrace"], ["false"], []):
        more = f"  headrace_command: {json.dumps(command)}\n"
        conda = conda_of(made, CLASSIC, more=more)
        env = f"env{len(command)}{len(''.join(command))}"
        assert said(made.install(conda, env, "alpha").ok()) == 1
        assert ALPHA.installed_in(conda.prefix(env))


# -------------------------------------------------------------- offline and proxies


@pytest.mark.parametrize("name", NAMES if ALL else [NEWEST])
def test_offline_asks_nobody_and_says_nothing(world: MakeWorld, name: str) -> None:
    made = world(ALPHA, BETA, mirrors=0)
    conda = conda_of(made, name)
    made.install(conda, "env", "alpha").ok()
    made.origin.forget()
    with RecordingServer(name="gateway") as gateway:
        made.route(conda, gateway.url)
        options = ["--offline"]
        result = conda.create("two", "alpha", channel=made.url, options=options).ok()
        assert gateway.seen == []
        assert gateway.requests() == []
    assert made.origin.seen == []
    assert "headrace" not in result.err + result.out
    assert ALPHA.installed_in(conda.prefix("two"))


@pytest.mark.parametrize("where", ["environment", "condarc"])
@pytest.mark.parametrize("name", NAMES if ALL else [NEWEST, OLDEST])
def test_gateway_is_reached_past_a_proxy(world: MakeWorld, name: str, where: str) -> None:
    made = world(ALPHA, BETA, mirrors=0)
    dead = made.stack.enter_context(refusing())
    conda = made.conda(name)
    if where == "environment":
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            conda.variables[variable] = dead
    else:
        proxies = f"  http: {dead}\n  https: {dead}\n  'http://127.0.0.1': ''"
        lines = routed(made.gateway.url, f"{made.origin.url}/*", proxy=proxies)
        conda.configure(more=lines)
    made.install(conda, "env", "alpha").ok()
    assert ALPHA.installed_in(conda.prefix("env"))
    made.assert_through()
    assert made.origin.requests("*/alpha-1.0-0.conda")


# -------------------------------------------------------------- what it adds to conda


@pytest.mark.parametrize("name", NAMES if ALL else [NEWEST])
def test_conda_headrace_without_words_tells_how_to_use_it(world: MakeWorld, name: str) -> None:
    made = world(mirrors=0)
    conda = conda_of(made, name)
    result = conda.run("headrace")
    assert (result.code, result.out.startswith("usage: conda headrace ")) == (2, True)
    assert "Traceback" not in result.err


def test_conda_headrace_hands_words_and_exit_code_on(world: MakeWorld) -> None:
    made = world(mirrors=0)
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    command = json.dumps([sys.executable, "-c", code])
    conda = conda_of(made, NEWEST, more=f"  headrace_command: {command}\n")
    result = conda.run("headrace", "explain", "numpy", "--json")
    assert (result.code, result.out) == (7, "['explain', 'numpy', '--json']\n")
    alone = conda_of(made, NEWEST)
    result = alone.run("headrace", "status")
    assert result.code == 1
    assert "not installed beside conda" in result.err


@pytest.mark.parametrize("name", NAMES if ALL else [NEWEST])
def test_conda_doctor_says_how_it_stands(world: MakeWorld, name: str) -> None:
    made = world(mirrors=0)
    conda = conda_of(made, name)
    made.install(conda, "env").ok()
    told = conda.run("doctor", "-n", "env", "-v")
    assert "headrace: nobody answers at http://127.0.0.1:" in told.out, told.told()
    made.route(conda, made.gateway.url)
    told = conda.run("doctor", "-n", "env", "-v")
    assert f"headrace: the gateway answers at {made.gateway.url}" in told.out, told.told()
    assert f"{made.origin.url}/*" in told.out


_IMPORTS = """
import sys
before = set(sys.modules)
from conda.plugins import hookimpl
marker = set(sys.modules)
import headrace_conda_inside
print(sorted(set(sys.modules) - marker))
heavy = ("requests", "urllib3", "conda.gateways", "conda.base", "headrace.", "asyncio")
print(sorted(name for name in set(sys.modules) - marker if name.startswith(heavy)))
print("headrace" in sys.modules)
"""


@pytest.mark.parametrize("name", NAMES)
def test_import_of_the_plugin_imports_nothing_else(world: MakeWorld, name: str) -> None:
    conda = conda_of(world(mirrors=0), name)
    done = subprocess.run(
        [conda.base.python, "-c", _IMPORTS],
        env=conda.variables,
        cwd=conda.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["['headrace_conda_inside']", "[]", "False"], done.stderr


def test_conda_sees_nothing_of_headrace_but_the_plugin(world: MakeWorld) -> None:
    conda = conda_of(world(mirrors=0), NEWEST)
    code = "import importlib.util as u; print(u.find_spec('headrace'), u.find_spec('httpx'))"
    done = subprocess.run(
        [conda.base.python, "-c", code],
        env=conda.variables,
        cwd=conda.home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None None"
