"""Mirrors, pages and realms that lead into this machine and its networks: nothing arrives there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from headrace.errors import UpstreamError
from headrace.gateway.live.incidents import form_of
from headrace.models import Artifact, Digest, Fault, Mirror, Origin, Source
from headrace.policy.destinations import Initiator, of_artifact, of_mirror, of_origin
from headrace.upstream.client import Client
from lib import wheels
from lib.app import App, mirror
from lib.capabilities import lacks
from lib.engines import spaces
from lib.index import Index
from lib.serving.network import Network
from lib.serving.proxies import RecordingProxy
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG, until

T = TypeVar("T")

PUBLIC, OTHER, PRIVATE, FAKE = "4.4.4.4", "4.4.8.8", "10.0.0.5", "198.18.0.7"
#: In all ways in which a URL can say it.
NEAR = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.5",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.7",
    "[::1]",
    "[::]",
    "[fd00::1]",
    "[fe80::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[fd00:ec2::254]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a00:5]",
    "[::127.0.0.1]",
    "[64:ff9b::a00:5]",
    "[2002:a00:5::1]",
    "[2001:0:a00:5::1]",
    "2130706433",
    "127.1",
    "0x7f.1",
    "LOCALHOST",
    "inside.example",
    "INSIDE.example.",
    "somebody@inside.example",
    "six.inside.example",
]
#: Ways that one reader or another does not take for a host at all.
ODD = [
    "127.0.0.1.",
    "127\u30020.0.1",
    "0177.0.0.1",
    "127%2e0%2e0%2e1",
    "[fe80::1%25lo]",
    "[127.0.0.1]",
    "\uff11\uff12\uff17.0.0.1",
]


@dataclass
class World:
    """A mirror (or an origin) on the net, and a host that nobody may be led to."""

    network: Network
    upstream: RecordingServer
    trap: RecordingServer
    told: list[str] = field(default_factory=list)

    def at(self, host: str, server: RecordingServer | None = None, path: str = "/f") -> str:
        return f"http://{host}:{(server or self.trap).port}{path}"

    def leads_to(self, target: str) -> str:
        """Let the upstream redirect; give its URL."""
        self.upstream.content["/f"] = Reply(b"", 302, headers={"Location": target})
        return self.at("upstream.example", self.upstream)

    def use(self, work: Callable[[Client], Awaitable[T]], **env: str) -> T:
        async def main() -> T:
            client = Client(env, told=self.told.append)
            try:
                return await work(client)
            finally:
                await client.aclose()

        return asyncio.run(main())

    def fetch(self, url: str, initiator: Initiator, **env: str) -> bytes:
        async def work(client: Client) -> bytes:
            return (await client.fetch(url, initiator=initiator)).body

        return self.use(work, **env)

    def refused(self, url: str, initiator: Initiator, **env: str) -> UpstreamError:
        with pytest.raises(UpstreamError) as caught:
            self.fetch(url, initiator, **env)
        assert caught.value.fault is Fault.LED_ASTRAY
        return caught.value


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    network = Network(monkeypatch)
    network.names |= {
        "upstream.example": [PUBLIC],
        "cdn.example": [OTHER],
        "inside.example": [PRIVATE],
        "inside.example.": [PRIVATE],
        "six.inside.example": ["fd00::5"],
    }
    with (
        RecordingServer(name="upstream") as upstream,
        RecordingServer({"/f": b"secret"}, name="trap") as trap,
    ):
        yield World(network, upstream, trap)


def public(world: World) -> Initiator:
    return of_mirror(Mirror("m", "python", world.at("upstream.example", world.upstream, ""), "x"))


def private(world: World, host: str = "upstream.example") -> Initiator:
    return of_origin(Origin("python", world.at(host, world.upstream, ""), private=True))


# ------------------------------------------------------------------ redirects


@pytest.mark.parametrize("host", NEAR)
def test_a_public_upstream_redirects_to_nobody_near(world: World, host: str) -> None:
    url = world.leads_to(world.at(host))
    error = world.refused(url, public(world))
    assert not world.network.reached(world.trap.port)
    assert not world.trap.seen
    assert "upstream.example leads to http" in error.message
    assert form_of(error.message)["form"] == "led_astray"
    assert world.told == [error.message]
    with pytest.raises(UpstreamError):
        world.use(lambda client: _range(client, url, public(world)))
    assert not world.trap.seen


@pytest.mark.parametrize("host", ODD)
def test_a_host_that_is_written_oddly_is_no_way_in(world: World, host: str) -> None:
    url = world.leads_to(world.at(host))
    with pytest.raises(UpstreamError):
        world.fetch(url, public(world))
    assert not world.network.reached(world.trap.port)


async def _range(client: Client, url: str, initiator: Initiator) -> bytes:
    async with client.open_range(url, 0, 4, initiator=initiator) as stream:
        return b"".join([part async for part in stream])


def test_a_redirect_to_another_public_host_and_port_is_followed(world: World) -> None:
    url = world.leads_to(world.at("cdn.example"))
    assert world.fetch(url, public(world)) == b"secret"
    assert world.network.reached(world.trap.port) == [OTHER]
    assert not world.told


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_looked_at(
    world: World,
) -> None:
    answers = iter([[OTHER], ["127.0.0.1"], ["127.0.0.1"]])
    world.network.names["cdn.example"] = lambda: next(answers)
    url = world.leads_to(world.at("cdn.example"))
    assert world.fetch(url, public(world)) == b"secret"
    assert world.network.looked_up.count("cdn.example") == 1
    assert world.network.reached(world.trap.port) == [OTHER]
    world.refused(url, public(world))  # a new client, for which nothing is known yet
    assert world.network.reached(world.trap.port) == [OTHER]


def test_of_an_answer_that_mixes_addresses_the_public_ones_are_tried(world: World) -> None:
    world.network.names["cdn.example"] = [PRIVATE, "::1", OTHER, "169.254.1.1"]
    assert world.fetch(world.leads_to(world.at("cdn.example")), public(world)) == b"secret"
    assert world.network.reached(world.trap.port) == [OTHER]


def test_a_mirrors_own_name_does_not_lead_to_this_machine(world: World) -> None:
    for address in ("127.0.0.1", PRIVATE, "169.254.169.254"):
        world.network.names["upstream.example"] = [address]
        world.refused(world.at("upstream.example", world.upstream), public(world))
    assert not world.network.connected


def test_an_origins_own_name_may_be_anywhere(world: World) -> None:
    """It is the user's configuration that names it: a devpi, a tunnel, a company's copy."""
    world.upstream.content["/f"] = b"page"
    url = world.at("upstream.example", world.upstream)
    for address in ("127.0.0.1", PRIVATE, "169.254.1.1"):
        world.network.names["upstream.example"] = [address]
        assert world.fetch(url, of_origin(Origin("python", url))) == b"page"


def test_a_refusal_is_told_once_and_not_for_each_request(world: World) -> None:
    url = world.leads_to(world.at("127.0.0.1"))

    async def work(client: Client) -> None:
        for _ in range(3):
            with pytest.raises(UpstreamError):
                await client.fetch(url, initiator=public(world))

    world.use(work)
    assert len(world.told) == 1


@pytest.mark.parametrize(
    "target",
    [
        "http://upstream.example\\@127.0.0.1/f",
        "http://[::1",
        "http://a@b@127.0.0.1/",
        "http://a:99999999/",
    ],
)
def test_a_url_in_which_readers_see_two_hosts_is_asked_nowhere(world: World, target: str) -> None:
    with pytest.raises(UpstreamError):
        world.fetch(world.leads_to(target), public(world))
    with pytest.raises(UpstreamError):
        world.fetch(target, public(world))
    assert {address for address, _ in world.network.connected} <= {PUBLIC}


def test_a_file_without_a_digest_does_not_come_in_the_open_for_a_page_over_tls(
    world: World,
) -> None:
    file = Artifact(
        "python", "/f", "f", world.at("cdn.example"), Origin("python", "https://i.example")
    )
    initiator = of_artifact(file, Source("origin", file.url, is_origin=True))
    error = world.refused(file.url, initiator)
    assert "no digest" in error.message
    assert not world.network.connected
    digest = Digest("sha256", hashlib.sha256(b"secret").hexdigest())
    checked = of_artifact(replace(file, digest=digest), Source("origin", file.url, is_origin=True))
    assert world.fetch(file.url, checked) == b"secret"


# ------------------------------------------------------------------ the user's own


@pytest.mark.parametrize("own", ["a private origin", "a mirror of the user's own"])
def test_what_the_user_named_leads_to_the_private_net_without_the_login(
    world: World, own: str
) -> None:
    url = world.leads_to(world.at("inside.example"))
    initiator = (
        private(world)
        if "origin" in own
        else of_mirror(
            Mirror("m", "python", world.at("upstream.example", world.upstream, ""), "x", own=True)
        )
    )

    async def work(client: Client) -> bytes:
        secret = {"authorization": "Basic c2VjcmV0"}
        return (await client.fetch(url, headers=secret, initiator=initiator)).body

    assert world.use(work) == b"secret"
    assert world.network.reached(world.trap.port) == [PRIVATE]
    assert "authorization" in world.upstream.seen[0].headers
    assert "authorization" not in world.trap.seen[0].headers


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[fe80::1]", "0.0.0.0"])
def test_what_the_user_named_leads_neither_to_this_machine_nor_to_a_clouds_keys(
    world: World, host: str
) -> None:
    for upstream in ([PUBLIC], [PRIVATE]):
        world.network.names["upstream.example"] = upstream
        world.refused(world.leads_to(world.at(host)), private(world))
    assert not world.trap.seen


def test_a_public_host_on_the_way_takes_the_right_to_lead_inside(world: World) -> None:
    """The private origin leads to a content network, and that one leads back inside."""
    with RecordingServer(name="cdn") as cdn:
        back = {"Location": world.at("inside.example")}
        cdn.content["/f"] = Reply(b"", 302, headers=back)
        world.refused(world.leads_to(world.at("cdn.example", cdn)), private(world))
    assert not world.trap.seen


def test_an_origin_on_loopback_leads_to_loopback(world: World) -> None:
    world.upstream.content["/f"] = Reply(b"", 302, headers={"Location": world.at("localhost")})
    url = world.at("127.0.0.1", world.upstream)
    assert world.fetch(url, of_origin(Origin("python", url))) == b"secret"


def test_that_an_origin_wanted_a_login_makes_it_nobodys_own(world: World) -> None:
    base = world.at("upstream.example", world.upstream, "")
    asked = of_origin(Origin("python", base, private=True, demanded=True))
    world.refused(world.leads_to(world.at("inside.example")), asked)


def test_a_kept_connection_serves_nobody_who_could_not_have_made_it(world: World) -> None:
    inside = world.at("inside.example")
    led = world.leads_to(inside)

    async def work(client: Client) -> None:
        own = of_origin(Origin("python", inside, private=True))
        assert (await client.fetch(inside, initiator=own)).body == b"secret"
        with pytest.raises(UpstreamError) as caught:
            await client.fetch(led, initiator=public(world))
        assert caught.value.fault is Fault.LED_ASTRAY

    world.use(work)
    assert len(world.trap.seen) == 1


# ------------------------------------------------------------------ realms


@pytest.mark.parametrize("address", ["127.0.0.1", PRIVATE, "169.254.169.254"])
def test_a_realm_that_stands_near_is_not_asked(world: World, address: str) -> None:
    base = world.at("registry.images.example", world.upstream, "")
    world.network.names |= {"registry.images.example": [PUBLIC], "auth.images.example": [address]}
    challenge = f'Bearer realm="{world.at("auth.images.example", path="/token")}"'
    wants = Reply(b"", 401, headers={"WWW-Authenticate": challenge})
    world.upstream.content["/v2/x"] = wants

    async def work(client: Client) -> int:
        origin = of_origin(Origin("docker", base))
        return (await client.fetch(f"{base}/v2/x", initiator=origin)).status

    assert world.use(work) == 401
    assert not world.network.reached(world.trap.port)
    world.network.names["auth.images.example"] = [OTHER]
    world.use(work)
    assert world.network.reached(world.trap.port) == [OTHER]


# ------------------------------------------------------------------ proxies, fake addresses


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5",
        "169.254.169.254",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::ffff:10.0.0.5]",
        "metadata.google.internal",
        "db.internal",
        "printer.local",
        "router.home.arpa",
        "intranet",
        "127%2e0%2e0%2e1",
        "home.lan",
    ],
)
def test_behind_a_proxy_the_name_itself_is_looked_at(world: World, host: str) -> None:
    with RecordingProxy() as proxy:
        url = world.leads_to(world.at(host)).replace("upstream.example", "upstream.test")
        home = Initiator(world.at("upstream.test", world.upstream, ""))
        with pytest.raises(UpstreamError) as caught:
            world.fetch(url, home, HTTP_PROXY=proxy.url)
        assert caught.value.fault is Fault.LED_ASTRAY
        assert [each.target for each in proxy.passed] == [url]
    assert not world.trap.seen
    assert "upstream.test" not in world.network.looked_up


def test_behind_a_proxy_the_proxy_decides_about_other_names(world: World) -> None:
    with RecordingProxy() as proxy:
        url = world.leads_to(world.at("files.test")).replace("upstream.example", "upstream.test")
        home = Initiator(world.at("upstream.test", world.upstream, ""))
        assert world.fetch(url, home, HTTP_PROXY=proxy.url) == b"secret"
        assert len(proxy.passed) == 2
    assert not world.network.looked_up


@pytest.mark.parametrize("led", [[FAKE], ["fc00::9"], [FAKE, "fdfe:dcba:9876::9"]])
def test_where_every_name_has_a_fake_address_downloads_go_on(world: World, led: list[str]) -> None:
    world.network.names |= {"upstream.example": ["198.18.0.2"], "cdn.example": led}
    url = world.leads_to(world.at("cdn.example"))

    async def work(client: Client) -> None:
        for _ in range(2):
            assert (await client.fetch(url, initiator=public(world))).body == b"secret"

    world.use(work)
    assert world.network.reached(world.trap.port) == [led[0]]
    assert not world.told
    # And everywhere else such an address is nobody's.
    world.network.names["upstream.example"] = [PUBLIC]
    world.refused(url, public(world))
    world.network.names |= {"upstream.example": ["198.18.0.2"], "cdn.example": ["127.0.0.1"]}
    world.refused(url, public(world))


# ------------------------------------------------------------------ pages, through the gateway

SIX = wheels.wheel("six", "1.0", size=20_000)


@pytest.mark.parametrize("host", ["127.0.0.1", "inside.example", "169.254.169.254"])
def test_a_file_that_a_public_page_puts_near_is_the_clients_business(
    world: World, tmp_path: Path, host: str
) -> None:
    index = Index()
    index.add(SIX)
    world.network.names["index.example"] = [PUBLIC]
    with (
        RecordingServer(name="origin", known_as="index.example") as origin,
        RecordingServer(name="files", known_as=host) as files,
    ):
        url = index.mount_origin(origin, files)
        with App(tmp_path, url) as app:
            told = app.page("six").json()
            for suffix in ("", ".metadata"):
                path = told["files"][0]["url"] + suffix
                answer = app.ask(path)
                assert (answer.status, answer.headers.get("location")) == (
                    302,
                    f"{files.url}{index.path(SIX.name)}{suffix}",
                )
            assert not files.seen
            assert not world.network.reached(files.port)
            [incident] = [i for i in app.status()["incidents"] if host in i["what"]]
            assert "was not asked" in incident["what"]


def test_a_page_that_redirects_inside_ends_at_the_origin(world: World, tmp_path: Path) -> None:
    world.network.names["index.example"] = [PUBLIC]
    with RecordingServer(name="origin", known_as="index.example") as origin:
        inside = {"Location": world.at("127.0.0.1", path="/simple/six/")}
        origin.content["/simple/six/"] = Reply(b"", 302, headers=inside)
        with App(tmp_path, f"{origin.url}/simple") as app:
            answer = app.page("six")
            assert answer.status == 302
            assert answer.headers["location"] == f"{origin.url}/simple/six/"
            assert "127.0.0.1" in answer.body.decode()
    assert not world.trap.seen


def test_a_mirror_that_redirects_inside_is_left_and_the_install_goes_on(
    world: World, tmp_path: Path
) -> None:
    index = Index()
    index.add(SIX)
    world.network.names |= {"index.example": [PUBLIC], "mirror.example": [OTHER]}
    with (
        RecordingServer(name="origin", known_as="index.example") as origin,
        RecordingServer(name="bad", known_as="mirror.example") as bad,
    ):
        inside = Reply(b"", 302, headers={"Location": world.at("127.0.0.1")})
        bad.mounts["/"] = lambda *_: inside
        with App(tmp_path, index.mount_origin(origin), mirrors=[mirror("bad", bad.url)]) as app:
            path = app.page("six").json()["files"][0]["url"]
            assert app.ask(path).body == SIX.data
            until(lambda: bad.seen)
            until(lambda: [i for i in app.status()["incidents"] if "mirror" in i["what"]])
    assert not world.trap.seen


# ------------------------------------------------------------------ in whose name


def test_a_files_source_is_asked_in_the_name_of_whoever_named_it() -> None:
    origin = Origin("python", "https://index.example/simple")
    digest = Digest("sha256", hashlib.sha256(b"").hexdigest())
    file = Artifact("python", "/f", "f", "http://127.0.0.1/f", origin, digest)
    own = Source("origin", file.url, is_origin=True)
    assert of_artifact(file, own) == Initiator(origin.url, is_origin=True)
    unchecked = Initiator(origin.url, is_origin=True, checked=False)
    assert of_artifact(replace(file, digest=None), own) == unchecked
    theirs = Source("m", "https://m.example/x/f", home="https://m.example/x", own=True)
    assert of_artifact(file, theirs) == Initiator("https://m.example/x", trusted=True)


# ------------------------------------------------------------------ with the kernel's own network

#: Runs in a network of its own, whose loopback has addresses of all kinds.
_INSIDE = """
import asyncio, json, socket, subprocess, sys, threading
from headrace.errors import UpstreamError
from headrace.models import Mirror, Origin
from headrace.policy.destinations import of_mirror, of_origin
from headrace.upstream.client import Client
from lib.serving.servers import RecordingServer, Reply

def run(*words):
    subprocess.run(words, check=True)

run("ip", "link", "set", "lo", "up")
for address in ("4.4.4.4/32", "4.4.8.8/32", "10.0.0.5/32", "fd00::5/128"):
    run("ip", "address", "add", address, "dev", "lo")
run("mount", "--bind", sys.argv[1], "/etc/hosts")
trap = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
port, arrived = trap.getsockname()[1], []

def accept():
    while True:
        live, _ = trap.accept()
        arrived.append(live.getsockname()[0])
        live.recv(65536)
        live.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        live.close()

threading.Thread(target=accept, daemon=True).start()

async def main():
    told, answers = {}, []
    client = Client({}, told=answers.append)
    with RecordingServer(host="0.0.0.0", known_as="mirror.example") as server:
        mirror = of_mirror(Mirror("m", "python", server.url, "x"))
        own = of_origin(Origin("python", server.url, private=True))
        for initiator, whose in ((mirror, "public"), (own, "own")):
            for host in sys.argv[2:]:
                target = f"http://{host}:{port}/"
                server.content["/f"] = Reply(b"", 302, headers={"Location": target})
                arrived.clear()
                try:
                    await client.fetch(f"{server.url}/f", initiator=initiator)
                except UpstreamError as error:
                    assert error.fault == "led-astray", error
                told[f"{whose} {host}"] = arrived[:]
    await client.aclose()
    print(json.dumps(told))

asyncio.run(main())
"""


def test_where_connections_really_arrive(tmp_path: Path) -> None:
    if why := spaces.trouble():
        pytest.skip(lacks("root", why))
    hosts = tmp_path / "hosts"
    names = {"mirror.example": PUBLIC, "cdn.example": OTHER, "inside.example": PRIVATE}
    both = [("both.example", "127.0.0.1"), ("both.example", PRIVATE), ("both.example", OTHER)]
    lines = [f"{address} {name}" for name, address in [*names.items(), *both]]
    hosts.write_text("\n".join(["127.0.0.1 localhost", "fd00::5 six.example", *lines, ""]))
    asked = ["cdn.example", "both.example", "inside.example", "six.example", "localhost"]
    numbers = ["127.0.0.1", "2130706433", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "0"]
    child = [sys.executable, "-c", _INSIDE]
    told = json.loads(
        subprocess.run(
            ["unshare", *spaces.NEW, *child, str(hosts), *asked, *numbers],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
            timeout=HANG,
        ).stdout
    )
    other, inside = [f"::ffff:{OTHER}"], [f"::ffff:{PRIVATE}"]
    arrived = {name: where for name, where in told.items() if where}
    assert arrived.pop("own both.example") in (other, inside)
    assert arrived == {
        "public cdn.example": other,
        "public both.example": other,
        "own cdn.example": other,
        "own inside.example": inside,
        "own six.example": ["fd00::5"],
    }
