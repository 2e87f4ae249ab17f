"""The gateway of containers on a real bridge: who reaches it, and what is to be had there."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.containers import ContainerNetwork
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.models import Credential, Origin
from headrace.system.edits.journal import Journal
from headrace.system.service import process
from headrace.system.service.managers import for_containers
from headrace.system.service.managers.for_containers import ContainersState
from lib.capabilities import lacks
from lib.engines.kinds import HERE, why_not
from lib.engines.network import ADDRESS, own_network
from lib.gateway import free_port
from lib.index import Index
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until
from lib.wheels import wheel

from .test_bridge import somebody

NETWORK = ContainerNetwork(
    "acme", "usual", ADDRESS, "10.199.0.0/24", "world0", "host.acme", ("host.acme",)
)
ASK = """
import json, socket, sys
host, port, requests, source = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
answers = []
for request in requests:
    try:
        with socket.create_connection((host, port), 20, (source, 0)) as sock:
            sock.sendall(request.encode())
            answer = b""
            while data := sock.recv(65536):
                answer += data
    except ConnectionRefusedError:
        answer = b"nobody listens"
    except ConnectionError:
        answer = b""
    answers.append(answer.decode("latin-1"))
print(json.dumps(answers))
"""


@dataclass
class Inside:
    """The gateway, and one network on each side of its bridge."""

    state: ContainersState
    folders: Folders
    address: GatewayAddress
    on: list[str] = field(default_factory=list)
    off: list[str] = field(default_factory=list)

    def ask(
        self, words: list[str], *requests: str, host: str = ADDRESS, source: str = ""
    ) -> list[str]:
        """Return what somebody is answered; "": nothing."""
        port = str(self.state.port())
        done = subprocess.run(
            [*words, sys.executable, "-c", ASK, host, port, json.dumps(requests), source],
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        if done.returncode:
            return []
        found: list[str] = json.loads(done.stdout)
        return found

    def request(self, path: str, *, token: str | None = "", host: str = "", head: str = "") -> str:
        """Give a request as text; `token` "" is the right one."""
        shown = self.state.token() if token == "" else token
        pair = base64.b64encode(f"headrace:{shown}".encode()).decode()
        lines = [path if " " in path else f"GET {path} HTTP/1.1"]
        lines += [f"Host: {host or ADDRESS}:{self.state.port()}", "Connection: close"]
        lines += [f"Authorization: Basic {pair}"] if shown is not None else []
        lines += [head] if head else []
        return "\r\n".join([*lines, "", ""])


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    if reason := why_not(HERE["podman"]):
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("containers")
    folders = Folders(root / "config", root / "state", root / "cache")
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_network())
        index = Index()
        index.add(wheel("small", "1.0"))
        private = Index()
        private.add(wheel("secret", "1.0"))
        pages = stack.enter_context(RecordingServer())
        hidden = stack.enter_context(RecordingServer())
        index.mount_origin(pages, pages)
        private.mount_origin(hidden, hidden)
        origins = [
            DiscoveredOrigin(Origin("python", f"{pages.url}/simple", name="default"), "a test"),
            DiscoveredOrigin(Origin("python", f"{hidden.url}/simple", True, "mine"), "a test"),
            DiscoveredOrigin(
                Origin("python", f"{hidden.url}/simple", name="lent"), "a", Credential("u", "p")
            ),
        ]
        state = ContainersState(folders, Scope.USER)
        state.record([NETWORK], free_port())
        env = {"PATH": "/usr/bin:/bin", "HOME": str(root), "HEADRACE_HOME": str(root)}
        path = root / "config" / "config.toml"
        path.parent.mkdir()
        path.write_text("catalogue = false\n")
        journal = Journal(folders.state / "journal")
        keeping = for_containers.Keeping(folders, Scope.USER, None, env, journal)
        stack.callback(for_containers.remove, keeping)
        address = for_containers.start(state, origins, keeping)
        made = Inside(state, folders, address)
        made.on = stack.enter_context(somebody("on", "", "10.199.0.5/24", bridge=True))[:-3]
        off = somebody("off", "10.201.0.1/24", "10.201.0.2/24", bridge=False)
        made.off = stack.enter_context(off)[:-3]
        until(lambda: made.ask(made.on, made.request("/healthz")))
        yield made


def status(answer: str) -> str:
    return answer.partition(" ")[2][:3]


def test_a_container_with_the_token_gets_pages_by_each_of_the_names(inside: Inside) -> None:
    asked = [inside.request("/simple/small/", host=host) for host in ("", "host.acme")]
    for answer in inside.ask(inside.on, *asked):
        assert status(answer) == "200"
        assert "small-1.0" in answer


def test_without_the_token_or_by_another_name_nothing_is_to_be_had(inside: Inside) -> None:
    path = "/simple/small/"
    asked = {
        inside.request(path, token=None): "401",
        inside.request(path, token="wrong"): "401",
        inside.request(path, host="localhost"): "421",
        inside.request(path, host="evil.example"): "421",
        inside.request(path, head="Origin: http://evil.example"): "403",
        inside.request("/packages/x", token=None): "401",
    }
    answers = inside.ask(inside.on, *asked)
    assert [status(each) for each in answers] == list(asked.values())


@pytest.mark.parametrize(
    "path", ["/", "/status", "/healthz", "/metrics", "/explain", "/interception", "/live/"]
)
def test_its_own_pages_are_no_containers_business(inside: Inside, path: str) -> None:
    (answer,) = inside.ask(inside.on, inside.request(path))
    assert status(answer) == "403"
    assert "gateway of containers" in answer


def test_it_is_no_proxy_not_even_with_its_token(inside: Inside) -> None:
    shown = f"Proxy-Authorization: Basic {base64.b64encode(b'headrace:x').decode()}"
    asked = [
        inside.request("CONNECT 127.0.0.1:22 HTTP/1.1", head=shown),
        inside.request("GET http://127.0.0.1/ HTTP/1.1", head=shown),
        inside.request("POST /simple/ HTTP/1.1"),
    ]
    answers = inside.ask(inside.on, *asked)
    assert [status(each) for each in answers] == ["405", "421", "405"]


def test_an_index_of_the_users_own_is_not_there(inside: Inside) -> None:
    asked = [inside.request(f"/index/{name}/simple/secret/") for name in ("mine", "lent")]
    for answer in inside.ask(inside.on, *asked):
        assert status(answer) == "404"
    assert [each.origin.name for each in inside.state.origins()] == ["default"]


def test_another_interface_and_this_machine_itself_hear_nothing(inside: Inside) -> None:
    asked = inside.request("/simple/small/")
    # A machine there can send to the bridge's address, for this one forwards between its own.
    assert inside.ask(inside.off, asked) == [""]
    assert inside.ask(inside.off, asked, host="10.201.0.1") == ["nobody listens"]
    assert inside.ask([], asked) == [""]
    assert inside.ask([], asked, host="10.201.0.1") == ["nobody listens"]


def test_an_address_of_the_bridges_network_is_no_way_in_by_another_interface(
    inside: Inside,
) -> None:
    elsewhere = [*inside.off, *["ip", "addr", "add", "10.199.0.77/32", "dev", "off1"]]
    for words in (elsewhere, ["ip", "route", "add", "10.199.0.77/32", "dev", "off0"]):
        subprocess.run(words, check=True)
    assert inside.ask(inside.off, inside.request("/simple/small/"), source="10.199.0.77") == [""]


def test_the_network_of_a_rootless_engine_is_no_bridge(inside: Inside) -> None:
    """Its connections are made by a program of this machine's, so they are this machine's own."""
    if shutil.which("slirp4netns") is None:
        pytest.skip(lacks("programs", "no slirp4netns here"))
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(subprocess.Popen(["unshare", "-n", "sleep", "600"]))
        stack.callback(holder.kill)
        enter = ["nsenter", "-t", str(holder.pid), "-n"]
        mine = Path("/proc/self/ns/net").readlink()
        until(lambda: Path(f"/proc/{holder.pid}/ns/net").readlink() != mine)
        words = ["slirp4netns", "--configure", str(holder.pid), "tap0"]
        quiet = subprocess.DEVNULL
        network = stack.enter_context(subprocess.Popen(words, stdout=quiet, stderr=quiet))
        stack.callback(network.terminate)
        route = [*enter, "ip", "route", "show", "default"]
        until(lambda: subprocess.run(route, capture_output=True, check=False).stdout)
        assert inside.ask(enter, inside.request("/simple/small/")) == [""]


def test_on_loopback_are_its_own_pages_alone(inside: Inside) -> None:
    told = {}
    for path in ("/healthz", "/status", "/simple/small/"):
        connection = http.client.HTTPConnection("127.0.0.1", inside.address.port, timeout=HANG)
        with contextlib.closing(connection):
            connection.request("GET", path)
            told[path] = connection.getresponse().status
    assert told == {"/healthz": 200, "/status": 200, "/simple/small/": 403}


def test_it_goes_on_after_its_worker_and_when_its_bridge_comes_back(inside: Inside) -> None:
    lock = for_containers.folders_of(inside.folders).state / "gateway.lock"
    asked = inside.request("/simple/small/")
    assert process.reload(lock)
    assert status(inside.ask(inside.on, asked)[0]) == "200"
    for words in (f"addr del {ADDRESS}/24 dev world0", f"addr add {ADDRESS}/24 dev world0"):
        subprocess.run(["ip", *words.split()], check=True)
    assert status(inside.ask(inside.on, asked)[0]) == "200"


def test_its_token_is_this_users_alone_to_read(inside: Inside) -> None:
    folder = for_containers.folders_of(inside.folders).state
    assert (folder / "token").stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert (inside.state.token() or "").encode() not in line.read_bytes()


def test_whoever_keeps_it_up_opens_its_sockets_by_one_command(inside: Inside) -> None:
    """As its unit of systemd has it."""
    process.stop(for_containers.folders_of(inside.folders).state / "gateway.lock")
    options = for_containers.held(inside.folders, Scope.USER, None)
    with subprocess.Popen([*options.worker, "--hold"]) as holder:
        try:
            asked = inside.request("/simple/small/")
            until(lambda: inside.ask(inside.on, asked)[0].startswith("HTTP/1.1 200 "))
            assert inside.ask([], asked) == [""]
        finally:
            holder.terminate()
