"""`headrace on`, real clients, `headrace off`: projects stay as they are, files come back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import PIPS, UVS, Environment, Pip, Uv
from lib.gateway import headrace
from lib.serving.ports import free_port
from lib.waiting import HANG
from lib.world import MakeWorld, World

PIP_CONF = """# my own notes
[global]
index-url = {origin}/
extra-index-url =
find-links =
# a slow line
timeout = 20

[install]
no-compile = yes
"""
UV_TOML = """# uv, mine
native-tls = false

[pip]
# the company's
index-url = "{origin}"
"""


class User:
    """A user with pip and uv, both set to an index, and headrace installed."""

    def __init__(self, root: Path, world: World) -> None:
        self.environment = Environment(root)
        self.pip, self.uv = Pip(PIPS[-1], self.environment), Uv(UVS[-1], self.environment)
        self.world = world
        self.port = free_port()
        environment = self.environment
        environment.variables |= {"HEADRACE_PORT": str(self.port)}
        self.files = {
            environment.write(".config/pip/pip.conf", PIP_CONF.format(origin=world.origin)),
            environment.write(".config/uv/uv.toml", UV_TOML.format(origin=world.origin)),
        }
        self.before = {path: path.read_bytes() for path in self.files}
        mirrors = "".join(
            f'[[mirror]]\nid = "{m.id}"\nurl = "{m.url}"\nlayout = "{m.layout}"\n'
            for m in world.described
        )
        environment.write(".config/headrace/config.toml", f"catalogue = false\n{mirrors}")
        # `pip` must be a program: discovery asks it for its configuration.
        program = environment.scripts / "pip"
        program.write_text(f'#!/bin/sh\nexec {environment.python} -m pip "$@"\n', "utf-8")
        program.chmod(0o755)

    def headrace(self, *words: str) -> str:
        result = self.environment.run(*headrace(), *words, timeout=HANG).ok()
        return result.out + result.err

    def configuration(self) -> set[Path]:
        home = self.environment.home
        return {p for f in ("pip", "uv") for p in (home / ".config" / f).rglob("*") if p.is_file()}


@pytest.fixture
def user(world: MakeWorld, tmp_path: Path) -> Iterator[User]:
    made = world()
    made.index.add(
        wheels.wheel("app", "1.0", ["leaf"]),
        wheels.wheel("leaf", "1.0", size=300_000),
    )
    one = User(tmp_path / "user", made)
    try:
        yield one
    finally:
        with contextlib.suppress(AssertionError):
            one.headrace("off")


def assert_no_token(user: User) -> None:
    """No file that an installer wrote into the environment names the gateway."""
    for path in user.environment.packages.glob("*.dist-info/*"):
        assert f":{user.port}" not in path.read_text("utf-8", "replace"), path


def test_on_and_off_with_both_clients_and_a_project(user: User) -> None:
    made, uv = user.world, user.uv
    project = user.environment.home / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["app"]\n\n[[tool.uv.index]]\nurl = "{made.origin}"\ndefault = true\n',
        "utf-8",
    )
    uv.run("lock", cwd=project).ok()
    lock = (project / "uv.lock").read_bytes()

    made.pages.forget()
    user.headrace("on")
    user.pip.install("app").ok()
    assert {"app-1.0", "leaf-1.0"} <= user.environment.distributions()
    uv.install("--reinstall", "--no-cache", "app").ok()
    # The gateway alone came to the index; and because it is the user's own, no mirror heard of it.
    assert made.pages.seen
    assert all(s.headers["user-agent"].startswith("headrace/") for s in made.pages.seen)
    assert made.at_mirrors() == []
    assert_no_token(user)

    # What a project commits is the origin's, and stays.
    uv.run("lock", "--check", cwd=project).ok()
    uv.run("sync", "--no-install-project", cwd=project).ok()
    assert (project / "uv.lock").read_bytes() == lock
    pylock = project / "pylock.toml"
    user.pip.run("lock", "-o", str(pylock), "app", cwd=project).ok()
    assert f":{user.port}" not in pylock.read_text("utf-8")
    assert made.files.url in pylock.read_text("utf-8")
    assert f":{user.port}" not in user.pip.run("freeze").ok().out

    user.headrace("off")
    assert {path: path.read_bytes() for path in user.files} == user.before
    assert user.configuration() == user.files
    made.pages.forget()
    user.pip.install("--force-reinstall", "--no-cache-dir", "app").ok()
    assert made.pages.requests("/simple/app/")


def test_on_twice_and_off_twice_is_on_and_off(user: User) -> None:
    user.headrace("on")
    once = {path: path.read_bytes() for path in user.configuration()}
    user.headrace("on")
    assert {path: path.read_bytes() for path in user.configuration()} == once
    user.headrace("off")
    user.headrace("off")
    assert {path: path.read_bytes() for path in user.files} == user.before


def test_dry_run_changes_nothing(user: User) -> None:
    told = user.headrace("on", "--dry-run")
    assert "pip.conf" in told
    assert {path: path.read_bytes() for path in user.files} == user.before
    assert user.configuration() == user.files


def test_pip_whose_index_is_a_folder_is_touched_by_neither_on_nor_run(user: User) -> None:
    """It was led to the official index, where anybody may have taken the name."""
    environment, conf = user.environment, user.environment.home / ".config/pip/pip.conf"
    wheel = wheels.wheel("inhouse", "1.0")
    folder = environment.home / "mirror/simple/inhouse"
    folder.mkdir(parents=True)
    (folder / wheel.name).write_bytes(wheel.data)
    (folder / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    text = f"[global]\nindex-url = file://{environment.home}/mirror/simple\n"
    conf.write_text(text)
    again = ("install", "--force-reinstall", "--no-cache-dir", "inhouse")
    user.pip.run(*again).ok()
    told = environment.run(*headrace(), "on", timeout=HANG)
    assert "cannot front" in told.out + told.err
    assert conf.read_text() == text
    assert "127.0.0.1" in (environment.home / ".config/uv/uv.toml").read_text()
    user.pip.run(*again).ok()
    environment.run(*headrace(), "run", "--", *user.pip.command(*again), timeout=HANG).ok()
    status = environment.run(*headrace(), "status", timeout=HANG).out
    assert "sets an index that headrace cannot front" in " ".join(status.split())
    assert not user.world.pages.requests("*inhouse*")


def test_off_after_pip_config_unset_leaves_no_line_of_ours(user: User) -> None:
    """The file is empty then, which ended `off` with every other tool as it was."""
    conf = user.environment.home / ".config/pip/pip.conf"
    conf.write_text(f"[global]\nindex-url = {user.world.origin}\n")
    uv_toml = user.environment.home / ".config/uv/uv.toml"
    environment = user.environment
    environment.run(*headrace(), "on", timeout=HANG)
    for name in ("global.index-url", "lock.index-url"):
        environment.run(*user.pip.command("config", "unset", name))
    user.headrace("off")
    assert uv_toml.read_bytes() == user.before[uv_toml]
    assert not conf.exists() or not conf.read_text().strip()


def test_uv_with_a_proxy_of_its_own_is_led_only_where_loopback_is_excepted(user: User) -> None:
    uv_toml = user.environment.home / ".config/uv/uv.toml"
    proxied = f'http-proxy = "http://127.0.0.1:{free_port()}"\n'
    alone = proxied + f'[pip]\nindex-url = "{user.world.origin}"\n'
    uv_toml.write_text(alone)
    told = user.environment.run(*headrace(), "on", timeout=HANG)
    assert "http-proxy" in told.out + told.err
    assert uv_toml.read_text() == alone
    uv_toml.write_text('no-proxy = ["127.0.0.1"]\n' + alone)
    user.headrace("on")
    assert f":{user.port}/" in uv_toml.read_text()
    user.uv.install("--no-cache", "app").ok()
    assert not user.world.at_mirrors()
