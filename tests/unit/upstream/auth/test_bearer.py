"""Tokens for strangers: who is asked for them, and who is shown them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from headrace.upstream.auth.bearer import BearerTokens, Challenge, parse
from headrace.upstream.responses import UpstreamResponse

URL = "https://registry.images.example/v2/org/x/manifests/v1"
REALM = 'Bearer realm="https://auth.images.example/token",service="s",scope="repository:org/x:pull"'


class Realm:
    """Answers for tokens, and remembers who asked."""

    def __init__(self, body: object = None, status: int = 200) -> None:
        self.body = {"token": "t1", "expires_in": 300} if body is None else body
        self.status = status
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def __call__(self, url: str, headers: Mapping[str, str], *_: float) -> UpstreamResponse:
        self.asked.append((url, headers))
        await asyncio.sleep(0)
        return UpstreamResponse(self.status, url, {}, json.dumps(self.body).encode())


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (REALM, Challenge("https://auth.images.example/token", "s", "repository:org/x:pull")),
        ('Basic realm="x", Bearer realm="https://a.example/t"', Challenge("https://a.example/t")),
        ("bearer realm=https://a.example/t", Challenge("https://a.example/t")),
        ('Basic realm="x"', None),
        ('Bearer realm="not a url"', None),
        ('Bearer error="insufficient_scope"', None),
        ("", None),
    ],
)
def test_challenge_is_read(header: str, challenge: Challenge | None) -> None:
    assert parse(header) == challenge


def test_token_is_asked_for_once_and_shown_to_its_repository_alone() -> None:
    realm, now = Realm(), [0.0]
    bearer = BearerTokens(realm, clock=lambda: now[0])

    async def both() -> list[dict[str, str]]:
        return await asyncio.gather(*(bearer.answer(URL, REALM) for _ in range(3)))

    assert asyncio.run(both()) == [{"authorization": "Bearer t1"}] * 3
    ((url, headers),) = realm.asked
    assert url == "https://auth.images.example/token?service=s&scope=repository:org/x:pull"
    assert headers == {}
    assert bearer.headers("https://registry.images.example/v2/org/x/blobs/sha256:0")
    assert not bearer.headers("https://registry.images.example/v2/org/y/blobs/sha256:0")
    assert not bearer.headers("https://other.images.example/v2/org/x/blobs/sha256:0")
    assert not bearer.headers(URL, "Basic abc")
    now[0] = 296.0
    assert not bearer.headers(URL)


@pytest.mark.parametrize(
    ("url", "realm", "asked"),
    [
        (URL, "https://registry.images.example/token", True),
        (URL, "https://auth.images.example/token", True),
        (URL, "https://evil.test/token", False),
        (URL, "http://registry.images.example/token", False),
        (URL, "https://me:pw@registry.images.example/token", False),
        (URL, "https://10.0.0.1/token", False),
        (URL, "http://127.0.0.1/token", False),
        ("https://registry.corp.co.uk/v2/x/manifests/v1", "https://evil.co.uk/token", False),
        ("https://registry.example/v2/x/manifests/v1", "https://other.example/token", False),
        ("https://10.0.0.1/v2/x/manifests/v1", "https://10.9.0.1/token", False),
        ("http://127.0.0.1:5000/v2/x/manifests/v1", "http://127.0.0.1:5001/token", True),
    ],
)
def test_realm_is_asked_only_where_it_belongs_to_whoever_named_it(
    url: str, realm: str, asked: object
) -> None:
    there = Realm()
    found = asyncio.run(BearerTokens(there).answer(url, f'Bearer realm="{realm}"', "Basic abc"))
    assert bool(found) == asked
    assert [headers for _, headers in there.asked] == [{"authorization": "Basic abc"}] * bool(asked)


@pytest.mark.parametrize("body", [{}, [], {"token": 5}, {"token": "a\nb"}, {"expires_in": "x"}])
def test_answer_that_holds_no_token_is_none(body: object) -> None:
    assert asyncio.run(BearerTokens(Realm(body)).answer(URL, REALM)) == {}
    assert asyncio.run(BearerTokens(Realm(status=401)).answer(URL, REALM)) == {}
