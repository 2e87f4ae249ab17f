"""An answer that another worker began: its rest, and nothing else.

The request is answered anew, by the same code. What that says is held against the head that went
out: only where status, length, entity tag and all the rest are the same is it the same answer.
Then what the client has of it is left out, and the rest follows. Of a body that has begun the
entity tag must be a strong one, because only that names the bytes (RFC 9110 section 8.8.1).
"""

from __future__ import annotations

import logging
import re
from enum import Enum
from typing import Any

from headrace.gateway.outliving.file_sending import FileSending
from headrace.gateway.outliving.kernel_counts import Counts
from headrace.gateway.outliving.lending import Borrowed, Lending
from headrace.system.storage.file_part import FilePart

__all__ = ["Outlet", "Remains", "find_out"]

_log = logging.getLogger("headrace.gateway")

#: What differs between two answers to one request, and means nothing for the bytes.
_OWN = (b"date:", b"connection:")
_STRONG = re.compile(rb'(?m)^etag: "[^"\r\n]*"\r?$')
_LENGTH = re.compile(rb"(?m)^content-length: (\d+)\r?$")


class Remains(Enum):
    """What is to be done with a connection that a worker before has left."""

    WAITS = "waits"
    """No request of it was read that is not answered: the next one is."""
    GOES_ON = "goes on"
    LOST = "lost"
    """Something was read or written that nobody knows of."""


def find_out(borrowed: Borrowed, counts: Counts) -> tuple[Remains, int]:
    """Say what became of a connection since it was recorded, and how many bytes of the answer to
    its request are out.
    """
    record = borrowed.record
    sent = counts.written - record.written
    if counts.read != record.read or sent < 0:
        return Remains.LOST, 0
    if not sent:
        return (Remains.GOES_ON if record.request else Remains.WAITS), 0
    length = _LENGTH.search(record.head)
    if not record.request or length is None:
        return Remains.LOST, 0
    whole = len(record.head)
    whole += 0 if record.request.startswith(b"HEAD ") else int(length[1])
    if sent == whole and not _closes(record.head):
        return Remains.WAITS, 0
    nameless = sent > len(record.head) and not _STRONG.search(record.head)
    return (Remains.LOST, 0) if sent >= whole or nameless else (Remains.GOES_ON, sent)


def _closes(head: bytes) -> bool:
    return b"\r\nconnection: close\r\n" in head


def same_answer(one: bytes, other: bytes) -> bool:
    """Whether two heads are of the same answer."""
    return _lines(one) == _lines(other)


def _lines(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if not line.lower().startswith(_OWN)]


class Outlet:
    """The transport of one answer. Knows what of it is out, and leaves out what the client has."""

    __slots__ = (
        "_connection",
        "_cycle",
        "_left_out",
        "_lending",
        "_sent",
        "already",
        "gently",
        "head",
        "out",
    )

    def __init__(
        self,
        connection: Any,
        cycle: Any,
        lending: Lending | None,
        head: bytes = b"",
        sent: int = 0,
    ) -> None:
        """`sent` bytes are out already of an answer that began with `head`."""
        self._connection = connection
        self._cycle = cycle
        self._lending = lending
        self.head = b"" if sent else head
        self.out = sent
        """Bytes of the answer that were handed to the transport, by whichever worker."""
        self.gently = False
        """Whether the connection ends with this answer, when the client has read it."""
        self._sent = head if sent else b""
        self._left_out = 0
        self.already = max(0, sent - len(head)) if sent else 0
        """Bytes of the body that the client has from another worker."""

    def leave_out(self, count: int) -> None:
        """Say that so many bytes of `already` will not be written: the body begins behind them."""
        count = min(count, self._left_out)
        self._left_out -= count
        self._cycle.expected_content_length -= count

    def write(self, data: bytes | FilePart) -> None:
        """Write a part of the answer; the first one is its head."""
        connection = self._connection
        if isinstance(data, FilePart):
            waiting = self._left_out or connection.transport.get_write_buffer_size()
            if self.head and not waiting and not connection.transport.is_closing():
                FileSending(connection, data, self._count)
                return
            data = bytes(data)
        if not self.head:
            if self._sent:
                data = self._resumed(data)
            else:
                self.head = data
                if self._lending is not None:
                    self._lending.begins(connection, self._cycle.expected_content_length)
        elif self._left_out:
            ahead = min(self._left_out, len(data))
            self._left_out -= ahead
            data = data[ahead:]
        if data and not connection.transport.is_closing():
            self.out += len(data)
            connection.transport.write(data)

    def _count(self, sent: int) -> None:
        self.out += sent

    def _resumed(self, head: bytes) -> bytes:
        """Return what is missing of the head that went out; cut where this is another answer."""
        if not same_answer(head, self._sent):
            _log.warning("an answer that was begun before cannot be gone on with: it is cut")
            self._connection.drop()
            return b""
        self.head = self._sent
        self._left_out = self.already
        if _closes(self.head):
            self._connection.close_after(self._cycle)
        return self.head[self.out :]

    @property
    def begun(self) -> bytes:
        """The head that went out, from whichever worker; empty: none has."""
        return self.head or self._sent

    def is_closing(self) -> bool:
        """Whether nothing goes out any more."""
        return bool(self._connection.transport.is_closing())

    def close(self) -> None:
        """End the connection."""
        if self.gently:
            self._connection.end_gently()
        else:
            self._connection.transport.close()
