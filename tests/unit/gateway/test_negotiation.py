from __future__ import annotations

import base64

import pytest

from headrace.gateway import negotiation
from headrace.http.caching import TOLERATED, demand, is_fresh, lifetime
from headrace.http.ranges import Unsatisfiable
from headrace.models import Document


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/simple/six/", "/simple/six/"),
        (b"/files/torch/0/torch-2.0%2Bcu126.whl", "/files/torch/0/torch-2.0+cu126.whl"),
        (b"/a%20b", "/a b"),
        # Decoded once: what was escaped twice stays escaped once.
        (b"/a%252e%252e/b", "/a%2e%2e/b"),
    ],
)
def test_target_is_decoded_once(raw: bytes, path: str) -> None:
    assert negotiation.read_target(raw) == path


@pytest.mark.parametrize(
    "raw",
    [
        b"/simple/../healthz",
        b"/simple/%2e%2e/healthz",
        b"/./simple/",
        b"//simple/",
        b"/simple//six/",
        b"/simple/a%2fb/",
        b"/simple/a%2Fb/",
        b"/simple\\six/",
        b"/simple/%5c/",
        b"/simple/%00/",
        b"/simple/%0d%0aX: y/",
        b"/simple/%ff/",
        b"/simple/\xc3\xa9/",
        b"http://elsewhere.example/simple/",
        b"elsewhere.example:443",
        b"*",
        b"",
        b"/" + b"a" * 5000,
    ],
)
def test_target_that_no_honest_client_sends_is_refused(raw: bytes) -> None:
    with pytest.raises(negotiation.BadTarget):
        negotiation.read_target(raw)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:17223", "localhost:17223", "[::1]:17223", "LOCALHOST:17223"]
)
def test_host_of_this_gateway_is_ours(host: str) -> None:
    assert negotiation.host_is_ours(host, 17223)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:17223",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:17223:17223",
        "127.0.0.1.evil.example:17223",
        "[::1]",
        "::1:17223",
        "127.0.0.2:17223",
    ],
)
def test_host_of_anybody_else_is_not(host: str | None) -> None:
    assert not negotiation.host_is_ours(host, 17223)


def test_host_without_port_is_ours_on_port_80() -> None:
    assert negotiation.host_is_ours("localhost", 80)
    assert negotiation.host_is_ours("[::1]", 80)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_token_is_the_password_and_the_user_does_not_matter() -> None:
    assert negotiation.authorised(basic("headrace:secret"), "secret")
    assert negotiation.authorised(basic("anybody:secret"), "secret")
    assert negotiation.authorised(None, None)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Bearer secret",
        basic("secret"),
        basic("secret:"),
        basic("headrace:Secret"),
        basic("headrace:secret:"),
    ],
)
def test_anything_else_is_no_token(header: str | None) -> None:
    assert not negotiation.authorised(header, "secret")


@pytest.mark.parametrize(
    ("header", "yes"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate;q=0.5, gzip;q=0.1", True),
        ("gzip;q=0", False),
        ("*", True),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(header: str | None, yes: bool) -> None:  # noqa: FBT001
    assert negotiation.accepts_gzip(header) is yes


def test_if_none_match_compares_weakly() -> None:
    assert negotiation.matches('W/"a"', ['"a"'])
    assert negotiation.matches('"b", "a"', ['"a"'])
    assert negotiation.matches("*", ['"a"'])
    assert not negotiation.matches('"b"', ['"a"'])
    assert not negotiation.matches(None, ['"a"'])


TAG = '"abc"'


@pytest.mark.parametrize(
    ("headers", "start", "end", "partial"),
    [
        ({}, 0, 100, False),
        ({"range": "bytes=10-19"}, 10, 20, True),
        ({"range": "bytes=90-"}, 90, 100, True),
        ({"range": "bytes=90-500"}, 90, 100, True),
        ({"range": "bytes=-10"}, 90, 100, True),
        ({"range": "bytes=-500"}, 0, 100, True),
        ({"range": "bytes=0-1,5-6"}, 0, 100, False),
        ({"range": "lines=1-2"}, 0, 100, False),
        ({"range": "bytes=5-2"}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": TAG}, 10, 20, True),
        ({"range": "bytes=10-19", "if-range": '"other"'}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": f"W/{TAG}"}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": "Sat, 01 Jan 2022 00:00:00 GMT"}, 0, 100, False),
    ],
)
def test_range_of_a_client(headers: dict[str, str], start: int, end: int, partial: bool) -> None:  # noqa: FBT001
    wanted = negotiation.wanted_range(headers, 100, TAG)
    assert wanted == negotiation.Wanted(start, end, partial)


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_range_behind_the_end_is_unsatisfiable(text: str) -> None:
    with pytest.raises(Unsatisfiable):
        negotiation.wanted_range({"range": text}, 100, TAG)


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({}, None),
        ({"cache-control": "max-age=600"}, 600.0),
        # Sent with every request by older clients that do not mean it.
        ({"cache-control": "max-age=0"}, TOLERATED),
        ({"cache-control": "no-cache"}, 0.0),
        ({"cache-control": "No-Cache, max-age=0"}, 0.0),
        ({"pragma": "no-cache"}, 0.0),
        ({"cache-control": "max-age=soon"}, TOLERATED),
    ],
)
def test_age_that_a_client_accepts(headers: dict[str, str], age: float | None) -> None:
    assert demand(headers) == age


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"cache-control": "max-age=600, public"}, 600.0),
        ({"cache-control": "max-age=600", "age": "100"}, 500.0),
        ({"cache-control": "max-age=60", "age": "100"}, 0.0),
        ({"cache-control": "no-cache"}, 0.0),
        ({"cache-control": "no-store, max-age=600"}, 0.0),
        ({"cache-control": "max-age=soon"}, None),
    ],
)
def test_lifetime_that_an_origin_gives(headers: dict[str, str], seconds: float | None) -> None:
    assert lifetime(headers) == seconds


@pytest.mark.parametrize(
    ("max_age", "greatest_age", "age", "fresh"),
    [
        (600.0, None, 599.0, True),
        (600.0, None, 601.0, False),
        (600.0, 10.0, 11.0, False),
        (600.0, 0.0, 0.0, False),
        (None, None, 9.0, True),
        (None, None, 11.0, False),
        # One breath for the question and what was read ahead for it.
        (0.0, None, 2.0, True),
        (0.0, None, 4.0, False),
        # Nobody's page is believed for a year; a clock that was set back proves nothing.
        (1e9, None, 4000.0, False),
        (600.0, None, -5.0, False),
    ],
)
def test_page_is_believed_for_its_life(
    max_age: float | None, greatest_age: float | None, age: float, *, fresh: bool
) -> None:
    document = Document("http://127.0.0.1", b"", "", fetched_at=1000.0, max_age=max_age)
    assert is_fresh(document, greatest_age, 1000.0 + age) is fresh
