"""What another worker left of a connection, and what is made of it."""

from __future__ import annotations

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.gateway.outliving import kernel_counts
from headrace.gateway.outliving.kernel_counts import Counts
from headrace.gateway.outliving.lending import Borrowed, ConnectionRecord, request_head
from headrace.gateway.outliving.resuming import Outlet, Remains, find_out, same_answer

HEAD = (
    b'HTTP/1.1 200 OK\r\ndate: Mon, 30 Nov 2026 08:00:00 GMT\r\netag: "a"\r\n'
    b"content-length: 1000\r\n\r\n"
)
LATER = HEAD.replace(b"08:00:00", b"09:11:11")
GET = request_head("GET", b"/file", "1.1", [(b"host", b"127.0.0.1")])
WHOLE = len(HEAD) + 1000
BODY = bytes(range(250)) * 4


def left(head: bytes, sent: int, *, request: bytes = GET, read: int = 0) -> tuple[Remains, int]:
    borrowed = Borrowed(b"12345678", ConnectionRecord(500, 7000, request, head))
    return find_out(borrowed, Counts(7000 + sent, 500 + read))


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (0, (Remains.GOES_ON, 0)),
        (1, (Remains.GOES_ON, 1)),
        (len(HEAD), (Remains.GOES_ON, len(HEAD))),
        (WHOLE - 1, (Remains.GOES_ON, WHOLE - 1)),
        (WHOLE, (Remains.WAITS, 0)),
        (WHOLE + 1, (Remains.LOST, 0)),
        (-1, (Remains.LOST, 0)),
    ],
)
def test_answer_goes_on_as_far_as_it_goes(sent: int, found: tuple[Remains, int]) -> None:
    assert left(HEAD, sent) == found


def test_connection_of_which_more_was_read_than_is_known_is_lost() -> None:
    for sent in (0, 1, WHOLE):
        assert left(HEAD, sent, read=1) == (Remains.LOST, 0)
    assert left(b"", 0, request=b"", read=1) == (Remains.LOST, 0)
    assert left(b"", 0, request=b"") == (Remains.WAITS, 0)
    assert left(b"", 1, request=b"") == (Remains.LOST, 0)


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace(b'"a"', b'W/"a"'),
        HEAD.replace(b'etag: "a"\r\n', b""),
        HEAD.replace(b"content-length: 1000", b"transfer-encoding: chunked"),
        b"",
    ],
)
def test_body_that_nothing_names_does_not_go_on(head: bytes) -> None:
    assert left(head, len(head) + 1) == (Remains.LOST, 0)


def test_answer_to_head_is_its_head() -> None:
    request = GET.replace(b"GET", b"HEAD")
    assert left(HEAD, len(HEAD), request=request) == (Remains.WAITS, 0)
    assert left(HEAD, len(HEAD) + 1, request=request) == (Remains.LOST, 0)


def test_connection_that_was_to_end_with_its_answer_ends_with_it() -> None:
    closing = HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    assert left(closing, len(closing) + 1000) == (Remains.LOST, 0)
    assert left(closing, len(closing) + 999)[0] is Remains.GOES_ON


def test_same_answer_is_told_by_all_but_the_hour() -> None:
    assert same_answer(HEAD, LATER)
    for other in (
        HEAD.replace(b"200 OK", b"206 Partial Content"),
        HEAD.replace(b'"a"', b'"b"'),
        HEAD.replace(b"1000", b"1001"),
        HEAD.replace(b"etag", b"x-etag"),
        HEAD[:-2] + b"vary: accept\r\n\r\n",
    ):
        assert not same_answer(HEAD, other)


def test_record_is_read_as_it_was_written() -> None:
    record = ConnectionRecord(1, 2, GET + bytes(range(128, 256)), HEAD)
    assert ConnectionRecord.unpack(record.pack()) == record
    for packed in (b"", b"{}", b"[2, 0, 0, '', '']", b'[1, "0", 0, "", ""]', b'[1, 0, 0, 1, ""]'):
        assert ConnectionRecord.unpack(packed) is None


class Wire:
    """What stands in for a connection and its transport: it keeps what is written."""

    def __init__(self) -> None:
        self.transport = self
        self.written = b""
        self.cut = False
        self.expected_content_length = 1000

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.cut

    def drop(self) -> None:
        self.cut = True


@given(
    sent=st.integers(1, WHOLE - 1),
    parts=st.lists(st.integers(1, 400)),
    by=st.sampled_from(["hand", "itself"]),
)
def test_wherever_an_answer_was_left_what_follows_is_its_rest(
    sent: int, parts: list[int], by: str
) -> None:
    wire = Wire()
    outlet = Outlet(wire, wire, None, HEAD, sent)
    begin = outlet.already if by == "hand" else 0
    outlet.write(LATER)
    if by == "hand":
        outlet.leave_out(begin)
        assert wire.expected_content_length == 1000 - begin
    rest = BODY[begin:]
    for part in parts:
        outlet.write(rest[:part])
        rest = rest[part:]
    outlet.write(rest)
    assert wire.written == (HEAD + BODY)[sent:]
    assert outlet.out == WHOLE


def test_another_answer_than_was_begun_is_cut_before_its_first_byte() -> None:
    wire = Wire()
    outlet = Outlet(wire, wire, None, HEAD, 300)
    outlet.write(HEAD.replace(b'"a"', b'"b"'))
    outlet.write(BODY)
    assert (wire.written, wire.cut) == (b"", True)


@pytest.mark.skipif(not kernel_counts.are_right(), reason="the kernel does not tell")
def test_kernel_counts_what_was_written_and_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        with client, ours:
            ours.setblocking(False)
            written = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    written += ours.send(b"x" * 70_000)
            assert kernel_counts.counts_of(ours) == (written, 0)
            for _ in range(10):
                client.recv(100_000)
                assert kernel_counts.counts_of(ours) == (written, 0)
            client.sendall(b"y" * 100)
            ours.setblocking(True)
            assert len(ours.recv(60)) == 60
            assert kernel_counts.counts_of(ours) == (written, 60)
            client.shutdown(socket.SHUT_WR)
            assert len(ours.recv(100)) == 40
            assert ours.recv(1) == b""
            assert kernel_counts.counts_of(ours) == (written, 100)
