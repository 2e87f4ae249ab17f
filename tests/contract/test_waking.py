"""Where no service manager keeps the port up: who brings the gateway back, and what is said."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.system.service import process
from lib import wheels
from lib.capabilities import lacks
from lib.clients import PIPS, Environment, Pip
from lib.gateway import free_port, headrace
from lib.holders import none_left
from lib.waiting import HANG, until
from lib.world import MakeWorld

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "/proc/net/tcp"))

BASHRC = "# mine\nalias ll='ls -l'\nexport EDITOR=vi"  # the last line has no end
SHELLS = (("bash", "-ic"), ("bash", "-lc"), ("sh", "-lc"))
#: Shells that a user may have beside the one of the login, and what each reads.
OTHERS = {("zsh", "-ic"): ".zshrc", ("fish", "-c"): ".config/fish/config.fish"}
NIGHTLY = pytest.mark.nightly


class User:
    """A user without a service manager, with pip routed by `headrace on`."""

    def __init__(self, root: Path, world: MakeWorld) -> None:
        self.world = made = world(mirrors=0, one_host=True)
        made.index.add(wheels.wheel("demo"))
        self.box = Environment(root / "box")
        self.pip = Pip(PIPS[-1], self.box)
        self.pip.point_at(made.origin)
        self.port = free_port()
        self.box.variables |= {
            "HEADRACE_HOME": str(root / "headrace"),
            "HEADRACE_PORT": str(self.port),
            "PATH": f"{self.box.scripts}:{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        self.box.write(".bashrc", BASHRC)
        self.folders = Folders.of_user(self.box.variables)
        self.lock = self.folders.state / "gateway.lock"
        self.before = self.files()

    def headrace(self, *words: str) -> str:
        done = self.box.run(*headrace(), *words)
        assert done.code in (0, 3), done.told()
        return done.out + done.err

    def files(self) -> dict[str, bytes]:
        """What a shell reads."""
        names = (".bashrc", ".profile", ".bash_profile", ".zshrc", ".config/fish/conf.d")
        paths = [self.box.home / name for name in names]
        return {each.name: each.read_bytes() for each in paths if each.is_file()}

    def kill(self) -> None:
        """As a reboot does."""
        for line in self.lock.read_text("ascii").splitlines():
            os.kill(int(line.split()[0]), signal.SIGKILL)
        until(lambda: not process.is_held(self.lock) and not self.awake())

    def shell(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A shell as a login or `docker exec` starts it, with nothing of ours around it."""
        env = {"HOME": str(self.box.home), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
        return subprocess.run(
            words, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    def awake(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self, path: str) -> bytes:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as to:
            to.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            return to.recv(4096)
        return b""


@pytest.fixture
def user(tmp_path: Path, world: MakeWorld) -> Iterator[User]:
    one = User(tmp_path, world)
    try:
        yield one
    finally:
        one.headrace("off")
        none_left(str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [SHELLS[0], *(pytest.param(each, marks=NIGHTLY) for each in (*SHELLS[1:], *OTHERS))],
    ids=" ".join,
)
def test_next_shell_brings_back_the_gateway_that_a_reboot_ended(
    user: User, words: tuple[str, ...]
) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(lacks("programs", f"{words[0]} is not installed here"))
    if words in OTHERS:
        user.box.write(OTHERS[words], "# mine\n")
    user.headrace("on")
    user.kill()
    said = user.shell(*words, "echo done")
    assert (said.returncode, said.stdout) == (0, "done\n")
    assert "headrace" not in said.stderr
    until(user.awake)
    user.pip.install("demo").ok()
    # What holds it then is what `on` left behind, not this installation.
    holder = int(user.lock.read_text("ascii").split()[0])
    command = Path(f"/proc/{holder}/cmdline").read_text("utf-8")
    assert str(user.folders.state / "keeper/holder.py") in command


@pytest.mark.nightly
def test_shells_that_begin_while_it_is_up_start_nothing(user: User) -> None:
    user.headrace("on")
    before = user.lock.read_text("ascii")
    for words in SHELLS:
        assert user.shell(*words, "set -eu; . ~/.bashrc; echo done").stdout == "done\n"
    time.sleep(1.0)
    assert user.lock.read_text("ascii") == before


@pytest.mark.nightly
def test_many_shells_at_once_bring_back_one_gateway(user: User) -> None:
    user.headrace("on")
    user.kill()
    for _ in range(5):
        user.shell("bash", "-ic", "true")
    until(user.awake)
    until(lambda: process.is_held(user.lock))
    assert "up at" in user.headrace("status")


@pytest.mark.nightly
def test_lines_in_the_shells_files_go_as_they_came(user: User) -> None:
    user.headrace("on")
    assert user.files() != user.before
    user.headrace("on")
    assert user.files()[".bashrc"].count(b"# headrace") == 1
    user.headrace("off")
    assert user.files() == user.before


@pytest.mark.nightly
@pytest.mark.parametrize("change", ["more", "moved", "removed", "edited"])
def test_lines_go_from_files_that_were_changed_since(user: User, change: str) -> None:
    user.headrace("on")
    path = user.box.home / ".bashrc"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    mine, ours = lines[:3], lines[3:]
    assert len(ours) == 2
    new = {
        "more": [*mine, *ours, "alias la='ls -a'\n"],
        "moved": [*ours, *mine],
        "removed": mine,
        "edited": [*mine, ours[0], ours[1].replace("grep -qs", "grep -q")],
    }[change]
    path.write_text("".join(new), "utf-8")
    user.headrace("on")
    assert path.read_text("utf-8").count("gateway --wake") == 1
    user.headrace("off")
    left = "".join(line for line in new if line not in ours and "--wake" not in line)
    assert path.read_text("utf-8").splitlines() == left.splitlines()


@pytest.mark.nightly
def test_files_that_are_links_or_cannot_be_written_are_left_alone(user: User) -> None:
    """A link may lead into a repository of the user's, where nothing may name us."""
    repository = user.box.write("dotfiles/bashrc", BASHRC)
    path = user.box.home / ".bashrc"
    path.unlink()
    path.symlink_to(repository)
    (user.box.home / ".profile").mkdir()
    user.headrace("on")
    assert repository.read_text("utf-8") == BASHRC
    assert (user.box.home / ".profile").is_dir()
    assert "up at" in user.headrace("status")


@pytest.mark.nightly
def test_run_brings_it_back_and_uses_it(user: User) -> None:
    user.headrace("on")
    user.kill()
    done = user.box.run(*headrace(), "run", "--", "sh", "-c", "echo $HEADRACE_RUN").ok()
    assert done.out.strip() == str(user.port)
    assert user.awake()


@pytest.mark.nightly
def test_words_of_condas_plugin_bring_back_what_on_left_behind(user: User) -> None:
    user.headrace("on")
    user.kill()
    user.headrace("gateway", "--detach", "--port", str(user.port))
    holder = int(user.lock.read_text("ascii").split()[0])
    command = Path(f"/proc/{holder}/cmdline").read_text("utf-8")
    assert str(user.folders.state / "keeper/holder.py") in command
    refused = user.box.run(*headrace(), "gateway", "--detach").failed()
    assert "is running" in refused.err


@pytest.mark.skipif(shutil.which("docker") is None, reason=lacks("root", "docker's client"))
def test_real_docker_brings_it_back_through_its_credential_helper(user: User) -> None:
    user.box.write(".docker/config.json", '{"credsStore": "lab"}')
    lab = user.box.write("bin/docker-credential-lab", "#!/bin/sh\ncat >> ~/heard\n")
    lab.chmod(0o755)
    ours = Path(sys.executable).with_name("docker-credential-headrace")
    lab.with_name("docker-credential-headrace").symlink_to(ours)
    user.box.variables["PATH"] = f"{lab.parent}:{user.box.variables['PATH']}:/usr/local/bin"
    settings = user.folders.config / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('also = ["docker-logins"]\n', "utf-8")
    user.headrace("on")
    user.kill()
    # A command of docker's that asks its helper and no daemon.
    user.box.run("docker", "logout", "registry.example").ok()
    assert "registry.example" in (user.box.home / "heard").read_text("utf-8")
    until(user.awake)


@pytest.mark.nightly
def test_nothing_is_started_that_on_did_not_set_up(user: User) -> None:
    assert user.headrace("gateway", "--wake") == ""
    assert not user.awake()
    user.headrace("on")
    user.headrace("off")
    assert user.headrace("gateway", "--wake") == ""
    assert not user.awake()


def test_status_and_stop_name_the_tools_that_a_silent_port_leaves_alone(user: User) -> None:
    user.headrace("on")
    stopped = user.box.run(*headrace(), "gateway", "--stop")
    assert stopped.code == 0
    assert "has stopped" in stopped.out
    for said in (stopped.err, user.headrace("status")):
        assert "pip" in said
        assert "led to it and may fail until it is back: `headrace on` starts it again" in said
        assert "`headrace off` sends them to their origins" in said
    assert not user.awake()
    user.headrace("on")
    assert "may fail" not in user.headrace("status")
    user.headrace("off")
    assert user.box.run(*headrace(), "gateway", "--stop").code == 0


@pytest.mark.nightly
def test_pip_whose_login_the_gateway_alone_has_waits_for_the_next_worker(user: User) -> None:
    """It was sent to its index without the login that stood in the URL, and asked for a password
    that nobody was there to type.
    """
    user.world.pages.credential = ("me", "s3cret")
    user.pip.point_at(user.world.origin.replace("http://", "http://me:s3cret@"))
    user.headrace("on")
    settings = user.folders.config / "config.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("prot = 3\n", "utf-8")
    process.reload(user.lock)
    until(lambda: b"redirecting" in user.ask("/healthz"))
    with user.box.start(*user.pip.command("install", "demo")) as installing:
        assert installing.stdout is not None
        while "Looking in indexes" not in (line := installing.stdout.readline()):
            assert line
        assert b"Location: /simple/demo/" in user.ask("/simple/demo/")  # takes longer than pip
        settings.unlink()
        process.reload(user.lock)
        out, _ = installing.communicate(timeout=HANG)
    assert installing.returncode == 0, out
    assert "s3cret" not in out
