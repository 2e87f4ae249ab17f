"""Connections shared by all downloads."""

from __future__ import annotations

from headrace.download.connections import ConnectionLimiter, host_of


def test_hosts_are_told_apart_by_scheme_name_and_port() -> None:
    assert host_of("https://user:pw@Mirror.example:8443/x") == "https://mirror.example:8443"
    assert host_of("http://mirror.example/x") != host_of("https://mirror.example/x")


def test_limits_hold_for_each_host_and_for_all() -> None:
    accounts = ConnectionLimiter(3)
    assert accounts.take("a", 2)
    assert accounts.take("a", 2)
    assert not accounts.take("a", 2)
    assert accounts.take("b", 2)
    assert not accounts.take("c", 2)
    assert accounts.used == 3


def test_what_is_taken_beside_the_limits_counts_for_others_and_has_an_end() -> None:
    accounts = ConnectionLimiter(3)
    assert accounts.take("a", 1)
    assert accounts.take_beside("a")
    assert accounts.take_beside("b")
    assert not accounts.take("b", 2)
    accounts.give("a")
    assert not accounts.take("a", 1)
    assert accounts.take("b", 2)
    more = 0
    while accounts.take_beside("a"):
        more += 1
    assert more == 256
    for host in ["a", "b", "b", *["a"] * more]:
        accounts.give(host)
    assert accounts.used == 0


def test_who_waits_longest_is_woken_first_and_once() -> None:
    accounts = ConnectionLimiter(8)
    woken: list[str] = []

    def waiter(name: str) -> None:
        def wake() -> None:
            woken.append(name)
            assert accounts.take("a", 1)

        accounts.wait("a", 1, name, wake)
        accounts.wait("a", 1, name, wake)

    assert accounts.take("a", 1)
    waiter("first")
    waiter("second")
    accounts.give("a")
    assert woken == ["first"]
    accounts.give("a")
    assert woken == ["first", "second"]
    accounts.give("a")
    assert woken == ["first", "second"]
    assert accounts.used == 0


def test_who_does_not_want_it_any_more_passes_it_on() -> None:
    accounts = ConnectionLimiter(8)
    woken: list[str] = []
    accounts.take("a", 1)
    accounts.wait("a", 1, "idle", lambda: woken.append("idle"))
    accounts.wait("a", 1, "eager", lambda: woken.append("eager"))
    accounts.wait("a", 1, "gone", lambda: woken.append("gone"))
    accounts.leave("gone")
    accounts.give("a")
    assert woken == ["idle", "eager"]


def test_connection_in_all_that_comes_free_serves_another_host() -> None:
    accounts = ConnectionLimiter(1)
    woken: list[str] = []
    accounts.take("a", 4)
    accounts.wait("b", 4, "b", lambda: woken.append("b"))
    accounts.give("a")
    assert woken == ["b"]
