"""What a gateway has found out before somebody is led waits for nobody then."""

from __future__ import annotations

from lib.gateway import headrace
from lib.waiting import until

from .conftest import MakeUser


def test_where_an_origin_has_its_files_is_known_before_anybody_is_led(make_user: MakeUser) -> None:
    user = make_user()
    port = user.box.variables["HEADRACE_PORT"]
    user.plain(*headrace(), "gateway", "--detach", "--port", port).ok()
    try:
        until(lambda: user.world.pages.seen, lambda: user.world.pages.seen)
        user.led("curl", "--silent", "--fail", f"{user.world.origin}/small/").ok()
        assert len(user.world.pages.requests("/simple/pip/", "GET")) == 1
    finally:
        user.plain(*headrace(), "gateway", "--stop", "--port", port).ok()


def test_it_is_asked_once_by_all_gateways_of_a_user(make_user: MakeUser) -> None:
    user = make_user()
    port = user.box.variables["HEADRACE_PORT"]
    for _ in range(2):
        user.plain(*headrace(), "gateway", "--detach", "--port", port).ok()
        user.led("curl", "--silent", "--fail", f"{user.world.origin}/small/").ok()
        user.plain(*headrace(), "gateway", "--stop", "--port", port).ok()
    assert len(user.world.pages.requests("/simple/pip/", "GET")) == 1


def test_no_login_is_looked_up_or_shown_before_anybody_asks(make_user: MakeUser) -> None:
    user = make_user()
    user.world.pages.credential = ("me", "hunter22")
    user.box.write(".netrc", "machine localhost login me password hunter22\n").chmod(0o600)
    port = user.box.variables["HEADRACE_PORT"]
    user.plain(*headrace(), "gateway", "--detach", "--port", port).ok()
    try:
        until(lambda: user.world.pages.seen, lambda: user.world.pages.seen)
        user.plain(*headrace(), "status").ok()
    finally:
        user.plain(*headrace(), "gateway", "--stop", "--port", port).ok()
    assert not any("authorization" in seen.headers for seen in user.world.pages.seen)
    assert {seen.method for seen in user.world.pages.seen} == {"HEAD"}
