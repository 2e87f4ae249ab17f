"""Sockets that are handed over, and those that are bound here."""

from __future__ import annotations

import os
import socket

import pytest

from headrace.errors import LocalError, UsageError
from headrace.system.service import listeners


def test_bound_socket_listens_on_loopback() -> None:
    with listeners.bind("127.0.0.1", 0) as sock:
        host, port = listeners.address_of(sock)
        assert host == "127.0.0.1"
        with socket.create_connection((host, port)):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "localhost", "example.org"])
def test_other_addresses_are_refused(host: str) -> None:
    with pytest.raises(UsageError, match="does not listen on"):
        listeners.bind(host, 0)


def test_taken_port_is_an_error_with_a_hint() -> None:
    with listeners.bind("127.0.0.1", 0) as sock, pytest.raises(LocalError) as caught:
        listeners.bind("127.0.0.1", listeners.address_of(sock)[1])
    assert caught.value.reference == "port-taken"
    assert "HEADRACE_PORT" in caught.value.hint


def test_port_that_was_just_closed_can_be_had_at_once() -> None:
    with listeners.bind("127.0.0.1", 0) as sock:
        address = listeners.address_of(sock)
        with socket.create_connection(address), sock.accept()[0]:
            pass
    listeners.bind(*address).close()


def test_socket_for_another_process_is_left_alone() -> None:
    env = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}
    assert listeners.inherited(env, os.getpid()) == []
    assert listeners.inherited({}, os.getpid()) == []


def test_handed_socket_is_taken() -> None:
    with listeners.bind("127.0.0.1", 0) as sock:
        (taken,) = listeners.take([os.dup(sock.fileno())])
        with taken:
            assert listeners.address_of(taken) == listeners.address_of(sock)
            assert not taken.get_inheritable()


@pytest.mark.parametrize("kind", ["udp", "connected", "file", "closed"])
def test_descriptor_that_is_no_listening_socket_is_refused(kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        reading, writing = os.pipe()
        fds = {"udp": udp.fileno(), "connected": tcp.fileno(), "file": reading, "closed": 987}
        with pytest.raises(LocalError) as caught:
            listeners.take([fds[kind]])
        assert caught.value.reference == "bad-socket"
        os.close(reading)
        os.close(writing)


def test_handed_socket_that_others_can_reach_is_refused() -> None:
    with socket.socket() as sock:
        sock.bind(("0.0.0.0", 0))
        sock.listen()
        with pytest.raises(LocalError, match="does not listen on"):
            listeners.take([os.dup(sock.fileno())])
