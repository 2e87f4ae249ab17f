"""What a led command has around it: its user's program, proxy, authorities, logins; and trouble."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import UVS, Uv
from lib.index import Index
from lib.serving import modes
from lib.serving.faults import large
from lib.serving.proxies import RecordingProxy
from lib.serving.servers import RecordingServer

from .conftest import LedUser, MakeUser

UV = UVS[-1]
#: Prints its whole environment.
TELL = "import os, json; print(json.dumps(dict(os.environ)))"


def uv_of(user: LedUser, version: str = UV) -> Uv:
    uv = Uv(version, user.box)
    text = (user.project / "pyproject.toml").read_text("utf-8")
    text += f'\n[[tool.uv.index]]\nurl = "{user.world.origin}"\ndefault = true\n'
    (user.project / "pyproject.toml").write_text(text, "utf-8")
    return uv


def told(out: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(out.strip().splitlines()[-1])
    # What differs from one run to the next by itself.
    return {k: v for k, v in found.items() if k not in {"UV_RUN_RECURSION_DEPTH", "PWD", "_"}}


def test_program_below_uv_run_has_the_environment_that_it_would_have_had(
    make_user: MakeUser,
) -> None:
    user = make_user()
    uv = uv_of(user)
    led = user.led(uv.binary, "run", "python", "-c", TELL).ok()
    # What it needs came by way of mirrors, before it was started.
    assert user.own_words("*large*.whl") < len(large().data) / 2, led.told()
    plain = user.plain(uv.binary, "run", "python", "-c", TELL).ok()
    assert told(led.out) == told(plain.out)


def test_script_below_uv_is_led_first_and_runs_once(make_user: MakeUser) -> None:
    user = make_user()
    uv = uv_of(user)
    user.box.write("project/once.py", 'open("ran", "a").write("x")\nraise SystemExit(7)\n')
    assert user.led(uv.binary, "run", "once.py").code == 7
    assert (user.project / "ran").read_text() == "x"


@pytest.mark.nightly
def test_module_and_script_of_its_own_and_tool_below_uv_are_led_first_and_run_once(
    make_user: MakeUser,
) -> None:
    user = make_user()
    uv = uv_of(user)
    user.box.variables["UV_DEFAULT_INDEX"] = user.world.origin
    user.box.write("project/once.py", 'open("ran", "a").write("x")\n')
    user.led(uv.binary, "run", "-m", "once").ok()
    script = f"# /// script\n# dependencies = ['small']\n# ///\nimport small\n{TELL}\n"
    user.box.write("project/own.py", script)
    assert "HTTPS_PROXY" not in told(user.led(uv.binary, "run", "own.py").ok().out)
    assert user.led(uv.binary, "tool", "run", "--from", "small", "sh", "-c", "exit 9").code == 9
    assert (user.project / "ran").read_text() == "x"


def test_users_own_proxy_and_authorities_are_gone_through(make_user: MakeUser) -> None:
    with RecordingProxy() as proxy:
        user = make_user(domain="corp.test")
        uv = uv_of(user)
        user.box.variables |= {
            "HTTPS_PROXY": proxy.url,
            "HTTP_PROXY": proxy.url,
            "NO_PROXY": "x.test",
        }
        result = user.led(uv.binary, "sync").ok()
        assert user.own_words("*large*.whl") < len(large().data) / 2, result.told()
        targets = {passed.target for passed in proxy.passed if passed.method == "CONNECT"}
        assert f"pages.corp.test:{user.world.pages.port}" in targets
        # A host that is not led goes the same way, byte for byte.
        proxy.passed.clear()
        there = user.world.mirrors[0].port
        user.led("curl", "-sk", "--max-time", "5", f"https://other.corp.test:{there}/")
        assert [passed.target for passed in proxy.passed] == [f"other.corp.test:{there}"]


def login_of(user: LedUser, way: str) -> None:
    """Give the user a login for the public origin."""
    if way == "store":
        words = ("auth", "login", user.world.origin, "--username", "me", "--password", "verysecret")
        user.plain(Uv(UV, user.box).binary, *words).ok()
        # uv shows it below that URL alone.
        user.world.files.credential = None
    else:
        user.box.write(".netrc", f"{way} login me password verysecret\n").chmod(0o600)


@pytest.mark.parametrize(
    "way",
    [
        "machine 127.0.0.1",
        *(pytest.param(n, marks=pytest.mark.nightly) for n in ("default", "store")),
    ],
)
def test_login_makes_a_host_one_that_is_tunnelled(make_user: MakeUser, way: str) -> None:
    user = make_user(origin_rate=None)
    uv = uv_of(user)
    user.world.pages.credential = user.world.files.credential = ("me", "verysecret")
    login_of(user, way)
    user.led(uv.binary, "sync").ok()
    seen = [*user.world.pages.seen, *user.world.files.seen]
    # Before it leads anybody headrace reads for itself where the origin keeps its files.
    own = [each for each in seen if each.path != "/simple/pip/"]
    assert {each.headers["user-agent"].partition("/")[0] for each in own} == {"uv"}
    assert not user.world.at_mirrors()
    state = [path for path in user.headrace_home.rglob("*") if path.is_file()]
    assert not [path for path in state if b"verysecret" in path.read_bytes()]


def test_private_index_beside_the_public_one_keeps_its_credential_to_itself(
    make_user: MakeUser,
) -> None:
    user = make_user()
    uv = uv_of(user)
    index = Index()
    index.add(wheels.wheel("own", "1.0"))
    tls = user.world.pages.tls
    # A host that its user has a login for is let through whole, so this is another one.
    with RecordingServer(name="company", tls=tls, known_as="localhost") as company:
        company.credential = ("me", "verysecret")
        url = index.mount_origin(company)
        path = user.project / "pyproject.toml"
        text = path.read_text("utf-8").replace('"small"', '"small", "own"')
        text += f'\n[[tool.uv.index]]\nname = "company"\nurl = "{url}"\nexplicit = true\n'
        text += '\n[tool.uv.sources]\nown = { index = "company" }\n'
        path.write_text(text, "utf-8")
        env = {"UV_INDEX_COMPANY_USERNAME": "me", "UV_INDEX_COMPANY_PASSWORD": "verysecret"}
        user.led(uv.binary, "sync", env=env).ok()
        assert {seen.headers["user-agent"].partition("/")[0] for seen in company.seen} == {"uv"}
        others = [*user.world.at_mirrors(), *user.world.pages.seen, *user.world.files.seen]
        assert not [seen for seen in others if "authorization" in seen.headers]
        assert not [seen for seen in others if "own" in Path(seen.path).name.split("-")]
    assert user.own_words("*large*.whl") < len(large().data) / 2


@pytest.mark.parametrize(
    "fault",
    ["wrong", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("cut", "silent"))],
)
def test_fault_of_a_mirror_in_the_middle_of_a_file_is_not_noticed(
    make_user: MakeUser, fault: str
) -> None:
    user = make_user()
    uv = uv_of(user)
    twin = large("twin").data
    mode = {
        "cut": modes.cut(200_000),
        "wrong": modes.swapped(twin),
        "silent": modes.stall(200_000),
    }[fault]
    for mirror in user.world.mirrors[:1]:
        mirror.fail(mode, "*large*.whl")
    user.led(uv.binary, "sync").ok()
    (site,) = (user.project / ".venv" / "lib").glob("python*/site-packages")
    for name, data in large().files().items():
        assert (site / name).read_bytes() == data
    assert any(seen.sent for seen in user.world.mirrors[0].requests("*large*.whl"))


@pytest.mark.nightly
def test_gateway_that_is_killed_over_and_over_leaves_the_tool_its_origin(
    make_user: MakeUser,
) -> None:
    user = make_user(origin_rate=None)
    uv = uv_of(user)
    script = f"""
import os, signal, subprocess, sys, threading, time
stop = threading.Event()
def kill():
    while not stop.wait(0.05):
        for lock in {str(user.headrace_home / "state")!r},:
            for root, _, names in os.walk(lock):
                if "gateway.lock" in names:
                    lines = open(os.path.join(root, "gateway.lock")).read().split("\\n")
                    for line in lines[1:2]:
                        try:
                            os.kill(int(line.split()[0]), signal.SIGKILL)
                        except (ValueError, IndexError, OSError):
                            pass
thread = threading.Thread(target=kill); thread.start()
code = subprocess.call([{str(uv.binary)!r}, "sync"])
stop.set(); thread.join()
sys.exit(code)
"""
    user.box.write("project/killing.py", script)
    user.led("sh", "-c", f"exec {sys.executable} killing.py").ok()
    agents = {seen.headers["user-agent"].partition("/")[0] for seen in user.world.files.seen}
    assert "uv" in agents
    user.plain(uv.binary, "sync", "--offline").ok()
