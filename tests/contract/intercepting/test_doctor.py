"""`headrace doctor` and the chain by which commands are led: whose fault a break is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lib.gateway import headrace
from lib.serving import modes
from lib.serving.certificates import authority
from lib.serving.ports import free_port

from .conftest import LedUser, MakeUser

# Each switches headrace on and off; headrace's own faults are tried by day, in the unit tests.
pytestmark = pytest.mark.nightly

NONE: dict[str, str] = {}


def dead_proxy(_: LedUser) -> dict[str, str]:
    return {"HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}


def another_authority(user: LedUser) -> dict[str, str]:
    other = authority(user.box.root / "other").certificate
    return {"SSL_CERT_FILE": str(other), "REQUESTS_CA_BUNDLE": str(other)}


def no_origin(user: LedUser) -> dict[str, str]:
    user.world.pages.close()
    return NONE


def failing_origin(user: LedUser) -> dict[str, str]:
    user.world.pages.fail(modes.status(503))
    return NONE


def login(user: LedUser) -> dict[str, str]:
    user.box.write(".netrc", "machine 127.0.0.1 login me password verysecret\n").chmod(0o600)
    return NONE


def nothing(_: LedUser) -> dict[str, str]:
    return NONE


BROKEN: dict[str, tuple[Callable[[LedUser], dict[str, str]], str, str, str]] = {
    "nothing": (nothing, "ok", "proxy, authority, page", ""),
    "the origin is away": (no_origin, "failure", "neither through headrace nor", "network"),
    "the origin fails": (failing_origin, "warning", "answers 503", "its own fault"),
    "its certificate is not trusted": (
        another_authority,
        "failure",
        "neither through headrace nor without",
        "SSL_CERT_FILE",
    ),
    "a login": (login, "note", "you have a login", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_doctor_says_whose_fault_it_is_that_nobody_can_be_led(
    make_user: MakeUser, name: str
) -> None:
    breaking, level, text, hint = BROKEN[name]
    user = make_user(mirrors=0)
    env = breaking(user)
    found = of_leading(user, env)
    assert found["level"] == level, found
    assert text in found["text"], found
    assert hint in found["hint"], found


def test_doctor_says_that_the_users_own_proxy_is_away(make_user: MakeUser) -> None:
    user = make_user(domain="corp.test", mirrors=0)
    found = of_leading(user, dead_proxy(user))
    assert found["level"] == "failure", found
    assert "neither through headrace nor without" in found["text"]
    assert "proxy" in found["text"] + found["hint"]


def test_doctor_names_the_file_of_authorities_that_no_command_could_read(
    make_user: MakeUser,
) -> None:
    user = make_user(mirrors=0)
    found = of_leading(user, NONE, {"CURL_CA_BUNDLE": str(user.box.home / "gone.pem")})
    assert found["level"] == "note", found
    assert "gone.pem" in found["text"]


def of_leading(user: LedUser, env: dict[str, str], then: dict[str, str] = NONE) -> dict[str, Any]:
    """Switch headrace on, ask the doctor, and switch it off; give what it found of this."""
    user.box.variables |= env
    user.plain(*headrace(), "on").ok()
    try:
        told = json.loads(user.plain(*headrace(), "doctor", "--json", env=then).out)
    finally:
        user.plain(*headrace(), "off").ok()
        user.plain(*headrace(), "gateway", "--stop")
    (found,) = [each for each in told["findings"] if each["check"] == "leading"]
    return dict(found)
