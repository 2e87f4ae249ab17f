"""A channel at its origin, mirrors of it, the real gateway, and real clients that go through it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import pytest

from lib.clients import Result
from lib.conda.channels import DOCUMENTS_LAST, SHARDS, Channel, Package, package, twin
from lib.conda.clients import Base, Conda, Rattler, chosen_bases, no_base
from lib.gateway import Gateway, TestMirror
from lib.serving.faults import SIZE, Fault, faults_in
from lib.serving.servers import RecordingServer, Seen
from lib.waiting import until

MB = 1 << 20
Client = Conda | Rattler
PACKAGES = ("*.conda", "*.tar.bz2")
#: What a client could say of a download that did not go well.
RETRY_WORDS = ("retry", "retrying", "resum", "incomplete", "connection broken", "mismatch", "error")


@lru_cache(maxsize=4)
def large(seed: str = "") -> Package:
    """Give a package of 24 MiB."""
    made = package("large", size=SIZE)
    return twin(made, seed) if seed else made


def small(seed: str = "") -> Package:
    """Give a package that is checked before its first byte goes out."""
    made = package("small", size=700_000)
    return twin(made, seed) if seed else made


PACKAGE_FAULTS: Mapping[str, Fault] = faults_in(
    "*.conda",
    same_size=lambda: large("evil").data,
    other_size=lambda: package("large", size=SIZE // 2, seed="evil").data,
)
"""What a mirror can do to a package."""

# -------------------------------------------------------------- clients

CLIENTS: dict[str, Callable[[Path], Client]] = {"py-rattler": Rattler}
"""Every client that this run is about: ``conda-26.7.0-rattler``, and so on."""


def _conda(base: Base, solver: str) -> Callable[[Path], Client]:
    return lambda home: Conda(base, home, solver)


for _base in chosen_bases():
    for _solver in _base.solvers:
        if _solver != "libmamba":
            CLIENTS[f"conda-{_base.version}-{_solver}"] = _conda(_base, _solver)
CONDAS = [name for name in CLIENTS if name.startswith("conda-")]
NEWEST = next(iter(CONDAS), "conda")
"""The newest conda with its best solver; where there is none, a name to skip by."""
OLDEST = CONDAS[-1] if CONDAS else "conda-of-old"
CLASSIC = next((name for name in CONDAS if name.endswith("classic")), "conda-classic")


def make_client(name: str, home: Path) -> Client:
    """Make a client by its name, or skip the test."""
    if name not in CLIENTS:
        pytest.skip(no_base())
    return CLIENTS[name](home)


def knows_shards(name: str) -> bool:
    """Older condas with the rattler solver take flat pages; the classic solver always does."""
    return name == "py-rattler" or bool(re.fullmatch(r"conda-2[6-9]\..*-rattler", name))


def first_document(name: str) -> str:
    """What a client asks a channel for first that has everything."""
    return SHARDS if knows_shards(name) else "current_repodata.json.zst"


def inside_alone(folder: Path) -> Path:
    """Copy the package that conda imports into a folder of its own, as it is installed here, so
    that conda finds it and nothing else of headrace.
    """
    spec = importlib.util.find_spec("headrace_conda_inside")
    assert spec is not None
    assert spec.origin is not None
    where = Path(spec.origin).parent
    there = folder / where.name
    if not there.exists():
        shutil.copytree(where, there, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def routed(
    gateway: str,
    *channels: str,
    more: str = "",
    proxy: str = "  'http://127.0.0.1': ''",
) -> str:
    """Give the lines of a condarc that lead channels (URL patterns) to a gateway."""
    entries = "".join(f"  - channel: {each}\n    auth: headrace\n" for each in channels)
    return (
        f"channel_settings:\n{entries}proxy_servers:\n{proxy}\n"
        f"plugins:\n  headrace_gateway: {gateway}\n{more}"
    )


# -------------------------------------------------------------- the world


@dataclass(slots=True)
class World:
    """Everything that one test runs. Made by the `world` fixture, which ends it too."""

    root: Path
    channel: Channel
    origin: RecordingServer
    url: str
    """The channel's own URL."""
    mirrors: list[RecordingServer]
    described: list[TestMirror]
    stack: contextlib.ExitStack
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    """The gateway's, besides its own."""
    running: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The gateway; started when first asked for."""
        if self.running is None:
            made = self.gateway_made()
            self.running = self.stack.enter_context(made)
        return self.running

    def gateway_made(self) -> Gateway:
        """Give the gateway that is not running yet."""
        return Gateway(
            self.root / "gateway",
            origins=[self.origin.url],
            mirrors=self.described,
            settings=self.settings,
            env=self.env,
            ecosystem="conda",
        )

    @property
    def at_gateway(self) -> str:
        """The channel's path on the gateway."""
        return f"/conda/http+{self.url.removeprefix('http://')}"

    def get(
        self, inside: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask the gateway for something of the channel: ``noarch/repodata.json``."""
        return self.gateway.get(f"{self.at_gateway}/{inside}", headers, method=method)

    def kept(self, inside: str) -> tuple[int, dict[str, str], bytes]:
        """Ask the gateway for a document, and wait until it is written down: its client has it
        before that.
        """
        root = self.gateway.root
        known = len(list(root.rglob("*.note")))
        answer = self.get(inside)
        until(
            lambda: len(list(root.rglob("*.note"))) != known and not list(root.rglob("*.draft")),
            self.gateway.told,
        )
        time.sleep(0.1)  # for its table, and for those who still hold the request
        return answer

    # ---------------------------------------------------------- clients

    def client(self, name: str = NEWEST, home: str = "client") -> Client:
        """Make a client that goes through the gateway, or skip the test."""
        made = make_client(name, self.root / home)
        if isinstance(made, Conda):
            self.route(made)
        else:
            made.mirrors = {
                self.origin.url: [
                    f"{self.gateway.url}/conda/http+127.0.0.1:{self.origin.port}",
                    self.origin.url,
                ]
            }
        return made

    def conda(self, name: str = NEWEST, home: str = "client") -> Conda:
        """Make a conda that goes through the gateway, or skip the test."""
        made = self.client(name, home)
        assert isinstance(made, Conda)
        return made

    def route(self, conda: Conda, gateway: str = "", *channels: str, more: str = "") -> None:
        """Point a conda at a gateway, which need not be up: this one, for the origin's channels."""
        lines = routed(
            gateway or self.gateway.url, *(channels or (f"{self.origin.url}/*",)), more=more
        )
        conda.configure(more=lines)
        conda.see_plugin("headrace_conda_inside", inside_alone(self.root / "inside"))

    def install(self, client: Client, env: str, *specs: str) -> Result:
        """Create an environment from the channel."""
        return client.create(env, *specs, channel=self.url)

    # ---------------------------------------------------------- what was seen

    @property
    def servers(self) -> list[RecordingServer]:
        """All upstreams."""
        return [self.origin, *self.mirrors]

    def at_mirrors(self, match: str = "*") -> list[Seen]:
        """All that any mirror was asked."""
        return [seen for mirror in self.mirrors for seen in mirror.requests(match)]

    def sent(self, match: str = "*.conda") -> dict[str, int]:
        """Bytes that each upstream gave for paths that fit."""
        return {server.name: server.bytes_sent(match) for server in self.servers}

    def told(self, result: Result) -> str:
        """Give all that helps to understand a failure."""
        return f"{result.told()}\n{self.sent()}\n{self.gateway.told()[-3000:]}"

    def assert_polite(self) -> None:
        """What holds for every mirror in every test: package files alone, nothing that tells of
        the user, an honest name, no content coding.
        """
        kept = re.escape(f"/{self.channel.name}/")
        paths = re.compile(rf".*{kept}[a-z0-9-]+/[^/]+\.(conda|tar\.bz2)")
        for seen in self.at_mirrors():
            assert paths.fullmatch(seen.path), seen
            assert_says_nothing(seen)
            assert seen.headers.get("accept-encoding") == "identity", seen

    def assert_through(self, match: str = "*") -> None:
        """The client never went to the origin by itself."""
        for seen in self.origin.requests(match):
            assert seen.headers.get("user-agent", "").startswith("headrace/"), seen


def assert_says_nothing(seen: Seen) -> None:
    """The request is the gateway's and tells of no user."""
    secret = {"authorization", "cookie", "proxy-authorization", "referer"}
    assert not secret & set(seen.headers), seen
    assert seen.headers.get("user-agent", "").startswith("headrace/"), seen
    assert "/t/" not in seen.path, seen
    assert "token" not in json.dumps([seen.target, dict(seen.headers)]), seen


def make_world(
    root: Path,
    stack: contextlib.ExitStack,
    *packages: Package,
    name: str = "conda-forge",
    mirrors: int = 2,
    mirror_rate: float | None = 16 * MB,
    origin_rate: float | None = 8 * MB,
    settings: Mapping[str, str | int | float | bool] | None = None,
    env: Mapping[str, str] | None = None,
    sharded: bool = True,
    cache_control: str = DOCUMENTS_LAST,
    documents: Channel | None = None,
    missing: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
) -> World:
    """Start the servers. Rates are bytes per second of each server's link; `documents` is what the
    mirrors have besides packages; `missing` are names of files that no mirror has; `tls` is the
    origin's.
    """
    channel = Channel(name, list(packages))
    origin = stack.enter_context(RecordingServer(name="origin", rate=origin_rate, tls=tls))
    url = channel.mount_origin(origin, sharded=sharded, cache_control=cache_control)
    running, described = [], []
    for number in range(mirrors):
        mirror = RecordingServer(name=f"mirror{number}", rate=mirror_rate)
        running.append(stack.enter_context(mirror))
        base = channel.mount_mirror(
            mirror, prefix="/copies", documents=documents, sharded=True, without=missing
        )
        described.append(TestMirror(mirror.name, base, "same-path", rank=number, ecosystem="conda"))
    return World(
        root,
        channel,
        origin,
        url,
        running,
        described,
        stack,
        dict(settings or {}),
        dict(env or {}),
    )


MakeWorld = Callable[..., World]
"""`make_world` with the first two arguments given."""


def maker(root: Path, stack: contextlib.ExitStack) -> MakeWorld:
    """Give the fixture's value."""
    return partial(make_world, root, stack)
