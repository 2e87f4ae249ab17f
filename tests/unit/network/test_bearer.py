"""Tokens for strangers: who is asked for them, and who is shown them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from headrace.network.answers import Answer
from headrace.network.bearer import Bearer, Challenge, parse

URL = "https://registry.example/v2/org/x/manifests/v1"
REALM = 'Bearer realm="https://auth.example/token",service="s",scope="repository:org/x:pull"'


class Realm:
    """Answers for tokens, and remembers who asked."""

    def __init__(self, body: object = None, status: int = 200) -> None:
        self.body = {"token": "t1", "expires_in": 300} if body is None else body
        self.status = status
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def __call__(self, url: str, headers: Mapping[str, str], *_: float) -> Answer:
        self.asked.append((url, headers))
        await asyncio.sleep(0)
        return Answer(self.status, url, {}, json.dumps(self.body).encode())


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (REALM, Challenge("https://auth.example/token", "s", "repository:org/x:pull")),
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
    bearer = Bearer(realm, clock=lambda: now[0])

    async def both() -> list[dict[str, str]]:
        return await asyncio.gather(*(bearer.answer(URL, REALM) for _ in range(3)))

    assert asyncio.run(both()) == [{"authorization": "Bearer t1"}] * 3
    ((url, headers),) = realm.asked
    assert url == "https://auth.example/token?service=s&scope=repository:org/x:pull"
    assert headers == {}
    assert bearer.headers("https://registry.example/v2/org/x/blobs/sha256:0")
    assert not bearer.headers("https://registry.example/v2/org/y/blobs/sha256:0")
    assert not bearer.headers("https://other.example/v2/org/x/blobs/sha256:0")
    assert not bearer.headers(URL, "Basic abc")
    now[0] = 296.0
    assert not bearer.headers(URL)


@pytest.mark.parametrize(
    ("realm", "own"),
    [
        ("https://registry.example/token", True),
        ("https://auth.hub.example/token", False),
        ("https://evil.test/token", False),
        ("http://registry.example/token", False),
    ],
)
def test_users_credential_goes_to_a_realm_of_the_same_owner_only(realm: str, own: bool) -> None:  # noqa: FBT001
    there = Realm()
    asyncio.run(Bearer(there).answer(URL, f'Bearer realm="{realm}"', "Basic abc"))
    shown = [headers.get("authorization") for _, headers in there.asked]
    assert shown == (["Basic abc"] if own else [None] if realm.startswith("https") else [])


def test_realm_beside_the_registry_in_the_same_domain_is_of_the_same_owner() -> None:
    there = Realm()
    url = "https://registry-1.hub.example/v2/org/x/manifests/v1"
    asyncio.run(Bearer(there).answer(url, 'Bearer realm="https://auth.hub.example/t"', "Basic abc"))
    assert there.asked[0][1] == {"authorization": "Basic abc"}


@pytest.mark.parametrize(
    "realm",
    ["http://127.0.0.1:80/x", "http://10.0.0.1/x", "http://me:pw@a.example/x", "ftp://a.example/x"],
)
def test_nobody_sends_us_around_in_the_local_network(realm: str) -> None:
    there = Realm()
    assert asyncio.run(Bearer(there).answer(URL, f'Bearer realm="{realm}"')) == {}
    assert there.asked == []


@pytest.mark.parametrize("body", [{}, [], {"token": 5}, {"token": "a\nb"}, {"expires_in": "x"}])
def test_answer_that_holds_no_token_is_none(body: object) -> None:
    assert asyncio.run(Bearer(Realm(body)).answer(URL, REALM)) == {}
    assert asyncio.run(Bearer(Realm(status=401)).answer(URL, REALM)) == {}
