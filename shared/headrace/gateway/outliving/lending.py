"""Clients' connections outlive the worker: the holder has a copy of each, and what is to be known.

A worker that is killed takes its connections with it, unless somebody else has them open too. So
each connection that is there for a moment (`_MOMENT`) is lent to the holder, with a record of what
it is doing, and the record is renewed whenever that has changed for as long; a long answer is
recorded before its first byte. What is over sooner costs nothing. The next worker is given both
(`Lending.take`), asks the kernel how much was written and read since, and goes on (`resuming`).

This works on Linux, under a holder that speaks of it (`link`). Elsewhere a client is cut, and
resumes by itself. While a client is connected the holder hears once a second that the event loop
turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from headrace.foreign import UnreadableError, foreign, read_json
from headrace.gateway.outliving import kernel_counts
from headrace.gateway.outliving.kernel_counts import Counts
from headrace.system.service.link import HolderLink
from headrace.values import dataclass

__all__ = ["Borrowed", "ConnectionRecord", "Lendable", "Lending", "request_head"]

#: Seconds after which a connection that has not changed is recorded, and twice that at most.
_MOMENT = 0.005
#: An answer's bytes from which on it is recorded before it begins.
_LONG = 1 << 20
#: Bytes of a record; a request with a longer head is answered by this worker or by none.
_LONGEST = 16 << 10
#: Connections that are lent at a time.
_MOST = 256
_BEAT = 1.0
_FORM = 1


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """What a connection was doing when it was lent."""

    read: int
    """Bytes that had been read of it then."""
    written: int
    """Bytes that had been written before this answer."""
    request: bytes = b""
    """The head of the request that is being answered; empty: none is."""
    head: bytes = b""
    """The head of its answer; empty: it had none yet."""

    def pack(self) -> bytes:
        """Return it as a worker of another version can read it."""
        texts = [self.request.decode("latin-1"), self.head.decode("latin-1")]
        return json.dumps([_FORM, self.read, self.written, *texts]).encode("ascii")

    @classmethod
    def unpack(cls, packed: bytes) -> ConnectionRecord | None:
        """Read one; None: it is of a form that is not known here."""
        with contextlib.suppress(UnreadableError), foreign("a record"):
            form, read, written, request, head = read_json(packed)
            if form == _FORM and isinstance(read, int) and isinstance(written, int):
                return cls(read, written, request.encode("latin-1"), head.encode("latin-1"))
        return None


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A connection that the holder has a copy of, too."""

    number: bytes
    record: ConnectionRecord


class Lendable(Protocol):
    """A client's connection, as far as this room needs to know it."""

    borrowed: Borrowed | None
    head_bytes: int
    """Of a head that is not complete."""
    deaf: bool
    """Nothing more is read of it."""
    ended: bool
    """Its client has said all."""
    transport: Any
    cycle: Any
    """What is being answered, uvicorn's; None before the first request."""
    pipeline: Any
    """What was read ahead."""


def _doing(connection: Lendable) -> tuple[bytes, bytes, int] | None:
    """Return the request that is being answered, the head of its answer, and how many bytes of that
    were handed to the transport; None where no other worker could know what it does: it is
    closing, or something was read ahead, or in part.
    """
    if connection.transport.is_closing() or connection.head_bytes or connection.pipeline:
        return None
    cycle = connection.cycle
    if cycle is None or cycle.response_complete:
        return None if connection.deaf else (b"", b"", 0)
    if cycle.waiting_for_100_continue or (connection.deaf and not connection.ended):
        return None
    scope, outlet = cycle.scope, cycle.transport
    asked = request_head(
        scope["method"], scope["headrace.target"], scope["http_version"], scope["headers"]
    )
    return asked, outlet.begun, outlet.out


def _descriptor(connection: Lendable) -> int:
    found = connection.transport.get_extra_info("socket")
    return -1 if found is None else int(found.fileno())


class Lending:
    """For one worker, on its event loop."""

    def __init__(self, link: HolderLink) -> None:
        """`link` leads to a holder that knows of all this."""
        self._link = link
        self._able = kernel_counts.are_right()
        self._clients = self._lent = 0
        self._beating = self._looking = False
        # What changed since the last look, and what has not since the one before.
        self._fresh: dict[Lendable, None] = {}
        self._aged: dict[Lendable, None] = {}
        self._ended: list[bytes] = []
        self._next = int.from_bytes(os.urandom(7), "big")

    # -------------------------------------------------------------- the heart

    def came(self, connection: Lendable) -> None:
        """A client is connected."""
        self._clients += 1
        if not self._beating:
            self._beating = True
            self._link.watch()
            asyncio.get_running_loop().call_later(_BEAT, self._beat)
        self.changed(connection)

    def _beat(self) -> None:
        self._ended = [number for number in self._ended if not self._link.drop(number)]
        if self._clients:
            self._link.alive()
            asyncio.get_running_loop().call_later(_BEAT, self._beat)
        else:
            self._beating = False
            self._link.calm()

    # -------------------------------------------------------------- lending

    def changed(self, connection: Lendable) -> None:
        """It does something else now."""
        if not self._able:
            return
        self._aged.pop(connection, None)
        self._fresh[connection] = None
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(_MOMENT, self._look)

    def _look(self) -> None:
        lasting, self._aged, self._fresh = self._aged, self._fresh, {}
        for connection in lasting:
            self.record(connection)
        self._looking = bool(self._aged)
        if self._looking:
            asyncio.get_running_loop().call_later(_MOMENT, self._look)

    def begins(self, connection: Lendable, length: int) -> None:
        """The head of an answer of `length` bytes is about to go out."""
        if length >= _LONG or (connection.borrowed and connection.borrowed.record.request):
            self.record(connection)

    def record(self, connection: Lendable) -> None:
        """Lend it, or tell what it does now."""
        descriptor, doing = _descriptor(connection), _doing(connection)
        if not self._able or descriptor < 0 or doing is None:
            return
        with _as_socket(descriptor) as sock:
            counts = kernel_counts.counts_of(sock)
        if counts is None:
            return
        request, head, out = doing
        waiting = connection.transport.get_write_buffer_size()
        made = ConnectionRecord(counts.read, counts.written + waiting - out, request, head)
        known = connection.borrowed
        packed = made.pack()
        if (known and known.record == made) or len(packed) > _LONGEST:
            return
        number = known.number if known else self._new_number()
        if not known and self._lent >= _MOST:
            return
        if self._link.lend(number, packed, None if known else descriptor):
            self._lent += not known
            connection.borrowed = Borrowed(number, made)

    def _new_number(self) -> bytes:
        self._next += 1
        return self._next.to_bytes(8, "big")

    def went(self, connection: Lendable) -> None:
        """It is about to be closed. Its client hears of it at once, though there is a copy."""
        self._clients -= 1
        self._fresh.pop(connection, None)
        self._aged.pop(connection, None)
        if connection.borrowed is None:
            return
        self._lent -= 1
        descriptor = _descriptor(connection)
        if descriptor >= 0:
            with _as_socket(descriptor) as sock, contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if not self._link.drop(connection.borrowed.number):
            self._ended.append(connection.borrowed.number)
        connection.borrowed = None

    def keep(self, connection: Lendable) -> None:
        """Nobody else could go on with it: the holder's copy is given up, and no other made."""
        self._fresh.pop(connection, None)
        self._aged.pop(connection, None)
        if connection.borrowed is None:
            return
        self._lent -= 1
        if not self._link.drop(connection.borrowed.number):
            self._ended.append(connection.borrowed.number)
        connection.borrowed = None

    # -------------------------------------------------------------- the next worker

    def listen(self, take: Callable[[Borrowed, socket.socket, Counts], None]) -> None:
        """Call `take` with each connection that a worker before had lent, and its counts of now."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._link.channel, self._given, take)

    def _given(self, take: Callable[[Borrowed, socket.socket, Counts], None]) -> None:
        for number, descriptor, packed in self._link.given():
            sock, record = socket.socket(fileno=descriptor), ConnectionRecord.unpack(packed)
            counts = kernel_counts.counts_of(sock) if self._able else None
            self._lent += 1
            if record is None or counts is None:
                self.refuse(number, sock)
            else:
                take(Borrowed(number, record), sock, counts)
        if self._link.gone:
            asyncio.get_running_loop().remove_reader(self._link.channel)

    def refuse(self, number: bytes, sock: socket.socket) -> None:
        """Cut a client: nobody can go on with it."""
        self._lent -= 1
        with sock, contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        if not self._link.drop(number):
            self._ended.append(number)


@contextlib.contextmanager
def _as_socket(descriptor: int) -> Any:
    """Give the socket that a transport has, which keeps it."""
    sock = socket.socket(fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()


def request_head(
    method: str, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """Return a request's head as it came, but for the case of names."""
    lines = [b"%s %s HTTP/%s" % (method.encode("ascii"), target, version.encode("ascii"))]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", b""])
