"""The port is always answered: workers die, start late, or cannot start, and pip gets its file."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.service import health, listeners, process
from headrace.system.service.identity import Expected
from headrace.system.state import State
from lib.capabilities import lacks
from lib.clients import Environment, Pip
from lib.gateway import Gateway, headrace
from lib.holders import living, none_left
from lib.serving.dying import FAULTS
from lib.serving.faults import SIZE, large
from lib.serving.ports import free_port
from lib.waiting import HANG, until
from lib.world import MakeWorld, World

VERSIONS = ["23.2.1", "26.3"]
START = Callable[..., "Kept"]


class Kept:
    """A gateway that somebody keeps up: under a holder, or under systemd's socket."""

    def __init__(self, made: World, how: str) -> None:
        self.gateway = Gateway(
            made.root / "kept", origins=[made.origin], mirrors=made.described, env=made.env
        )
        self.made = made
        self.how = how

    @property
    def lock(self) -> Path:
        return self.gateway.root / "state" / "gateway.lock"

    def start(self) -> Kept:
        words = [*headrace(), "gateway", "--hold"]
        for origin in self.gateway.origins:
            words += ["--origin", origin]
        if self.how == "holder":
            words += ["--port", str(self.gateway.port)]
        else:
            program = shutil.which("systemd-socket-activate")
            if program is None:
                pytest.skip(lacks("programs", "systemd-socket-activate is not installed here"))
            settings = [w for k, v in self.gateway.env.items() for w in ("-E", f"{k}={v}")]
            words = [program, "-l", f"127.0.0.1:{self.gateway.port}", *settings, *words]
        with self.gateway.log.open("ab") as log:
            self.gateway.process = subprocess.Popen(
                words,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.gateway.env,
                cwd=self.gateway.root,
            )

        def listens() -> bool:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.gateway.port)),
            ):
                return True
            return False

        until(listens, self.gateway.told)
        return self

    def worker(self) -> int:
        """Wait until there is one, and give its pid."""

        def found() -> int:
            with contextlib.suppress(OSError, IndexError, ValueError):
                return int(self.lock.read_text("ascii").splitlines()[1].split()[0])
            return 0

        return until(found, self.gateway.told)

    def when_sent(self, count: int) -> None:
        """Wait until upstreams have given `count` bytes."""
        until(lambda: sum(self.made.sent().values()) >= count, self.gateway.told)


@pytest.fixture
def keep(world: MakeWorld, tmp_path: Path) -> Iterator[START]:
    """Start kept gateways; after the test none of their processes may be there."""
    with contextlib.ExitStack() as stack:

        def start(how: str = "holder", **wishes: object) -> Kept:
            kept = Kept(world(**wishes), how)
            stack.callback(kept.gateway.close)
            return kept

        yield start
    none_left(str(tmp_path))


def client(tmp_path: Path, version: str, kept: Kept) -> Pip:
    pip = Pip(version, Environment(tmp_path / "client"))
    pip.point_at(kept.gateway.index)
    return pip


def endings() -> Iterator[object]:
    """Give client, keeper and fault: by day all with the older pip, which takes nothing back, and
    one with the newer.
    """
    for version, how, fault in itertools.product(
        VERSIONS, ("holder", "systemd"), ("killed", "stopped")
    ):
        by_night = version != VERSIONS[0] and (how, fault) != ("holder", "killed")
        yield pytest.param(version, how, fault, marks=[pytest.mark.nightly] if by_night else [])


@pytest.mark.parametrize(("version", "how", "fault"), list(endings()))
def test_worker_that_ends_in_the_middle_of_an_install_is_not_noticed(
    keep: START, tmp_path: Path, version: str, how: str, fault: str
) -> None:
    kept = keep(how, mirrors=2, mirror_rate=3 << 20, origin_rate=3 << 20).start()
    kept.made.index.add(large())
    pip = client(tmp_path, version, kept)
    with pip.environment.start(*pip.command("install", "large")) as installing:
        kept.when_sent(SIZE // 4)
        os.kill(kept.worker(), FAULTS[fault])
        out, _ = installing.communicate(timeout=HANG)
    told = f"{out}\n{kept.gateway.told()}"
    if sys.platform == "linux":
        assert installing.returncode == 0, told
        assert "resum" not in out.lower(), told
    elif version == "26.3":
        assert installing.returncode == 0, told
    elif installing.returncode != 0:
        # This pip does not resume; a clean failure, and the next try works.
        assert not list(pip.environment.packages.glob("large*"))
        pip.install("large").ok()
    assert pip.environment.holds(large().files())


def test_connection_made_while_no_worker_lives_is_answered(keep: START) -> None:
    kept = keep(mirrors=1).start()
    kept.made.index.add(large())
    assert kept.gateway.get("/simple/large/")[0] == 200
    for _ in range(2):
        os.kill(kept.worker(), signal.SIGKILL)

        def is_served() -> bool:
            # A worker that takes long to start is stood in for by a redirect; nothing else is.
            status = kept.gateway.get("/simple/large/")[0]
            assert status in (200, 302)
            return status == 200

        until(is_served, kept.gateway.told)


def test_reload_replaces_the_worker_and_the_running_download_ends_well(
    keep: START, tmp_path: Path
) -> None:
    kept = keep(mirrors=2, mirror_rate=3 << 20, origin_rate=3 << 20).start()
    kept.made.index.add(large())
    pip = client(tmp_path, "23.2.1", kept)
    with pip.environment.start(*pip.command("install", "large")) as installing:
        kept.when_sent(SIZE // 4)
        before = kept.worker()
        assert process.reload(kept.lock)
        out, _ = installing.communicate(timeout=HANG)
    assert installing.returncode == 0, f"{out}\n{kept.gateway.told()}"
    assert kept.worker() != before


def test_stop_lets_the_running_download_end(keep: START, tmp_path: Path) -> None:
    kept = keep(mirrors=2, mirror_rate=6 << 20, origin_rate=6 << 20).start()
    kept.made.index.add(large())
    pip = client(tmp_path, "23.2.1", kept)
    with pip.environment.start(*pip.command("install", "large")) as installing:
        kept.when_sent(SIZE // 4)
        assert kept.gateway.process is not None
        kept.gateway.process.terminate()
        out, _ = installing.communicate(timeout=HANG)
    assert installing.returncode == 0, f"{out}\n{kept.gateway.told()}"
    assert kept.gateway.process.wait(HANG) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_gateway_that_cannot_start_sends_pip_to_the_origin(
    keep: START, tmp_path: Path, version: str
) -> None:
    kept = keep(mirrors=1).start()
    kept.made.index.add(large())
    assert kept.gateway.get("/healthz")[0] == 200
    settings = kept.gateway.root / "config" / "config.toml"
    good = settings.read_text("utf-8")
    settings.write_text("port = 'broken'\n", "utf-8")
    os.kill(kept.worker(), signal.SIGKILL)
    pip = client(tmp_path, version, kept)
    pip.install("large").ok()
    assert pip.environment.holds(large().files())
    assert kept.made.at_mirrors() == []
    # Mended, the worker comes back by itself.
    settings.write_text(good, "utf-8")
    until(
        lambda: json.loads(kept.gateway.get("/healthz")[2])["headrace"] != "redirecting",
        kept.gateway.told,
    )
    assert b"large" in kept.gateway.get("/simple/large/")[2]


def test_first_connection_starts_the_gateway_under_systemds_socket(keep: START) -> None:
    kept = keep("systemd", mirrors=1)
    kept.made.index.add(large())
    kept.start()
    assert kept.gateway.get("/simple/large/")[0] == 200


def test_gateway_itself_takes_systemds_socket(keep: START) -> None:
    """An administrator's own unit may run it without our holder."""
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip(lacks("programs", "systemd-socket-activate is not installed here"))
    kept = keep(mirrors=0)
    env = kept.gateway.env
    settings = [w for k, v in env.items() for w in ("-E", f"{k}={v}")]
    words = [program, "-l", f"127.0.0.1:{kept.gateway.port}", *settings, *headrace(), "gateway"]
    words += ["--origin", kept.gateway.origins[0]]
    with kept.gateway.log.open("ab") as log:
        kept.gateway.process = subprocess.Popen(words, stdout=log, stderr=log, env=env)
    address = GatewayAddress("127.0.0.1", kept.gateway.port)
    assert health.wait_until_up(address, Expected(), 15).up, kept.gateway.told()
    assert kept.gateway.close() == 0


def test_worker_sleeps_when_nobody_asks_and_wakes_when_somebody_does(keep: START) -> None:
    kept = keep(mirrors=0)
    words = [*headrace(), "gateway", "--hold", "--idle-exit", "0.01"]
    words += ["--port", str(kept.gateway.port), "--origin", kept.gateway.origins[0]]
    with kept.gateway.log.open("ab") as log:
        kept.gateway.process = subprocess.Popen(words, stdout=log, stderr=log, env=kept.gateway.env)
    worker = kept.worker()
    until(lambda: not Path(f"/proc/{worker}").exists(), kept.gateway.told)
    until(lambda: len(kept.lock.read_text("ascii").splitlines()) == 1, kept.gateway.told)
    assert kept.gateway.get("/healthz")[0] == 200
    assert kept.worker() != worker


# ------------------------------------------------------------------ for good


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Environment]:
    """A user with a home of their own and a plain pip."""
    environment = Environment(tmp_path / "user")
    environment.variables["PATH"] = f"{environment.scripts}:/usr/bin:/bin"
    yield environment
    environment.run(*headrace(), "off")
    assert living(str(tmp_path)) == []


def routed(made: World, user: Environment, port: int) -> Pip:
    pip = Pip("26.3", user)
    pip.point_at(made.origin)
    user.variables["HEADRACE_PORT"] = str(port)
    return pip


def test_on_keeps_a_gateway_up_and_off_leaves_nothing(
    world: MakeWorld, user: Environment, tmp_path: Path
) -> None:
    made, port = world(mirrors=0), free_port()
    made.index.add(large())
    pip = routed(made, user, port)
    user.run(*headrace(), "on").ok()
    lock = user.home / ".local/state/headrace/gateway.lock"
    os.kill(int(lock.read_text("ascii").splitlines()[1].split()[0]), signal.SIGKILL)
    pip.install("large").ok()
    assert user.holds(large().files())
    assert all(seen.headers["user-agent"].startswith("headrace/") for seen in made.files.seen)
    user.run(*headrace(), "off").ok()
    assert living(str(tmp_path / "user")) == []
    left = [path.name for path in (user.home / ".local/state/headrace").rglob("*.py")]
    assert left == []


def test_second_on_takes_the_new_origin_and_drops_no_connection(
    world: MakeWorld, user: Environment
) -> None:
    made, port = world(mirrors=0, origin_rate=6 << 20), free_port()
    made.index.add(large())
    pip = routed(made, user, port)
    user.run(*headrace(), "on").ok()
    holder = (user.home / ".local/state/headrace/gateway.lock").read_text("ascii").split()[0]
    with user.start(*pip.command("install", "large")) as installing:
        until(lambda: sum(made.sent().values()) >= SIZE // 4)
        user.run(*headrace(), "on").ok()
        out, _ = installing.communicate(timeout=HANG)
    assert installing.returncode == 0, out
    assert "resum" not in out.lower()
    now = (user.home / ".local/state/headrace/gateway.lock").read_text("ascii").split()[0]
    assert now == holder


def test_two_users_have_a_gateway_each(world: MakeWorld, user: Environment, tmp_path: Path) -> None:
    made, port = world(mirrors=0), free_port()
    routed(made, user, port)
    user.run(*headrace(), "on").ok()
    other = Environment(tmp_path / "other")
    other.variables["PATH"] = f"{other.scripts}:/usr/bin:/bin"
    routed(made, other, port)
    try:
        said = other.run(*headrace(), "on").ok()
        assert f"port {port} is taken by another gateway" in " ".join(said.out.split())
        text = (other.home / ".config/pip/pip.conf").read_text("utf-8")
        assert f":{port}/" not in text
        # What one of them does leaves the other alone.
        user.run(*headrace(), "off").ok()
        assert "up at" in other.run(*headrace(), "status").ok().out
    finally:
        other.run(*headrace(), "off").ok()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason=lacks("root", "accounts"))
def test_machines_gateway_does_not_run_as_root() -> None:
    import pwd  # noqa: PLC0415 - not on Windows

    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    script = folder / "worker.sh"
    script.write_text('#!/bin/sh\nid > "$0.told"\nsleep 60\n', "ascii")
    script.chmod(0o755)
    for name in ("holder.py", "responder.py"):
        shutil.copy(Path(process.__file__).with_name(name), folder)
    held = process.SupervisorOptions(
        worker=("/bin/sh", str(script)),
        lock=folder / "lock",
        log=folder / "log",
        script=folder / "holder.py",
    )
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip(lacks("root", "another account must be able to read this interpreter"))
    try:
        sock = listeners.bind("127.0.0.1", 0)
        argv = process.holder_argv(held)
        assert argv[0] == process.base_python()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(process, "base_python", lambda: str(python))
            process.leave_running(held, [sock], {"PATH": "/usr/bin:/bin"}, account="nobody")
        told = Path(f"{script}.told")
        until(
            lambda: told.exists() and told.read_text("ascii"),
            lambda: (folder / "log").read_text("utf-8"),
        )
        assert f"uid={nobody.pw_uid}" in told.read_text("ascii")
        assert "root" not in told.read_text("ascii")
        assert process.stop(folder / "lock")
    finally:
        shutil.rmtree(folder)


# ------------------------------------------------------------------ apart from the terminal


def command(env: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*headrace(), "gateway", *words],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )


@pytest.fixture
def apart(keep: START) -> Iterator[Kept]:
    """A gateway that was started with --detach, and is stopped after the test."""
    kept = keep(mirrors=0)
    origin = kept.gateway.origins[0]
    done = command(
        kept.gateway.env, "--detach", "--port", str(kept.gateway.port), "--origin", origin
    )
    assert done.returncode == 0, done.stderr
    assert kept.gateway.url in done.stdout
    yield kept
    command(kept.gateway.env, "--stop")


def test_detached_gateway_answers_and_stops(apart: Kept) -> None:
    expected = State(Folders.of_user(apart.gateway.env)).expected()
    there = health.look(GatewayAddress("127.0.0.1", apart.gateway.port), expected)
    assert there.up
    assert there.proof is health.Proof.GIVEN
    done = command(apart.gateway.env, "--stop")
    assert "has stopped" in done.stdout
    with pytest.raises(OSError, match="refused"):
        apart.gateway.get("/healthz")
    assert "no gateway was running" in command(apart.gateway.env, "--stop").stdout


def test_second_gateway_of_the_same_user_says_that_one_is_running(apart: Kept) -> None:
    done = command(apart.gateway.env, "--detach", "--port", "0")
    assert done.returncode == 1
    assert "is running" in done.stderr
    assert apart.gateway.get("/healthz")[0] == 200


def test_worker_that_lost_its_holder_goes_on_and_can_be_stopped(apart: Kept) -> None:
    holder = int(apart.lock.read_text("ascii").split()[0])
    os.kill(holder, signal.SIGKILL)
    until(lambda: not process.is_held(apart.lock))
    assert apart.gateway.get("/healthz")[0] == 200
    assert "has stopped" in command(apart.gateway.env, "--stop").stdout
    with pytest.raises(OSError, match="refused"):
        apart.gateway.get("/healthz")


def test_stop_never_ends_a_process_that_is_not_ours(keep: START) -> None:
    kept = keep(mirrors=0)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        kept.lock.parent.mkdir(parents=True)
        # As after a crash and a reboot: the pids are somebody else's now.
        kept.lock.write_text(f"{stranger.pid} 1\n{stranger.pid} 1\n", "ascii")
        assert "no gateway was running" in command(kept.gateway.env, "--stop").stdout
        assert stranger.poll() is None
        stranger.kill()


def test_port_of_another_program_is_an_error_that_says_so(keep: START) -> None:
    kept = keep(mirrors=0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", kept.gateway.port))
        other.listen()
        done = command(
            kept.gateway.env,
            "--port",
            str(kept.gateway.port),
            "--origin",
            kept.gateway.origins[0],
        )
    assert done.returncode == 1
    assert str(kept.gateway.port) in done.stderr
    assert "this machine" in done.stderr


def test_address_that_others_can_reach_is_refused(keep: START) -> None:
    kept = keep(mirrors=0)
    for host in ("0.0.0.0", "::", "192.0.2.1", "localhost.example"):
        done = command(kept.gateway.env, "--host", host, "--port", "0")
        assert done.returncode == 2
        assert "does not listen on" in done.stderr


def test_gateway_on_ipv6_loopback(keep: START) -> None:
    kept = keep(mirrors=0)
    port = free_port()
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", port))
        except OSError:
            pytest.skip(lacks("IPv6", "::1 cannot be bound"))
    words = [*headrace(), "gateway", "--host", "::1", "--port", str(port)]
    words += ["--origin", kept.gateway.origins[0]]
    kept.gateway.process = subprocess.Popen(
        words, env=kept.gateway.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert kept.gateway.process.stdout is not None
    said = kept.gateway.process.stdout.readline().decode()
    kept.gateway.process.stdout.close()
    assert f"http://[::1]:{port}/" in said
    connection = http.client.HTTPConnection("::1", port)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
