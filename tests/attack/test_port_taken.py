"""Another user has the gateway's port: none of ours shows it a token or a name, and each says so.

The other user's program is a real one, under a number of its own; it claims all that a gateway of
before told of itself.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.context import Context
from headrace.cli.setup.discovery import discover
from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.models import Origin
from headrace.system.service import health, identity, own_pages
from headrace.system.service.managers import choose
from headrace.system.state import State
from headrace_pip.credentials import recorded
from lib.clients import PIPS, Environment, Pip, Result
from lib.conda.stub import stub
from lib.gateway import Gateway, headrace
from lib.hostile.users import ALICE, MALLORY, Intruder, needs_two_users, reachable, told
from lib.serving.ports import free_port

TOKEN = "the-token-of-this-test"


def as_before(state: Path) -> str:
    """What a gateway of before said of itself: everybody can say it."""
    claim = {"headrace": "9.9", "instance": identity.instance_of_before(state), "pid": 1}
    return told(json.dumps(claim), headers=["Content-Type: application/json"])


@dataclass
class Victim:
    """A user for whom `on` was said, and whose gateway is down."""

    root: Path
    uid: int
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        for name in ("home/.config/pip", "headrace/state", "headrace/config", "headrace/cache"):
            (self.root / name).mkdir(parents=True)
        conf = self.home / ".config" / "pip" / "pip.conf"
        conf.write_text(f"[global]\nindex-url = http://headrace@127.0.0.1:{self.port}/simple/\n")
        origin = Origin("python", "http://127.0.0.1:9/simple", private=True)
        self.state.record_origins([DiscoveredOrigin(origin, "pip.conf")])
        (self.folders.state / "token").write_text(json.dumps(TOKEN))
        (self.folders.state / "token").chmod(0o600)
        self.state.ensure_secret()
        self.state.record_gateway(GatewayAddress("127.0.0.1", self.port), "holder")
        self.give()

    def give(self) -> None:
        """Make everything below the root the user's own."""
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, self.uid, self.uid, follow_symlinks=False)
            if path.is_dir():
                path.chmod(0o700)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def folders(self) -> Folders:
        return Folders.of_user({"HEADRACE_HOME": str(self.root / "headrace")})

    @property
    def state(self) -> State:
        return State(self.folders)

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CONFIG_DIRS": str(self.home / "nothing"),
            "HEADRACE_HOME": str(self.root / "headrace"),
            "HEADRACE_CONDA_BASE": str(self.root / "no-conda"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        }

    def run(self, *words: str, **env: str) -> Result:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            env={**self.env, **env},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            user=self.uid,
            group=self.uid,
            extra_groups=[],
        )
        return Result(words, done.returncode, done.stdout, done.stderr, 0.0)

    def headrace(self, *words: str, **env: str) -> Result:
        return self.run(*headrace(), *words, **env)


@pytest.fixture
def victim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Victim]:
    """Somebody else than root where the interpreter is for everybody."""
    folder, uid = tempfile.mkdtemp(prefix="headrace-test-"), ALICE if reachable() else 0
    # What this process, which is root's, does in the victim's place, it does for the victim.
    monkeypatch.setenv("SUDO_UID", str(uid))
    try:
        yield Victim(Path(folder), uid)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def taken(victim: Victim, tmp_path: Path) -> Iterator[Intruder]:
    """Another user's program on the victim's port."""
    answer = as_before(victim.folders.state)
    with Intruder(tmp_path, answer, port=victim.port) as intruder:
        yield intruder


def says_so(text: str, victim: Victim) -> bool:
    return f"port {victim.port} is held by user uid {MALLORY}" in text


# ------------------------------------------------------------------ what looks


@needs_two_users
def test_status_says_whose_the_port_is_and_shows_nothing(victim: Victim, taken: Intruder) -> None:
    result = victim.headrace("status")
    assert result.code == 3, result.told()
    assert says_so(result.out, victim), result.told()
    assert "not your gateway" in result.out
    assert "`headrace off` sends the tools to their origins" in result.out
    gateway = json.loads(victim.headrace("status", "--json").out)["gateway"]
    assert (gateway["up"], gateway["held_by"]) == (False, f"user uid {MALLORY}")
    assert taken.seen == []


@needs_two_users
def test_doctor_calls_it_a_failure(victim: Victim, taken: Intruder) -> None:
    result = victim.headrace("doctor", "--json")
    assert result.code == 1, result.told()
    found = [f for f in json.loads(result.out)["findings"] if f["check"] == "gateway"]
    assert [each["level"] for each in found] == ["failure"]
    assert says_so(found[0]["text"], victim)
    assert taken.seen == []


@needs_two_users
def test_explain_asks_it_nothing(victim: Victim, taken: Intruder) -> None:
    result = victim.headrace("explain", "/simple/secret-name/").failed()
    assert says_so(result.err, victim), result.told()
    assert taken.seen == []


@needs_two_users
def test_run_takes_a_gateway_of_its_own_and_says_why(
    victim: Victim, taken: Intruder, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (sys.executable, "-c", "import os; print(os.environ['HEADRACE_RUN'])")
    monkeypatch.setattr(Path, "home", lambda: victim.home)
    # What is up and fronts the same origins is used by `run`, else.
    victim.state.record_origins(discover(Context(victim.env, Scope.USER), words))
    victim.give()
    result = victim.headrace("run", "--", *words).ok()
    assert says_so(result.err, victim), result.told()
    assert result.out.strip() != str(victim.port)
    assert taken.seen == []


@needs_two_users
def test_run_inside_a_run_does_not_believe_a_number_in_its_environment(
    victim: Victim, taken: Intruder
) -> None:
    command = "import os; print(os.environ['HEADRACE_RUN'])"
    words = ("run", "--", sys.executable, "-c", command)
    result = victim.headrace(*words, HEADRACE_RUN=str(victim.port)).ok()
    assert result.out.strip() != str(victim.port)
    assert taken.seen == []


# ------------------------------------------------------------------ what would show something


@needs_two_users
def test_keyring_keeps_the_token_from_it(
    victim: Victim, taken: Intruder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(victim.root / "headrace"))
    url = f"http://127.0.0.1:{victim.port}/simple/"
    assert recorded.lookup(url, "headrace") is None
    assert recorded.lookup(f"127.0.0.1:{victim.port}", None) is None
    taken.__exit__(None, None, None)
    assert recorded.lookup(url, "headrace") == ("headrace", TOKEN)


class _Asks(BaseHTTPRequestHandler):
    """An index that wants a login, whoever runs it."""

    shown: list[str]

    def do_GET(self) -> None:
        self.shown.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="headrace"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@needs_two_users
@pytest.mark.parametrize("whose", ["mine", "mallory's"])
def test_a_real_pip_with_keyring_shows_the_token_to_the_user_s_own_program_alone(
    whose: str, tmp_path: Path
) -> None:
    """pip looks at nobody's number; the keyring backend does it for it."""
    environment = Environment(tmp_path / "user")
    pip = Pip(PIPS[-1], environment)
    here = sysconfig.get_paths()["purelib"]
    (environment.packages / "zz.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    home = environment.home / "headrace"
    environment.variables["HEADRACE_HOME"] = str(home)
    state = State(Folders.of_user(environment.variables))
    token = state.ensure_token()
    shown: list[str] = []
    with contextlib.ExitStack() as stack:
        if whose == "mine":
            handler = type("Handler", (_Asks,), {"shown": shown})
            server = stack.enter_context(HTTPServer(("127.0.0.1", 0), handler))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            port = server.server_port
        else:
            asks = told("", "401 Unauthorized", ['WWW-Authenticate: Basic realm="headrace"'])
            intruder = stack.enter_context(Intruder(tmp_path, asks))
            port = intruder.port
        state.record_gateway(GatewayAddress("127.0.0.1", port))
        pip.point_at(f"http://headrace@127.0.0.1:{port}/simple/")
        words = ("install", "--no-input", "--keyring-provider", "import", "--retries", "0", "app")
        result = pip.run(*words).failed()
        if whose != "mine":
            shown = intruder.seen
    assert shown, result.told()
    sent = f"headrace:{token}".encode()
    given = any(base64.b64encode(sent).decode() in each for each in shown)
    assert given == (whose == "mine"), shown


@needs_two_users
def test_conda_goes_to_its_channel_and_says_why(tmp_path: Path) -> None:
    with Intruder(tmp_path, told("{}")) as intruder, stub() as conda:
        conda.context.plugins.headrace_gateway = f"http://x:{TOKEN}@127.0.0.1:{intruder.port}"
        waking, settings = conda.load("waking"), conda.load("settings")
        commands = conda.load("commands")
        gateway = settings.gateway()
        assert not waking.answers(gateway)
        err, out = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
            waking.wake("create")
            commands.health_check("", verbose=False)
        says = f"port {intruder.port} is held by uid {MALLORY}: not your gateway"
        assert says in err.getvalue()
        assert says in out.getvalue()

        class Request:
            url = "https://conda.anaconda.org/conda-forge/noarch/repodata.json"
            method = "GET"

            def __init__(self) -> None:
                self.headers: dict[str, str] = {}

        request: Any = Request()
        conda.load("reroute").Reroute()(request)
        assert request.url == Request.url
        assert request.headers == {}
        assert intruder.seen == []
        # The same plugin with a port of the user's own.
        with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as mine:
            assert waking.answers(settings.Gateway(f"http://127.0.0.1:{mine.server_port}"))


@needs_two_users
def test_the_credential_helper_says_nothing_to_the_port(tmp_path: Path) -> None:
    """It only connects, so that whoever keeps the port starts the gateway."""
    with Intruder(tmp_path, told("{}")) as intruder:
        docker = tmp_path / "docker"
        docker.mkdir()
        (docker / "headrace-credential").write_text(f"lab {intruder.port}\n")
        (docker / "docker-credential-lab").write_text("#!/bin/sh\necho passed on\n")
        (docker / "docker-credential-lab").chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", "from headrace_docker.credential_helper import main; main()"],
            input="https://registry.example",
            capture_output=True,
            text=True,
            check=True,
            env={
                "PATH": f"{docker}:{os.defpath}",
                "DOCKER_CONFIG": str(docker),
                **{k: v for k, v in os.environ.items() if k == "PYTHONPATH"},
            },
        )
        assert done.stdout == "passed on\n"
        intruder.wait_for(1)
        assert intruder.seen == []


# ------------------------------------------------------------------ what sets up


@needs_two_users
def test_on_takes_another_port_whatever_the_other_claims(victim: Victim, taken: Intruder) -> None:
    plan = choose.plan(
        victim.folders,
        Scope.USER,
        {"PATH": "/nowhere"},
        home=victim.home,
        port=victim.port,
        redirects=(),
        read=lambda _: None,
    )
    assert plan.address.port != victim.port
    assert f"port {victim.port} is taken by user uid {MALLORY}" in plan.note
    assert taken.seen == []


@needs_two_users
def test_a_port_that_is_taken_between_plan_and_start_is_seen(victim: Victim) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plan = choose.plan(
            victim.folders,
            Scope.USER,
            {"PATH": "/nowhere"},
            home=victim.home,
            port=victim.port,
            redirects=(),
            read=lambda _: None,
        )
        answer = as_before(victim.folders.state)
        with Intruder(Path(folder), answer, port=victim.port) as intruder:
            with pytest.raises(LocalError, match=r"cannot be had|is held by"):
                plan.start()
            assert intruder.seen == []


@needs_two_users
def test_the_machine_s_gateway_is_known_by_its_account(tmp_path: Path) -> None:
    account = ALICE
    folders = Folders(tmp_path / "etc", tmp_path / "var" / "headrace", tmp_path / "cache")
    folders.state.mkdir(parents=True)
    os.chown(folders.state, account, account)
    expected = State(folders, Scope.SYSTEM).expected()
    claim = told(json.dumps({"headrace": "9.9"}))
    for uid, right in ((account, True), (MALLORY, False), (0, True)):
        with Intruder(tmp_path, claim, uid=uid) as listener:
            there = health.look(GatewayAddress("127.0.0.1", listener.port), expected)
            assert there.up is right, (uid, there)


# ------------------------------------------------------------------ the challenge


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("real"), origins=["http://127.0.0.1:9/simple"]) as gateway:
        yield gateway


def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not tell who listens."""
    monkeypatch.setattr(health, "listeners", lambda *_: None)


def test_the_gateway_proves_itself_and_tells_no_hash_of_a_path(
    real: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind(monkeypatch)
    address = GatewayAddress("127.0.0.1", real.port)
    state = State(Folders.of_user(real.env))
    assert health.look(address, state.expected()).up
    plain = json.loads(real.get("/healthz")[2])
    assert plain["instance"] == ""
    assert "proof" not in plain
    other = identity.Expected(secret="of another gateway")
    assert health.look(address, other).who == "another gateway"
    assert not health.look(address, identity.Expected()).trusted


def test_a_relay_to_the_real_gateway_on_another_port_proves_nothing(
    real: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind(monkeypatch)
    shown: list[str] = []

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization", ""))
            # With the Host that the real one wants to hear.
            headers = {**dict(self.headers), "Host": f"127.0.0.1:{real.port}"}
            status, _, body = real.get(self.path, headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    expected = State(Folders.of_user(real.env)).expected()
    with HTTPServer(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        address = GatewayAddress("127.0.0.1", relay.server_port, TOKEN)
        there = health.look(address, expected)
        assert there.proof is health.Proof.WRONG
        assert not there.trusted
        assert health.ask(address, expected, "/status") is None
        relay.shutdown()
    assert shown
    assert not any(shown)


def test_the_token_goes_over_the_connection_that_proved_itself_and_no_other(
    real: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes the port between two connections is shown nothing: there is one."""
    blind(monkeypatch)
    made: list[Any] = []

    class Counted(http.client.HTTPConnection):
        def connect(self) -> None:
            made.append(self)
            super().connect()

    monkeypatch.setattr(http.client, "HTTPConnection", Counted)
    expected = State(Folders.of_user(real.env)).expected()
    told_status = health.ask(GatewayAddress("127.0.0.1", real.port), expected, "/status")
    assert told_status["origins"]
    assert len(made) == 1


_TAKES_AND_LEAVES = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
print(listening.getsockname()[1], flush=True)
taken, _ = listening.accept()
listening.close()
print("left", flush=True)
taken.recv(65536)
body = b'{"headrace": "9.9", "instance": "", "pid": 1}'
taken.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
taken.recv(65536)
"""


@needs_two_users
def test_who_took_the_connection_counts_and_not_only_who_listens_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The port is let go to its rightful owner at once: what listens then is no proof."""
    words = [sys.executable, "-c", _TAKES_AND_LEAVES, str(MALLORY)]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as mallory,
        contextlib.ExitStack() as rightful,
    ):
        assert mallory.stdout is not None
        port = int(mallory.stdout.readline())

        class LeftAtOnce(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                assert mallory.stdout is not None
                assert mallory.stdout.readline() == "left\n"
                rightful.enter_context(socket.create_server(("127.0.0.1", port)))

        monkeypatch.setattr(http.client, "HTTPConnection", LeftAtOnce)
        there = health.look(GatewayAddress("127.0.0.1", port, TOKEN), identity.Expected())
        assert there.who == f"user uid {MALLORY}"
        assert not there.trusted


def test_a_password_of_one_s_own_pages_is_shown_to_who_has_proved_itself_alone() -> None:
    shown: list[tuple[str, str]] = []

    class Knows(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        secret = "of this test"

        def do_GET(self) -> None:
            shown.append((self.path, self.headers.get("Authorization", "")))
            told = {"headrace": "1"}
            if nonce := self.headers.get(identity.NONCE):
                told["proof"] = identity.proof(self.secret, nonce, *server.server_address)
            self.send_response(200)
            body = json.dumps(told).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Knows) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = GatewayAddress("127.0.0.1", server.server_port)
        for secret, opens in (("of this test", True), ("of another", False), (None, False)):
            expected = identity.Expected(secret=secret)
            assert (health.ask(address, expected, "/status") is None) is (secret == "of another")
            pair = f"headrace:{own_pages.shown_for(secret)}" if secret else ""
            given = f"Basic {base64.b64encode(pair.encode()).decode()}"
            assert (("/status", given) in shown) is opens
        server.shutdown()
    assert all(header == "" for path, header in shown if path == "/healthz")


def test_only_a_nonce_is_signed(real: Gateway) -> None:
    for nonce in ("", "x" * 32, "AB" * 16, "ab" * 15, "ab" * 33, "ab" * 16 + " 1", "ab" * 16):
        answer = json.loads(real.get("/healthz", {identity.NONCE: nonce})[2])
        assert ("proof" in answer) is (nonce == "ab" * 16), nonce


# ------------------------------------------------------------------ on, where others can log in

SHARED = {"APPTAINER_CONTAINER": "/image.sif"}  # its network is the host's, and so are its users


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Pip]:
    pip = Pip(PIPS[-1], Environment(tmp_path / "user"))
    environment = pip.environment
    del environment.variables["HEADRACE_ACCEPT_SHARED_PORT"]
    environment.variables |= {
        "HEADRACE_HOME": str(environment.home / "headrace"),
        "HEADRACE_PORT": str(free_port()),
        **SHARED,
    }
    pip.point_at("http://127.0.0.1:9/simple")
    program = environment.scripts / "pip"
    program.write_text(f'#!/bin/sh\nexec {" ".join(pip.command())} "$@"\n')
    program.chmod(0o755)
    yield pip
    if (environment.home / "headrace/state/gateway.json").exists():  # the test has failed
        environment.run(*headrace(), "off")


def tools_files(environment: Environment) -> dict[str, bytes]:
    """Every file of the home but what is headrace's own."""
    ours = environment.home / "headrace"
    return {
        str(path): path.read_bytes()
        for path in environment.home.rglob("*")
        if path.is_file() and not path.is_relative_to(ours)
    }


def test_on_writes_nothing_where_other_people_can_log_in(user: Pip) -> None:
    environment = user.environment
    before = tools_files(environment)
    result = environment.run(*headrace(), "on").failed()
    assert "shares its network with a host of others" in result.err
    assert "nothing was changed" in result.err
    for way in ("sudo headrace on", "headrace run -- COMMAND", "--accept-shared-port"):
        assert way in result.err
    assert tools_files(environment) == before
    assert json.loads(environment.run(*headrace(), "status", "--json").out)["gateway"] is None
