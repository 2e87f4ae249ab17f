"""Where upstreams were found to stand, and what that lets them do."""

from __future__ import annotations

import ast
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headrace.errors import UpstreamError
from headrace.policy.destinations import AddressSpace, Initiator
from headrace.upstream import transports
from headrace.upstream.destinations import Destinations, Way
from headrace.upstream.resolver import Resolver

HOME = Initiator("https://index.example/simple", is_origin=True)
WAY = Way(HOME)
PUBLIC = {AddressSpace.PUBLIC}
INSIDE = {AddressSpace.PUBLIC, AddressSpace.FAKE, AddressSpace.PRIVATE}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "headrace"


def led(destinations: Destinations, way: Way = WAY) -> frozenset[AddressSpace]:
    return destinations.allowed(way, "https://files.example/f", "files.example", proxied=False)


@pytest.fixture
def destinations() -> Destinations:
    return Destinations(Resolver(), lambda _: None)


def test_an_origin_that_a_certificate_has_shown_inside_leads_inside(
    destinations: Destinations,
) -> None:
    """A company's name server that points public names at copies of its own."""
    assert led(destinations) == PUBLIC
    destinations.answered(WAY, "index.example", "10.0.0.1", proven=False)
    assert led(destinations) == PUBLIC
    destinations.answered(WAY, "index.example", "10.0.0.1", proven=True)
    assert led(destinations) == INSIDE


@pytest.mark.parametrize("order", [("10.0.0.1", "4.4.4.4"), ("4.4.4.4", "10.0.0.1")])
def test_one_that_has_stood_outside_stays_there(
    destinations: Destinations, order: tuple[str, str]
) -> None:
    for address in order:
        destinations.answered(WAY, "index.example", address, proven=True)
    assert led(destinations) == PUBLIC


def test_each_host_on_the_way_takes_what_it_could_not_do_itself(
    destinations: Destinations,
) -> None:
    way = Way(Initiator("https://corp.example", trusted=True))
    assert led(destinations, way) == INSIDE
    way = destinations.answered(way, "corp.example", "10.0.0.1", proven=True)
    assert way.limit is None
    way = destinations.answered(way, "store.corp.example", "10.0.0.2", proven=True)
    assert led(destinations, way) == INSIDE
    way = destinations.answered(way, "cdn.example", "4.4.4.4", proven=True)
    assert led(destinations, way) == PUBLIC
    way = destinations.answered(way, "store.corp.example", "10.0.0.2", proven=True)
    assert led(destinations, way) == PUBLIC
    # Who was led back home from outside is not at home.
    assert (
        destinations.allowed(way, "https://corp.example", "corp.example", proxied=False) == PUBLIC
    )


def test_an_answer_through_a_proxy_proves_nothing(destinations: Destinations) -> None:
    destinations.answered(WAY, "index.example", None, proven=True)
    assert led(destinations) == PUBLIC
    way = destinations.answered(Way(HOME), "cdn.example", None, proven=True)
    assert led(destinations, way) == PUBLIC


def test_a_url_of_two_readings_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a secret goes along with is decided by one reader, what is asked by another."""
    assert transports.host_of("http://Files.EXAMPLE.:80/") == "files.example"
    assert transports.host_of("http://[::1]/") == "::1"
    transports.host_of.cache_clear()
    monkeypatch.setattr(transports, "urlsplit", lambda _: urlsplit("http://other.example/"))
    with pytest.raises(UpstreamError, match="two"):
        transports.host_of("http://files.example/")


ASKING = {"fetch", "open_range", "open_document"}


def test_every_request_says_in_whose_name() -> None:
    """Without a name a URL counts as the configuration's own, which a page's never is."""
    seen = []
    for path in sorted(SHARED.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            whose = call.func.value
            name = whose.attr if isinstance(whose, ast.Attribute) else getattr(whose, "id", "")
            if call.func.attr in ASKING and name in ("client", "_client"):
                seen.append(path.name)
                named = {each.arg for each in call.keywords}
                assert "initiator" in named, (path, call.lineno)
    assert {"probes.py", "context.py", "passthrough.py", "provisional.py"} <= set(seen)
