"""A client's connection within bounds: what uvicorn's own protocol leaves open.

Whoever may connect may also send a head that never ends, or a hundred megabytes of one, open a
thousand connections and say nothing, ask and not read. None of that may cost the others anything:

- A head has `HEAD` bytes and `HEADERS` lines while it arrives, and `HEAD_WITHIN` seconds; 431, 408.
- No request of ours has a body: none is read, and the connection ends with the answer.
- A client that has said all that it has to say (a half-closed connection) gets its answer. One
  that has gone looks the same: Linux tells them apart, elsewhere the answer must have begun within
  `HALF_CLOSED` seconds. Nobody goes on fetching for one that has gone.
- Of requests that are sent ahead `PIPELINED` wait; the rest is not read.
- So many connections as the process has files for. When there are more, the one that has been
  waiting longest goes, then one whose client has not read for a while; at last the newcomer. Where
  the system tells whose they are, those go first whose user has more than a share of them, so that
  no user's connections, whatever they do, keep another's out.
- A client that reads nothing is let go after `STALLED` seconds, and sooner where what is kept for
  all such takes more than `ALL_UNREAD`.

What a target of another form than a path means is the guard's business; here it is only kept from
uvicorn, which could not read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from headrace.gateway.outliving.file_sending import FileSending
from headrace.gateway.outliving.lending import Borrowed, Lending
from headrace.gateway.outliving.resuming import Outlet
from headrace.gateway.request_head import MAX_HEADERS, MAX_LINES
from headrace.ownership.sockets import has_gone, owners_of_clients, read_tables
from headrace.policy.shares import heavy_user, who_goes
from headrace.system.storage.file_part import CAN_BE_SENT

__all__ = ["ClientConnection", "ClientConnections", "most_connections"]

_log = logging.getLogger("headrace.gateway")

#: Bytes of a request's head, lines of it, and seconds that it may take.
HEAD = MAX_HEADERS
HEADERS = MAX_LINES
HEAD_WITHIN = 20.0
#: Bytes that all unfinished heads may take together.
ALL_HEADS = 8 << 20
HALF_CLOSED = 10.0
#: Seconds after which it is looked whether a client that ended its side is still there, and again.
_FIRST_LOOK, _NEXT_LOOK = 0.05, 1.0
#: Requests that wait behind the one that is being answered.
PIPELINED = 8
#: Seconds without reading after which a client is let go: it may be suspended for a while.
STALLED = 300.0
#: The same, when there are too many connections, or too many bytes wait for such clients.
STALLED_IN_NEED = 10.0
UNREAD_IN_NEED = 1.0
ALL_UNREAD = 32 << 20
#: Connections at most, and files that everything else needs.
MOST = 1024
_OTHER_FILES = 128
#: Seconds between two looks whose connections they are, and how much longer than a look it is to
#: the next; the share of `MOST` by which there may be more until it was looked.
_LOOKS, _REST = 0.1, 4
_GUESTS = 8
_NOBODYS = -1
#: Seconds for which it is not said again.
_TELLS = 60.0
#: Headers that announce a body (RFC 9112 section 6).
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
#: Bytes that the parser is fed at a time; with each it may make so many headers.
_SLICE = 16 << 10
#: Seconds and bytes for which a client may go on sending after its last answer: a connection that
#: is closed before everything was read takes the answer with it (RFC 9112 section 9.6).
_LINGER = 2.0
_MOST_IGNORED = 1 << 20


def most_connections(open_files: int, most: int = MOST) -> int:
    """Return how many connections a process may have that may have so many files open, `most` in
    any case.

    Each may need a file of its own: a stored one, or a source's connection.
    """
    return max(16, min(most, (open_files - _OTHER_FILES) // 2))


class ClientConnections:
    """All connections of clients. One for the process; not to be used from several threads."""

    def __init__(
        self,
        most: int = MOST,
        *,
        clock: Callable[[], float] = time.monotonic,
        tables: Callable[[], Sequence[str]] = read_tables,
        lending: Lending | None = None,
        by_address: bool = False,
    ) -> None:
        """`most` at a time; `clock` gives seconds; `tables` are the kernel's. `lending`: they
        outlive this worker. `by_address`: they come from other machines, each of which has a share,
        and not each user of this one.
        """
        self._by_address = by_address
        self.most = most
        self.lending = lending
        self.first_came: Callable[[], None] = lambda: None
        """Called when somebody is connected after nobody was."""
        self.clock = clock
        self._tables = tables
        self.head_bytes = 0
        """Of all heads that are not complete."""
        self.passing: set[ClientConnection] = set()
        """Those that somebody else has taken over (`intercepting`)."""
        self.unread_bytes = 0
        """Of what clients were sent and do not read, as far as it waits here."""
        # In the order in which they came, with the user's id where it is known.
        self._open: dict[ClientConnection, int | None] = {}
        # More than there may be, until it was looked whose they are.
        self._guests: set[ClientConnection] = set()
        self._by_user: Counter[int] = Counter()
        self._told = -_TELLS
        self._rest = _LOOKS
        self._looking = False
        # Both in the order in which it began: the oldest first.
        self._waiting: dict[ClientConnection, float] = {}
        self._stalled: dict[ClientConnection, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def came(self, connection: ClientConnection) -> None:
        """Count a new one, and make room for it."""
        if not self._open:
            self.first_came()
        self._open[connection] = None
        if self.lending is not None:
            self.lending.came(connection)
        if self._by_address:
            self._is_of(connection, _number(connection.client))
        elif len(self._open) > self.most:
            self._guests.add(connection)
        if len(self._open) > self.most // 2 and not self._by_address:
            self._look()
        if not self._looking or len(self._guests) > self.most // _GUESTS:
            self._give_room(self.most)
            self._guests.clear()
        if connection in self._open:
            self._waiting[connection] = self.clock()

    def _give_room(self, most: int) -> None:
        """Let those go that are more than `most`."""
        while len(self._open) > most:
            waiting = (each for each in self._waiting if each not in self._guests)
            late = self.clock() - STALLED_IN_NEED
            stalled = (each for each, (since, _) in self._stalled.items() if since <= late)
            victim = who_goes(
                self._open,
                heavy_user(self._by_user, self.most),
                waiting=waiting,
                stalled=stalled,
                newest=reversed(self._open),
            )
            if victim is None:
                return
            at_work = victim not in self._waiting and victim not in self._stalled
            if at_work and self.clock() >= self._told + _TELLS:
                # Seldom: a log is not for others to fill.
                self._told = self.clock()
                _log.warning("%d connections, all at work: some are closed", self.most)
            victim.drop()

    def _look(self) -> None:
        """Look whose connections they are, in a thread, soon; not where there is no event loop."""
        if not self._looking:
            with contextlib.suppress(RuntimeError):
                loop = asyncio.get_running_loop()
                self._looking = True
                loop.call_later(self._rest, self._look_now, loop)

    def _look_now(self, loop: asyncio.AbstractEventLoop) -> None:
        unknown = {
            each: (each.client, each.server)
            for each, owner in self._open.items()
            if owner is None and each.client and each.server
        }
        looking = loop.run_in_executor(None, _owners, self._tables, unknown)
        began = loop.time()
        looking.add_done_callback(lambda told: self._looked(told, loop.time() - began))

    def _looked(self, told: asyncio.Future[dict[ClientConnection, int]], took: float) -> None:
        self._looking, self._rest = False, max(_LOOKS, _REST * took)
        found = {} if told.cancelled() or told.exception() is not None else told.result()
        for each, owner in found.items():
            if each in self._open:
                self._is_of(each, owner)
                self._guests.discard(each)
        self._give_room(self.most + len(self._guests))
        if self._guests:
            self._look()

    def _drop_stalled(self, longer_than: float) -> bool:
        """Close the one that has not read for longest, if that is long."""
        victim, (since, _) = next(iter(self._stalled.items()), (None, (0.0, 0)))
        if victim is None or self.clock() - since < longer_than:
            return False
        _log.info("a client that reads nothing is let go")
        victim.drop()
        return True

    def went(self, connection: ClientConnection) -> None:
        """Forget one."""
        if self.lending is not None and connection in self._open:
            self.lending.went(connection)
        self.passing.discard(connection)
        self._is_of(connection, None)
        self._open.pop(connection, None)
        self._guests.discard(connection)
        self._waiting.pop(connection, None)
        self.reads(connection)

    def _is_of(self, connection: ClientConnection, owner: int | None) -> None:
        """Note whose it is; None: it goes."""
        before = self._open.get(connection)
        if before is not None and self._by_user[before] == 1:
            del self._by_user[before]
        elif before is not None:
            self._by_user[before] -= 1
        if owner is not None:
            self._by_user[owner] += 1
            self._open[connection] = owner

    def works(self, connection: ClientConnection) -> None:
        """A request is being answered on it."""
        self._waiting.pop(connection, None)
        self.changed(connection)

    def changed(self, connection: ClientConnection) -> None:
        """It does something else now."""
        if self.lending is not None:
            self.lending.changed(connection)

    def taken(self, connection: ClientConnection) -> None:
        """Somebody else reads it from now on; no other worker could."""
        self.passing.add(connection)
        if self.lending is not None:
            self.lending.keep(connection)

    def waits(self, connection: ClientConnection) -> None:
        """It has been answered."""
        if connection in self._open:
            self._waiting[connection] = self.clock()
            self.changed(connection)

    def stalls(self, connection: ClientConnection, unread: int) -> None:
        """Its client does not read what was sent, of which so many bytes wait here."""
        if connection in self._open and connection not in self._stalled:
            self._stalled[connection] = self.clock(), unread
            self.unread_bytes += unread
            while self.unread_bytes > ALL_UNREAD and self._drop_stalled(UNREAD_IN_NEED):
                pass

    def reads(self, connection: ClientConnection) -> None:
        """Its client reads again."""
        _, unread = self._stalled.pop(connection, (0.0, 0))
        self.unread_bytes -= unread

    def count_head(self, more: int) -> None:
        """Count bytes of unfinished heads; when they are too many, the oldest go."""
        self.head_bytes += more
        while self.head_bytes > ALL_HEADS:
            victim = next((each for each in self._waiting if each.head_bytes), None)
            if victim is None:
                return
            victim.drop()

    def sweep(self) -> None:
        """Let those go whose time is over; called about once a second."""
        now = self.clock()
        late = [
            each
            for each, since in self._waiting.items()
            if each.head_since is not None and now - max(since, each.head_since) > HEAD_WITHIN
        ]
        for each in late:
            each.is_late()
        while self._drop_stalled(UNREAD_IN_NEED if self.unread_bytes > ALL_UNREAD else STALLED):
            pass


class ClientConnection(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        *given: Any,
        registry: ClientConnections,
        borrowed: Borrowed | None = None,
        sent: int = 0,
        **named: Any,
    ) -> None:
        """`registry` counts it; the rest is uvicorn's. `borrowed`: a worker before has left it, and
        `sent` bytes of the answer to its request are out.
        """
        super().__init__(*given, **named)
        self.borrowed = borrowed
        self._left = (borrowed, sent) if borrowed and borrowed.record.request else None
        self.head_bytes = 0
        """Of a head that is not complete."""
        self.head_since: float | None = None
        """When it began; the connection's own beginning for the first one."""
        self.registry = registry
        """Counts it."""
        self.complete = False
        """Whether a head was completed by what is being fed."""
        self.deaf = False
        """Nothing more is read but to be thrown away."""
        self._ignored = 0
        self.ended = False
        """Whether the client has said all."""
        self.sending: FileSending | None = None
        """What of an answer is sent from a file just now."""
        self.endless = False
        """Its answer has no end: a client that has ended its own side has gone."""

    # -------------------------------------------------------------- life

    def connection_made(self, transport: Any) -> None:
        """Count it."""
        super().connection_made(transport)
        self.head_since = self.registry.clock()
        self.registry.came(self)
        if self._left is not None:
            self._feed(self._left[0].record.request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self.sending is not None:
            self.sending.end()
        self._forget_head()
        self.registry.went(self)
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Go on for a client that only ended its own side (RFC 9112 section 9.6)."""
        self.ended = True
        if not self._answering or self.endless or self.transport.is_closing():
            return None
        if self.scheme == "https":
            return None  # asyncio ends both sides of TLS, whatever is said here
        cycle: Any = self.cycle
        self.close_after(cycle)
        until = self.registry.clock() + HALF_CLOSED
        self.loop.call_later(_FIRST_LOOK, self._look_after, cycle, until)
        return True

    def _look_after(self, cycle: Any, until: float) -> None:
        """Let go of a client that has gone, or waits in vain."""
        if cycle.response_started or self.transport.is_closing():
            return
        if self.registry.clock() >= until:
            self.drop()
            return
        looking = self.loop.run_in_executor(None, _gone, self.client, self.server)
        looking.add_done_callback(lambda told: self._looked(told, cycle, until))

    def _looked(self, told: asyncio.Future[bool], cycle: Any, until: float) -> None:
        if told.cancelled() or told.exception() is not None:
            return
        if told.result() and not self.transport.is_closing():
            self.drop()
        else:
            self.loop.call_later(_NEXT_LOOK, self._look_after, cycle, until)

    def drop(self) -> None:
        """Close it at once; what was not sent yet is lost."""
        self.deaf = True
        self._forget_head()
        self.registry.went(self)
        self.transport.abort()

    def is_late(self) -> None:
        """Its request did not come in time."""
        if self.head_bytes:
            self._refuse(408, "the request did not come to its end in time")
        else:
            self.drop()

    # -------------------------------------------------------------- reading

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as it may come."""
        if len(data) <= _SLICE:
            self._feed(data)
            return
        for start in range(0, len(data), _SLICE):
            self._feed(data[start : start + _SLICE])

    def _feed(self, data: bytes) -> None:
        if self.deaf:
            self._ignore(len(data))
            return
        self.complete = False
        super().data_received(data)
        if self.complete:
            if self.head_bytes:
                if self.head_bytes + len(data) > HEAD and self.cycle is not None:
                    self.cycle.scope["headrace.large"] = True  # type: ignore[typeddict-unknown-key]
                    self.close_after(self.cycle)
                self._forget_head()
            return
        if self.deaf:
            return
        if not self.head_bytes and self.head_since is None:
            self.head_since = self.registry.clock()
        self.head_bytes += len(data)
        self.registry.count_head(len(data))
        if self.head_bytes > HEAD or len(self.headers or ()) > HEADERS:
            self._refuse(431, "more headers than any client of ours sends")

    def _forget_head(self) -> None:
        self.registry.head_bytes -= self.head_bytes
        self.head_bytes = 0

    def _ignore(self, count: int) -> None:
        self._ignored += count
        if self._ignored > _MOST_IGNORED:
            if self._answering:
                with contextlib.suppress(RuntimeError):  # paused already
                    self.transport.pause_reading()
            else:
                self.drop()

    def on_headers_complete(self) -> None:
        """A head is here: let it be answered, and decide whether anything is read after it."""
        if self.deaf:
            return
        self.complete = True
        self.head_since = None
        if len(self.pipeline) >= PIPELINED:
            self.close_after(self.cycle)
            return
        self.registry.works(self)
        self.scope["headrace.target"] = self.url  # type: ignore[typeddict-unknown-key]
        self.scope["headrace.files"] = CAN_BE_SENT and self.scheme == "http"  # type: ignore[typeddict-unknown-key]
        self.scope["headrace.hang_up"] = self.transport.close  # type: ignore[typeddict-unknown-key]
        self.scope["headrace.endless"] = partial(setattr, self, "endless", True)  # type: ignore[typeddict-unknown-key]
        body = False
        for name, value in self.headers:
            if name in _FRAMING and value.strip() != b"0":
                body = True
        if body:
            self.scope["headrace.body"] = True  # type: ignore[typeddict-unknown-key]
        if not self.url.startswith(b"/"):
            self.url = b"/"
        super().on_headers_complete()
        outlet = Outlet(self, self.cycle, self.registry.lending)
        if self._left is not None:
            (before, sent), self._left = self._left, None
            outlet = Outlet(self, self.cycle, self.registry.lending, before.record.head, sent)
            self.scope["headrace.resumed"] = outlet  # type: ignore[typeddict-unknown-key]
        self.cycle.transport = cast("Any", outlet)
        if body or self.parser.should_upgrade():
            self.close_after(self.cycle)

    @property
    def _answering(self) -> bool:
        """Whether the newest request has no answer yet."""
        cycle: Any = self.cycle  # None before the first request, which uvicorn's types do not say
        return cycle is not None and not cycle.response_complete

    def close_after(self, cycle: Any) -> None:
        """Read nothing more, and close when this request, the newest, was answered."""
        self.deaf = True
        cycle.keep_alive = False
        cycle.transport.gently = True

    def _unsupported_upgrade_warning(self) -> None:
        """Nobody is told: a client may offer what it likes (RFC 9110 section 7.8)."""

    # -------------------------------------------------------------- answering

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if self._answering:
            self.registry.changed(self)
        else:
            self.registry.waits(self)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is sent to."""
        super().pause_writing()
        self.registry.stalls(self, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self.registry.reads(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, not ours
        """Answer what is no request."""
        self._refuse(400, "this is no request as RFC 9112 has it")

    def _refuse(self, status: int, words: str) -> None:
        """Answer without the application, and close. An answer under way is finished first."""
        self.deaf = True
        self._forget_head()
        if self.transport.is_closing():
            return
        if self._answering:
            self.close_after(self.cycle)
            return
        body = f"headrace: {words}\n".encode()
        lines = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            lines += [name, b": ", value, b"\r\n"]
        lines += [
            b"content-type: text/plain; charset=utf-8\r\n",
            b"x-content-type-options: nosniff\r\n",
            b"cross-origin-resource-policy: same-origin\r\n",
            b"cache-control: no-store\r\n",
            b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body),
            body,
        ]
        self.transport.write(b"".join(lines))
        self.end_gently()

    def end_gently(self) -> None:
        """Say that nothing more comes, and wait a little for the client to say so too."""
        self.deaf = True
        if self.transport.is_closing():
            return
        self.registry.waits(self)
        if self.ended or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)


def _owners(
    tables: Callable[[], Sequence[str]],
    wanted: Mapping[ClientConnection, tuple[tuple[str, int], tuple[str, int | None]]],
) -> dict[ClientConnection, int]:
    """Return whose each connection is, as far as the system tells; `_NOBODYS` where it has gone."""
    given = tables()
    ends = {each: (client, (host, port)) for each, (client, (host, port)) in wanted.items() if port}
    return dict.fromkeys(ends, _NOBODYS) | owners_of_clients(given, ends) if given else {}


def _number(client: tuple[str, int] | None) -> int | None:
    try:
        return int(ipaddress.ip_address(client[0].partition("%")[0])) if client else None
    except ValueError:
        return None


def _gone(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> bool:
    if client is None or server is None or server[1] is None:
        return False
    if client[0] != server[0] and not client[0].startswith("127."):
        return False  # the kernel of another machine knows
    return has_gone(read_tables(), client, (server[0], server[1])) is True
