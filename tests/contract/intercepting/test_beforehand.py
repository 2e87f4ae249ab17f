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
        assert len(user.world.pages.requests("/simple/pip/")) == 1
    finally:
        user.plain(*headrace(), "gateway", "--stop", "--port", port).ok()


def test_it_is_asked_once_by_all_gateways_of_a_user(make_user: MakeUser) -> None:
    user = make_user()
    port = user.box.variables["HEADRACE_PORT"]
    for _ in range(2):
        user.plain(*headrace(), "gateway", "--detach", "--port", port).ok()
        user.led("curl", "--silent", "--fail", f"{user.world.origin}/small/").ok()
        user.plain(*headrace(), "gateway", "--stop", "--port", port).ok()
    assert len(user.world.pages.requests("/simple/pip/")) == 1
