"""What goes out of a file before its digest agrees, to readers that can take nothing back.

That is the origin's own bytes: all that it gave to the download, and where a mirror's stand next,
a trickle of small parts that are asked of the origin for this alone. While the origin cannot be
reached two mirrors of different operators must agree on such a part, and neither may be suspected
of anything. Nothing of it goes to the spool: what is in there is for the digest to judge.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from headrace.download.range_requests import SourcesOwner
from headrace.errors import IntegrityError, UpstreamError
from headrace.models import Fault, Source
from headrace.transfer.pace import DRIP, Pace
from headrace.transfer.range_set import RangeSet
from headrace.upstream.single_flight import SingleFlight
from headrace.wording import counted

if TYPE_CHECKING:
    from headrace.download.spool import Spool
    from headrace.transfer.machine import Transfer

__all__ = ["EarlyParts", "PartsOwner", "Trickle"]

_log = logging.getLogger("headrace.transfer")

#: Faults of an origin that cannot be reached, or that must be left alone. One that answers that it
#: has not the file, or has another, was reached.
_OUT_OF_REACH = frozenset(
    {
        Fault.UNREACHABLE,
        Fault.REFUSED,
        Fault.SILENT,
        Fault.CUT,
        Fault.STALLED,
        Fault.SERVER_ERROR,
        Fault.RATE_LIMITED,
    }
)
#: Parts that are kept for the next drip, and for other readers.
_KEPT = 16
#: A source without ranges gives its beginning alone.
_NEAR = 1 << 20
_CONNECT, _FIRST_BYTE = 3.0, 20.0
#: Seconds between two looks at a file that is being fetched for a reader who has to wait for it.
_LOOK = 0.05


class PartsOwner(SourcesOwner, Protocol):
    """What small parts need of the download task that they are for."""

    @property
    def transfer(self) -> Transfer | None:
        """What is known of the sources by now."""

    @property
    def size(self) -> int | None:
        """The file's length."""


class EarlyParts:
    """Small parts of the file of one task, each asked for once."""

    def __init__(self, task: PartsOwner) -> None:
        """Ask this task's sources."""
        self.weak = False
        """Some came from mirrors that agree, because the origin could not be reached."""
        self._task = task
        self._kept: dict[tuple[int, int], bytes] = {}
        self._flights = SingleFlight[tuple[int, int], bytes]()
        self._suspects: set[str] = set()

    async def at(self, position: int, size: int) -> bytes:
        """Return the next bytes from `position` on of a file of `size`; UpstreamError."""
        low, high = Pace.block(position, size)
        content = self._kept.get((low, high))
        if content is None:
            content = await self._flights.do((low, high), lambda: self._ask(low, high))
        return content[position - low : position - low + DRIP]

    async def aclose(self) -> None:
        """Stop asking."""
        await self._flights.aclose()

    async def _ask(self, low: int, high: int) -> bytes:
        task = self._task
        origin = next((s for s in task.sources.values() if s.is_origin), None)
        if origin is None:
            raise UpstreamError(Fault.UNREACHABLE, f"{task.artifact.name} has no origin")
        try:
            content = await self._part(origin, low, high)
        except UpstreamError as error:
            if error.fault not in _OUT_OF_REACH:
                raise
            content = await self._agreed(low, high, error)
        self._kept[low, high] = content
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return content

    async def _part(self, source: Source, low: int, high: int) -> bytes:
        task = self._task
        out = bytearray()
        async with task.context.open_range(
            task.artifact,
            source,
            low,
            high,
            connect_timeout=_CONNECT,
            first_byte_timeout=_FIRST_BYTE,
        ) as stream:
            if stream.total is not None and stream.total != task.size:
                total = counted(stream.total or 0, "byte")
                message = f"{source.id} gives {total} instead of {task.size}"
                raise UpstreamError(Fault.NOT_THE_FILE, message)
            if stream.start < low - _NEAR:
                raise UpstreamError(Fault.NO_RANGES, f"{source.id} ignores Range")
            position = stream.start
            async for data in stream:
                out += data[max(0, low - position) :]
                position += len(data)
                if position >= high:
                    break
        if len(out) < high - low:
            raise UpstreamError(Fault.CUT, f"{source.id} ended early")
        return bytes(out[: high - low])

    async def _agreed(self, low: int, high: int, why: UpstreamError) -> bytes:
        """Return what two operators say, while the origin says nothing."""
        two = self._witnesses()
        if two is None:
            raise why
        parts = await asyncio.gather(*(self._part(source, low, high) for source in two))
        if parts[0] != parts[1]:
            self._suspects.update(source.id for source in two)
            message = f"{two[0].id} and {two[1].id} differ, and the origin cannot be asked"
            raise UpstreamError(Fault.WRONG_BYTES, message)
        if not self.weak:
            self.weak = True
            _log.warning(
                "%s: the origin cannot be reached (%s); what %s and %s agree on goes out until the "
                "digest agrees",
                self._task.artifact.name,
                why,
                two[0].id,
                two[1].id,
            )
        return parts[0]

    def _witnesses(self) -> tuple[Source, Source] | None:
        """Choose two mirrors of different operators, neither of whom anything is held against."""
        task, transfer = self._task, self._task.transfer
        if transfer is None or transfer.integrity.mismatches:
            return None  # one of them lied, and nobody knows which
        able = [
            source
            for source in task.sources.values()
            if not source.is_origin
            and source.operator
            and source.id not in self._suspects | task.accounting.corrupt_sources
            and not (transfer.sources[source.id].out or transfer.sources[source.id].strikes)
        ]
        for first in able:
            for second in able:
                if first.operator != second.operator:
                    return first, second
        return None


class Trickle:
    """One reader's: what it was given before the digest agreed, and what comes next."""

    def __init__(self, parts: EarlyParts, begins: float) -> None:
        """Drip from the time `begins` on."""
        self.drips: list[tuple[int, bytes]] = []
        """What was given beside the spool: offsets and bytes."""
        self.taken = RangeSet()
        """What was given from the spool, the origin's own."""
        self._parts = parts
        self._pace = Pace(begins)
        self._asking: asyncio.Future[bytes] | None = None
        self._asked_at = 0

    def took(self, start: int, end: int) -> None:
        """Note bytes that were given from the spool."""
        self.taken.add(start, end)
        self._pace.gave(asyncio.get_running_loop().time())

    async def wait(self, changed: asyncio.Event, position: int, limit: int, size: int) -> bytes:
        """Wait for something to happen; return the drip at `position` where one is due, at most up
        to `limit`, else nothing. Below `size` anything may be asked for.
        """
        now = asyncio.get_running_loop().time()
        if now < self._pace.due:
            # What is written meanwhile, thousands of times a second, is none of this reader's.
            try:
                async with asyncio.timeout_at(self._pace.due):
                    await changed.wait()
                    await asyncio.sleep(_LOOK)
            except TimeoutError:
                pass
            return b""
        if self._asking is None or self._asked_at != position:
            self.close()
            self._asked_at = position
            self._asking = asyncio.ensure_future(self._parts.at(position, size))
        await asyncio.wait({self._asking}, timeout=_LOOK)
        if not self._asking.done():
            return b""
        asked, self._asking = self._asking, None
        try:
            data = asked.result()[: limit - position]
        except UpstreamError as error:
            _log.info("nothing goes out yet: %s", error)
            self._pace.failed(asyncio.get_running_loop().time())
            return b""
        self._pace.gave(asyncio.get_running_loop().time())
        self.drips.append((position, data))
        return data

    def check(self, spool: Spool, name: str) -> None:
        """Hold what dripped against the file that has the digest; IntegrityError: of another."""
        for offset, data in self.drips:
            if spool.file.read(offset, len(data)) != data:
                message = f"{name}: the origin's own bytes are not of the file that it names"
                raise IntegrityError("restarted", message, hint="ask again")
        self.drips.clear()

    def close(self) -> None:
        """Ask for nothing more."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
