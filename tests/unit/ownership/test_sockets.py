"""The kernel's tables of sockets, as recorded and of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import sys

import pytest

from headrace.ownership.sockets import (
    entries,
    has_gone,
    owner_of_connection,
    owners_of_clients,
    owners_of_listener,
    read_listening,
    read_tables,
)
from lib.capabilities import lacks

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="recorded on a little machine")

_HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
    "   uid  timeout inode\n"
)


def row(local: str, remote: str, state: str, uid: int, inode: int = 7) -> str:
    return (
        f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000"
        f" {uid:5}        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )


V4_17223, V4_ANY = "0100007F:4347", "00000000:4347"
NOBODY = "00000000:0000"
V6_17223 = "00000000000000000000000001000000:4347"
MAPPED_17223 = "0000000000000000FFFF00000100007F:4347"
V6_ANY = "00000000000000000000000000000000:4347"
V6_NOBODY = "00000000000000000000000000000000:0000"
CLIENT = "0100007F:C350"


def test_a_listener_at_the_very_address_is_found() -> None:
    table = _HEAD + row(V4_17223, NOBODY, "0A", 1000) + row("0100007F:4348", NOBODY, "0A", 1001)
    assert owners_of_listener([table], "127.0.0.1", 17223) == {1000}
    assert owners_of_listener([table], "127.0.0.1", 17224) == {1001}
    assert owners_of_listener([table], "127.0.0.1", 17225) == frozenset()


def test_whoever_listens_at_all_addresses_listens_here_too() -> None:
    tables = [
        _HEAD + row(V4_17223, NOBODY, "0A", 1000) + row(V4_ANY, NOBODY, "0A", 1001),
        _HEAD + row(V6_ANY, V6_NOBODY, "0A", 1002),
    ]
    assert owners_of_listener(tables, "127.0.0.1", 17223) == {1000, 1001, 1002}
    assert owners_of_listener(tables, "::1", 17223) == {1002}


def test_a_mapped_address_is_the_address() -> None:
    table = _HEAD + row(MAPPED_17223, V6_NOBODY, "0A", 5)
    assert owners_of_listener([table], "127.0.0.1", 17223) == {5}
    assert owners_of_listener([table], "::ffff:127.0.0.1", 17223) == {5}
    assert owners_of_listener([table], "::1", 17223) == frozenset()


def test_an_end_that_nobody_has_any_more_is_told_from_one_that_said_its_last_word() -> None:
    client, server = ("127.0.0.1", 50000), ("127.0.0.1", 17223)
    others = row(V4_17223, CLIENT, "08", 1)
    assert has_gone([_HEAD + others + row(CLIENT, V4_17223, "05", 2)], client, server) is False
    assert has_gone([_HEAD + others + row(CLIENT, V4_17223, "05", 0, inode=0)], client, server)
    assert has_gone([_HEAD + others], client, server)
    assert has_gone([], client, server) is None


def test_the_client_s_end_is_told_from_the_server_s() -> None:
    table = _HEAD + row(V4_17223, CLIENT, "01", 1) + row(CLIENT, V4_17223, "01", 2)
    client, server = ("127.0.0.1", 50000), ("127.0.0.1", 17223)
    assert owner_of_connection([table], client, server) == 2
    assert owner_of_connection([table], server, client) == 1
    assert owner_of_connection([table], ("127.0.0.1", 50001), server) is None


def test_what_no_program_holds_any_more_is_nobody_s_and_not_root_s() -> None:
    client, server = ("127.0.0.1", 50000), ("127.0.0.1", 17223)
    waits = _HEAD + row(CLIENT, V4_17223, "06", 0, 0)
    orphan = _HEAD + row(CLIENT, V4_17223, "01", 0, 0)
    leaving = _HEAD + row(CLIENT, V4_17223, "05", 0, 7)
    assert [owner_of_connection([t], client, server) for t in (waits, orphan, leaving)] == [
        None
    ] * 3


def test_the_loopback_address_of_ipv6_and_its_zone_are_read() -> None:
    table = _HEAD + row(V6_17223, V6_NOBODY, "0A", 9)
    assert owners_of_listener([table], "::1", 17223) == {9}
    assert owners_of_listener([table], "::1%lo", 17223) == {9}


@pytest.mark.parametrize(
    "text", ["", "\0", "no table", _HEAD, "1: 2 3 4 5 6 7 8 9 10", "0: zz:zz " * 9, _HEAD[:40]]
)
def test_what_is_no_row_is_passed_over(text: str) -> None:
    assert list(entries(text)) == []
    assert owners_of_listener([text], "127.0.0.1", 17223) == frozenset()
    assert owner_of_connection([text], ("no address", 1), ("127.0.0.1", 2)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_this_machine_s_own_tables_tell_both_ends(host: str) -> None:
    if not read_tables():
        pytest.skip(lacks("system", "there is no /proc/net/tcp"))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(lacks("IPv6", f"{host} is no address here"))
        listener.listen(1)
        port = listener.getsockname()[1]
        assert owners_of_listener(read_tables(), host, port) == {os.geteuid()}
        assert owners_of_listener(read_listening(), host, port) == {os.geteuid()}
        with socket.create_connection((host, port)) as near:
            far, peer = listener.accept()
            with far:
                tables = read_tables()
                assert {each.state for each in entries("".join(read_listening()))} == {0x0A}
                assert owner_of_connection(tables, peer[:2], far.getsockname()[:2]) == os.geteuid()
                assert len(list(entries("".join(tables)))) >= 3
                near.close()
                assert owner_of_connection(read_tables(), peer[:2], (host, port)) is None


@pytest.mark.skipif(not read_tables(), reason=lacks("system", "there is no /proc/net/tcp"))
@pytest.mark.parametrize(
    ("listening", "wanted"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1"), ("::", "::ffff:127.0.0.1")],
)
def test_many_connections_are_told_as_one_is(listening: str, wanted: str) -> None:
    with contextlib.ExitStack() as stack:
        family = socket.AF_INET6 if ":" in listening else socket.AF_INET
        try:
            server = stack.enter_context(
                socket.create_server(
                    (listening, 0), family=family, dualstack_ipv6=listening == "::"
                )
            )
            port = server.getsockname()[1]
            lives = [socket.create_connection((wanted, port)) for _ in range(3)]
        except OSError:
            pytest.skip(lacks("IPv6", "loopback has no such address here"))
        ends = {live: (live.getsockname()[:2], live.getpeername()[:2]) for live in lives}
        tables = read_tables()
        found = owners_of_clients(tables, {**ends, None: (("127.0.0.1", 1), ("127.0.0.1", 2))})
        assert found == {live: owner_of_connection(tables, *ends[live]) for live in lives}
        assert set(found.values()) == {os.geteuid()}
        lives[0].close()
        assert lives[0] not in owners_of_clients(read_tables(), ends)
        for live in lives:
            live.close()
