"""What is taken out of a report because of what it looks like, and where it stands."""

from __future__ import annotations

import pytest

from headrace.cli.mending.redaction import Redaction


@pytest.mark.parametrize(
    "text",
    [
        "cookie: session={}",
        "Set-Cookie: {}; Path=/",
        "password is {} here",
        "GET /t/{}/channel HTTP/1.1",
        "https:%2F%2Fme:{}%40host/x",
        "pip --password {} install",
        "curl -u bob:{} http://127.0.0.1",
        "AWS_SECRET_ACCESS_KEY={}",
        "'x-api_key': {}",
        "ghp_{}abcdefghijklmnop",
        "pypi-AgEIcHlwaS5vcmc{}",
        "eyJhbGciOiJIUzI1NiJ9.{}.c2ln",
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    ],
)
def test_a_secret_that_nobody_told_is_known_by_its_form_or_its_place(text: str) -> None:
    assert "Zq7hidden" not in Redaction()(f"before {text.format('Zq7hidden')} behind")


def test_words_about_secrets_are_none() -> None:
    text = "an address without user, token and query; the password of pip; -----BEGIN CERTIFICATE"
    assert Redaction()(text) == text
