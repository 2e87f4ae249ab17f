"""What an ecosystem must be, what it may be beside that, and that the core asks for no more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headrace.interface import ecosystems as protocols
from headrace.interface.ecosystems import Ecosystem
from headrace.interface.hookspecs import hookimpl
from headrace.interface.manager import Plugins
from headrace.models import (
    Artifact,
    Mirror,
    OperatorClass,
    Origin,
    PassThrough,
    Plan,
    Refuse,
    Reply,
    Request,
    Response,
    ServeArtifact,
    ServeDocument,
)
from headrace_conda.channels.ecosystem import CondaEcosystem
from headrace_docker.registry_api.ecosystem import DockerEcosystem
from headrace_pip.pytorch.ecosystem import PythonWithBuilds
from lib.app import App
from lib.serving.servers import RecordingServer

CAPABILITIES = {name: getattr(protocols, name) for name in protocols.__all__ if name != "Ecosystem"}
BUILT_IN: dict[type, set[str]] = {
    PythonWithBuilds: {
        "Confirms",
        "CutsCompanions",
        "DescribesHosts",
        "FindsArtifacts",
        "ForeseesDocuments",
        "HasSamples",
        "Intercepts",
        "KnowsNames",
        "KnowsRequests",
        "ListsBuilds",
        "LocatesDocuments",
        "NamesFileHosts",
        "NamesLayouts",
        "ReadsAhead",
        "ServesDocuments",
        "SpellsDigests",
    },
    CondaEcosystem: {
        "HasSamples",
        "IndexesDocuments",
        "Intercepts",
        "KnowsSubstitutes",
        "Learns",
        "LooksUp",
        "ManyOwners",
        "NamesLayouts",
        "ReadsAhead",
    },
    DockerEcosystem: {
        "AllowsAnonymous",
        "FormatsRefusals",
        "Learns",
        "LooksUp",
        "ManyOwners",
        "NamesLayouts",
    },
}


@pytest.mark.parametrize("kind", BUILT_IN)
def test_built_in_ecosystem_has_the_methods_that_it_performs_and_no_other(kind: type) -> None:
    ecosystem = kind([])
    assert isinstance(ecosystem, Ecosystem)
    found = {name for name, able in CAPABILITIES.items() if isinstance(ecosystem, able)}
    assert found == BUILT_IN[kind]


def test_every_capability_has_a_built_in_user() -> None:
    assert set().union(*BUILT_IN.values()) == set(CAPABILITIES)


class Crates:
    """All that an ecosystem must be, and nothing beside it."""

    name = "crates"
    prefixes = ("/crates/",)

    def __init__(self, origins: list[Origin]) -> None:
        self.origins = tuple(origins)

    def plan(self, request: Request) -> Plan:
        name = request.path.removeprefix("/crates/")
        [origin] = self.origins
        url = f"{origin.url}/{name}"
        if name.endswith(".crate"):
            return ServeArtifact(request.path, None, url)
        if name.endswith(".page"):
            return ServeDocument(origin, url, "*/*", key=url)
        if name.endswith(".stream"):
            return ServeDocument(origin, url, "*/*", key=url, magic=(b"{",))
        if name.endswith(".table"):
            return ServeDocument(origin, url, "*/*", key=url, magic=(b"{",), table=True)
        if name == "ping":
            return Reply(Response(200, {"content-type": "text/plain"}, b"pong"))
        return PassThrough(origin, url) if name == "search" else Refuse(404, "no such crate")

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        return f"{mirror.url}{artifact.path}"


def plugin(**hooks: Any) -> ModuleType:
    made = ModuleType("acme")
    for name, function in hooks.items():
        setattr(made, name, hookimpl(function))
    return made


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        made.cache_control = "max-age=600"
        for name in ("a.page", "a.stream", "a.table"):
            made.content[f"/{name}"] = b'{"name": "a"}'
        made.content["/a.crate"] = b"a crate"
        yield made


@pytest.fixture
def app(tmp_path: Path, origin: RecordingServer) -> Iterator[App]:
    third = plugin(headrace_ecosystems=lambda origins: [Crates(origins)])
    campus = Mirror(
        "campus",
        "crates",
        f"{origin.url}/copy",
        "same",
        operator_class=OperatorClass.ORGANISATION,
        gives_documents=True,
    )
    with App(tmp_path, Origin("crates", origin.url), mirrors=[campus], plugins=[third]) as made:
        yield made
        assert made.status()["incidents"] == []


@pytest.mark.parametrize("name", ["a.page", "a.stream", "a.table"])
def test_minimal_ecosystem_has_its_documents_as_the_origin_gave_them(
    app: App, origin: RecordingServer, name: str
) -> None:
    for _ in range(2):
        told = app.ask(f"/crates/{name}")
        assert (told.status, told.body) == (200, b'{"name": "a"}')
    again = app.ask(f"/crates/{name}", {"If-None-Match": told.headers["etag"]})
    assert again.status == 304
    assert len([seen for seen in origin.seen if seen.path == f"/{name}"]) == 1


def test_minimal_ecosystem_sends_files_to_the_origin_because_nothing_says_their_digest(
    app: App, origin: RecordingServer
) -> None:
    told = app.ask("/crates/a.crate")
    assert (told.status, told.headers["location"]) == (302, f"{origin.url}/a.crate")


def test_minimal_ecosystem_answers_refuses_and_passes_on(app: App, origin: RecordingServer) -> None:
    assert app.ask("/crates/ping").body == b"pong"
    assert app.ask("/crates/nothing").status == 404
    assert app.ask("/crates/search").headers["location"] == f"{origin.url}/search"


@pytest.mark.parametrize("name", ["a.page", "a.crate", "a.table"])
def test_minimal_ecosystem_can_be_explained(app: App, name: str) -> None:
    app.ask(f"/crates/{name}")
    told = json.loads(app.ask(f"/explain?what=/crates/{name}").body)
    assert told["artifacts"] == []
    assert [each["ecosystem"] for each in told["documents"]] == ["crates"] * (name != "a.crate")


def test_what_is_no_ecosystem_is_named_and_left_out() -> None:
    class Half:
        name = "half"
        prefixes = ("/half/",)

    found = Plugins([plugin(headrace_ecosystems=lambda: [Half(), Crates([])])], entry_points=False)
    assert [each.name for each in found.ecosystems([])] == ["crates"]
    assert "Half" in found.broken["acme"]


def raises(_: object) -> Any:
    raise RuntimeError("a bug of the plugin")


@pytest.mark.parametrize(
    "members",
    [
        {"name": property(raises)},
        {"prefixes": property(raises)},
        {"for_everybody": property(raises)},
        {"phrased": property(raises)},
        {"__getattr__": lambda self, name: raises(name)},
        {"name": ["crates"]},
        {"prefixes": "/crates/"},
        {"prefixes": ("crates",)},
        {"__repr__": raises, "plan": None, "locate": None},
    ],
    ids="-".join,
)
def test_ecosystem_that_cannot_be_looked_at_is_named_and_left_out(
    tmp_path: Path, members: dict[str, Any]
) -> None:
    class Broken(Crates):
        name = "broken"

    for name, member in members.items():
        setattr(Broken, name, member)
    given = [plugin(headrace_ecosystems=lambda: [Broken([])])]
    with App(tmp_path, plugins=given) as app:
        assert app.ask("/healthz").status == 200
        # From Python 3.12 on the check of a protocol looks at the class alone: nobody asks there.
        asked = sys.version_info < (3, 12) or "__getattr__" not in members
        assert list(app.status()["plugins"]["left_out"]) == (["acme"] if asked else [])


def test_of_two_ecosystems_with_one_name_the_third_partys_wins() -> None:
    ours, theirs = Crates([]), Crates([])
    built_in = ModuleType("built_in")
    built_in.headrace_ecosystems = hookimpl(  # type: ignore[attr-defined]
        lambda: [ours], trylast=True
    )
    third = plugin(headrace_ecosystems=lambda: [theirs])
    for order in ([built_in, third], [third, built_in]):
        [found] = Plugins(order, entry_points=False).ecosystems([])
        assert found is theirs
