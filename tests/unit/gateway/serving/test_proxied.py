"""Whose request it is that came through proxies."""

from __future__ import annotations

import pytest

from headrace.gateway.serving.proxied import forwarded_for

PROXIES = ["127.0.0.0/8", "10.1.0.0/16"]


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("127.0.0.1", "10.9.0.5", "10.9.0.5"),
        ("127.0.0.1", "10.9.0.5:4711", "10.9.0.5"),
        ("127.0.0.1", "[fd00::5]:4711", "fd00::5"),
        ("127.0.0.1", "fd00::5", "fd00::5"),
        # A client's own words stand before what the proxies wrote.
        ("127.0.0.1", "10.2.0.1, 10.9.0.5", "10.9.0.5"),
        ("127.0.0.1", "10.2.0.1, 10.9.0.5, 10.1.0.3", "10.9.0.5"),
        # All are proxies': what stands first may be anybody's words.
        ("127.0.0.1", "10.1.0.9, 10.1.0.3", "10.1.0.3"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", " , ", "127.0.0.1"),
        ("127.0.0.1", "10.9.0.5, unix:", "unknown"),
        ("127.0.0.1", "_hidden", "unknown"),
        ("10.9.0.5", "10.2.0.1", None),
        ("", "10.2.0.1", None),
    ],
)
def test_the_last_that_is_no_proxy(peer: str, said: str, client: str | None) -> None:
    scope = {"client": (peer, 1234)} if peer else {"client": None}
    found = forwarded_for(scope, said, PROXIES)
    assert (found and found[0]) == client
