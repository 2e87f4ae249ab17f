from __future__ import annotations

import base64

import pytest

from headrace.gateway import request_head


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
    assert request_head.read_target(raw) == path


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
    with pytest.raises(request_head.BadTarget):
        request_head.read_target(raw)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:17223", "localhost:17223", "[::1]:17223", "LOCALHOST:17223"]
)
def test_host_of_this_gateway_is_ours(host: str) -> None:
    assert request_head.host_is_ours(host, 17223)


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
    assert not request_head.host_is_ours(host, 17223)


def test_host_without_port_is_ours_on_port_80() -> None:
    assert request_head.host_is_ours("localhost", 80)
    assert request_head.host_is_ours("[::1]", 80)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_token_is_the_password_and_the_user_does_not_matter() -> None:
    assert request_head.authorised(basic("headrace:secret"), "secret")
    assert request_head.authorised(basic("anybody:secret"), "secret")
    assert request_head.authorised(None, None)


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
    assert not request_head.authorised(header, "secret")
