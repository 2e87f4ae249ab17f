"""The whole journey with real clients: on, install, status, off, and the files meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lib import wheels
from lib.clients import Environment, Pip, Result, Uv
from lib.gateway import headrace
from lib.serving.ports import free_port
from lib.world import MakeWorld, World

SECRET = ("builder", "hunter2-secret")


class User:
    """Somebody with a home, a virtual environment and headrace on PATH."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        environment.variables |= {
            "HEADRACE_HOME": str(environment.home / "headrace"),
            "HEADRACE_PORT": str(free_port()),
        }

    def headrace(self, *words: str, env: dict[str, str] | None = None) -> Result:
        return self.environment.run(*headrace(), *words, env=env)

    def json(self, *words: str) -> dict[str, Any]:
        table: dict[str, Any] = json.loads(self.headrace(*words, "--json").out)
        return table

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the home that is not headrace's own, a tool's cache or scratch."""
        home = self.environment.home
        ours = ("headrace/", "tmp/", ".cache/", "uv-cache/")
        return {
            name: (path.read_bytes(), path.stat().st_mode)
            for path in sorted(home.rglob("*"))
            if path.is_file() and not (name := path.relative_to(home).as_posix()).startswith(ours)
        }


@pytest.fixture
def cleared() -> Iterator[list[User]]:
    """Whatever a test leaves on is switched off."""
    users: list[User] = []
    yield users
    for user in users:
        user.headrace("gateway", "--stop")


def company(world: MakeWorld) -> World:
    """An index that wants a password. Loopback: no mirror may be asked for a private index."""
    made = world(one_host=True)
    made.index.add(wheels.wheel("secret-app", "1.0"))
    made.pages.credential = SECRET
    return made


def with_password(url: str) -> str:
    return url.replace("://", f"://{SECRET[0]}:{SECRET[1]}@")


def test_on_install_off_with_pip(world: MakeWorld, pip: Pip, cleared: list[User]) -> None:
    made, user = company(world), User(pip.environment)
    cleared.append(user)
    text = f"# mine\n[global]\ntimeout = 20\nindex-url = {with_password(made.origin)}/\n"
    conf = user.environment.write(".config/pip/pip.conf", f"{text}extra-index-url =\nfind-links =")
    before = user.files()

    told = user.headrace("on").ok()
    assert "no mirror is asked" in told.out
    assert SECRET[1] not in told.out + told.err
    assert conf.stat().st_mode & 0o777 == 0o600
    assert "# mine" in conf.read_text()

    pip.install("secret-app").ok()
    assert "secret_app-1.0" in user.environment.distributions()
    assert all("headrace/" in seen.headers.get("user-agent", "") for seen in made.pages.seen)
    assert made.at_mirrors() == []

    debug = pip.run("config", "debug").ok()
    assert str(conf) in debug.out
    status = user.json("status")
    (row,) = [tool for tool in status["tools"] if tool["tool"] == "pip"]
    assert (row["state"], row["files"]) == ("routed", [str(conf)])
    assert status["gateway"]["up"]
    assert SECRET[1] not in json.dumps(status)

    user.headrace("off").ok()
    assert user.files() == before
    user.headrace("status").ok()


def test_the_token_keeps_other_users_out(
    world: MakeWorld, newest: Pip, cleared: list[User]
) -> None:
    made, user = company(world), User(newest.environment)
    cleared.append(user)
    newest.point_at(with_password(made.origin) + "/")
    user.headrace("on").ok()
    port = user.environment.variables["HEADRACE_PORT"]
    stranger = Environment(user.environment.root / "stranger")
    other = Pip(newest.version, stranger)
    other.point_at(f"http://127.0.0.1:{port}/simple/")
    other.run("install", "--no-input", "secret-app").failed()
    newest.install("secret-app").ok()


def test_pip_config_set_in_between_loses_nothing(
    world: MakeWorld, pip: Pip, cleared: list[User]
) -> None:
    made, user = world(), User(pip.environment)
    cleared.append(user)
    pip.point_at(f"{made.origin}/")
    user.headrace("on").ok()
    pip.run("config", "set", "global.timeout", "77").ok()
    tools = {tool["tool"]: tool["state"] for tool in user.json("status")["tools"]}
    assert tools["pip"] == "routed"
    told = user.headrace("off").ok()
    assert "only headrace's lines were taken out" in told.out
    for _ in range(2):  # at once, and with another `on` over it
        settings = pip.run("config", "list").ok().out
        assert "global.timeout='77'" in settings
        assert f"global.index-url='{made.origin}/'" in settings
        assert "lock" not in settings
        user.headrace("on").ok()
        pip.run("config", "set", "global.retries", "1").ok()
        user.headrace("on").ok()
        user.headrace("off").ok()


def test_uv_pip_is_routed_and_projects_are_not(
    world: MakeWorld, uv: Uv, cleared: list[User]
) -> None:
    made, user = world(), User(uv.environment)
    cleared.append(user)
    made.index.add(wheels.wheel("thing", "1.0"))
    path = user.environment.write(
        ".config/uv/uv.toml", f'# mine\n[pip]\nindex-url = "{made.origin}/"  # company\n'
    )
    before = user.files()
    folder = user.environment.home / "tmp" / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["thing"]\n'
        f'[[tool.uv.index]]\nurl = "{made.origin}/"\ndefault = true\n'
    )
    uv.run("lock", cwd=folder).ok()
    lock = (folder / "uv.lock").read_bytes()

    user.headrace("on").ok()
    assert "# mine" in path.read_text()
    made.pages.forget()
    uv.install("thing").ok()
    assert all("headrace/" in seen.headers.get("user-agent", "") for seen in made.pages.seen)
    uv.run("lock", "--check", cwd=folder).ok()
    assert (folder / "uv.lock").read_bytes() == lock

    user.headrace("off").ok()
    assert user.files() == before


def test_pip_lock_names_the_origin(world: MakeWorld, newest: Pip, cleared: list[User]) -> None:
    made, user = world(), User(newest.environment)
    cleared.append(user)
    made.index.add(wheels.wheel("thing", "1.0"))
    newest.point_at(f"{made.origin}/")
    user.headrace("on").ok()
    newest.run("lock", "thing", "-o", "pylock.toml").ok()
    text = (user.environment.home / "pylock.toml").read_text()
    assert made.files.url in text
    assert f":{user.environment.variables['HEADRACE_PORT']}/" not in text
    newest.install("thing").ok()
    user.headrace("off").ok()


def test_a_killed_on_is_repaired(world: MakeWorld, newest: Pip, cleared: list[User]) -> None:
    """SIGKILL at some moments of `on`; `off` gives everything back in any case."""
    made, user = world(), User(newest.environment)
    cleared.append(user)
    newest.point_at(f"{made.origin}/")
    before = user.files()
    for delay in (0.1, 0.3, 0.6, 0.9, 1.2):
        with user.environment.start(*headrace(), "on") as process:
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
        user.headrace("off").ok()
        assert user.files() == before


def test_a_lost_state_folder_is_no_trap(world: MakeWorld, newest: Pip, cleared: list[User]) -> None:
    made, user = world(), User(newest.environment)
    cleared.append(user)
    newest.point_at(f"{made.origin}/")
    before = newest.run("config", "list").ok().out
    user.headrace("on").ok()
    state = user.environment.home / "headrace" / "state"
    for name in ("journal", "origins.json"):
        (state / name).unlink()
    user.headrace("off").ok()
    assert newest.run("config", "list").ok().out == before


@pytest.mark.parametrize(
    ("env", "what"),
    [
        ({"PIP_INDEX_URL": "https://x.example/simple"}, "PIP_INDEX_URL"),
        ({"HTTP_PROXY": "http://p.example:1"}, "HTTP_PROXY"),
    ],
)
def test_status_tells_what_wins(
    world: MakeWorld, newest: Pip, cleared: list[User], env: dict[str, str], what: str
) -> None:
    made, user = world(), User(newest.environment)
    cleared.append(user)
    newest.point_at(f"{made.origin}/")
    user.headrace("on").ok()
    told = user.headrace("status", env=env)
    assert told.code == 3
    assert "overridden" in told.out
    assert what in told.out


def test_a_proxy_that_would_get_the_requests_is_refused(
    world: MakeWorld, newest: Pip, cleared: list[User]
) -> None:
    made, user = world(), User(newest.environment)
    cleared.append(user)
    newest.point_at(f"{made.origin}/")
    before = user.files()
    told = user.headrace("on", env={"HTTP_PROXY": "http://p.example:1"}).failed()
    # Engines ask no proxy for loopback: where this machine has one, it alone is led to the gateway
    # and pip is left out; else nothing is left to do. tests/unit/cli/test_on.py has both apart.
    assert "NO_PROXY" in told.out + told.err
    # With one that is led a new shell brings the gateway back.
    theirs = (".config/containers/", ".bashrc", ".profile")
    assert {n: f for n, f in user.files().items() if not n.startswith(theirs)} == before
    states = {each["tool"]: each["state"] for each in user.json("status")["tools"]}
    assert states["pip"] == "not routed"
    user.headrace("off").ok()
    assert user.files() == before
    assert user.json("status")["gateway"] is None


def test_dry_run_changes_nothing_and_shows_no_secret(
    world: MakeWorld, newest: Pip, cleared: list[User]
) -> None:
    made, user = company(world), User(newest.environment)
    cleared.append(user)
    newest.point_at(with_password(made.origin) + "/")
    before = user.files()
    told = user.headrace("on", "--dry-run").ok()
    assert "+index-url = http://headrace:***@127.0.0.1" in told.out
    assert SECRET[1] not in told.out + told.err
    assert user.files() == before
    assert not (user.environment.home / "headrace").exists()
    user.headrace("on").ok()
    assert SECRET[1] not in user.headrace("off", "--dry-run").ok().out
    assert SECRET[1] not in user.headrace("doctor").out
    log = user.environment.home / "headrace" / "state" / "gateway.log"
    newest.install("secret-app").ok()
    assert SECRET[1] not in log.read_text()


def test_doctor_and_explain(world: MakeWorld, newest: Pip, cleared: list[User]) -> None:
    made, user = world(), User(newest.environment)
    cleared.append(user)
    made.index.add(wheels.wheel("thing", "1.0"))
    newest.point_at(f"{made.origin}/")
    user.headrace("on").ok()
    newest.install("thing").ok()
    findings = user.json("doctor")["findings"]
    assert {f["check"] for f in findings} >= {"settings", "plugins", "files", "gateway", "origin"}
    assert not [f for f in findings if f["level"] == "failure"]
    told = user.headrace("explain", "python:thing==1.0").ok()
    assert made.origin in told.out
    assert "thing-1.0" in told.out
    os.kill(_worker(user), 9)
    user.headrace("off").ok()
    # Nobody is led to a gateway now, and what would come from where is told all the same.
    assert "thing-1.0" in user.headrace("explain", "thing").ok().out
    user.headrace("explain", "no-such-thing").failed()


def _worker(user: User) -> int:
    lock = user.environment.home / "headrace" / "state" / "gateway.lock"
    return int(lock.read_text().splitlines()[-1].split()[0])


def test_status_starts_no_program_and_loads_no_server(newest: Pip) -> None:
    """Which is what would make it slow."""
    user = User(newest.environment)
    program = (
        "import sys; heard = []\n"
        "sys.addaudithook(lambda e, a: e == 'subprocess.Popen' and heard.append(str(a[1])))\n"
        "from headrace.cli import main\n"
        "code = main(['status', '--json'])\n"
        "heard += sorted({'httpx', 'starlette', 'uvicorn', 'keyring'} & set(sys.modules))\n"
        "print(code, *heard, sep='\\n', file=sys.stderr)"
    )
    told = user.environment.run(sys.executable, "-c", program).ok()
    assert json.loads(told.out)["tools"]
    assert told.err.split() == ["0"]


def test_uv_that_writes_its_index_down_is_left_alone_and_a_project_that_does_is_told(
    world: MakeWorld, uv: Uv, cleared: list[User]
) -> None:
    made, user = company(world), User(uv.environment)
    cleared.append(user)
    plain = f'[pip]\nindex-url = "{with_password(made.origin)}/"\n'
    conf = user.environment.write(".config/uv/uv.toml", f"{plain}emit-index-url = true\n")
    user.environment.write("requirements.in", "secret-app\n")
    user.headrace("on")
    assert conf.read_text() == f"{plain}emit-index-url = true\n"
    compiled = uv.run("pip", "compile", "-o", "requirements.txt", "requirements.in").ok()
    assert f"--index-url {with_password(made.origin)}" in compiled.out
    # Without the setting uv is led; the file here says what the user does by hand.
    conf.write_text(plain)
    user.headrace("on").ok()
    assert conf.read_text() != plain
    flags = ("--emit-index-url", "--no-emit-index-annotation")
    uv.run("pip", "compile", *flags[:1], "-o", "requirements.txt", "requirements.in").ok()
    (told,) = [row for row in user.json("status")["tools"] if row["tool"] == "uv"]
    assert "it would be the gateway" in json.dumps(told)
    found = user.headrace("doctor", "--committed", "requirements.txt").failed()
    assert "requirements.txt" in found.out
    ran = user.headrace(
        "run", "--", str(uv.binary), "pip", "compile", "-o", "requirements.txt", "requirements.in"
    ).ok()
    assert (
        user.environment.variables["HEADRACE_PORT"]
        not in (user.environment.home / "requirements.txt").read_text()
    ), ran.told()
