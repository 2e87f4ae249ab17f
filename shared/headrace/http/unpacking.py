"""Unpack what came compressed, step by step and counted as it comes out. Pure.

A few packed bytes can be a thousand times as many, and those packed once more a million times. So
whoever unpacks anything that came from outside does it here: one layer, at most `PIECE` bytes a
step whatever went in, and no more in all than was allowed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from headrace.wording import counted

__all__ = ["PIECE", "Decompressor", "Inflater", "TooMuchError", "Unpacker", "coding_of", "unpack"]

#: Bytes that come out in one step.
PIECE = 256 << 10
#: Bytes that go in at a time: what is not used yet is copied with each step.
_FED = 16 << 10
#: Bytes that may go in without half as many coming out: nothing that is packed grows by it.
_IN_VAIN = 1 << 20
#: Content codings that are asked for (RFC 9110 section 8.4.1).
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


class TooMuchError(ValueError):
    """More came out than was allowed."""


class Decompressor(Protocol):
    """What is common to bz2's, lzma's and zstd's decompressors: one stream, in bounded steps."""

    @property
    def eof(self) -> bool:
        """Whether the stream's end was seen."""

    @property
    def needs_input(self) -> bool:
        """False while there is more to be had from what was fed."""

    @property
    def unused_data(self) -> bytes:
        """What was fed and lies behind the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take all of `data`, give at most so many bytes."""


class Inflater:
    """zlib's decompressor with the others' manners, for gzip and zlib (RFC 1952, RFC 1950)."""

    def __init__(self, *, bare: bool = False) -> None:
        """`bare`: also deflate without a head, which some servers send as ``deflate``."""
        self._bare = bare
        self._stream: zlib._Decompress | None = None
        self._tail = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """As `Decompressor` has it, like the rest."""
        return self._stream is not None and self._stream.eof

    @property
    def unused_data(self) -> bytes:
        """What lies behind the end."""
        return self._stream.unused_data if self._stream is not None else b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take and give."""
        if self._tail:
            data = self._tail + data
        if self._stream is None:
            if len(data) < 2:
                self._tail = data
                return b""
            # RFC 1950 section 2.2.
            headed = data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
            bare = self._bare and not headed and data[:2] != b"\x1f\x8b"
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
        piece = self._stream.decompress(data, max_length)
        self._tail = self._stream.unconsumed_tail
        self.needs_input = not self._tail and len(piece) < max_length
        return piece


class Unpacker:
    """One packed stream, which may be several frames or members one behind the other."""

    def __init__(
        self,
        start: Callable[[], Decompressor],
        *,
        limit: int | None = None,
        piece: int = PIECE,
        lenient: bool = False,
    ) -> None:
        """`start` makes a decompressor; `limit` is in bytes that come out, None: the caller counts;
        `lenient`: what stands behind a whole frame and is none is passed over, as browsers do.
        """
        self._start = start
        self._limit = limit
        self._piece = piece
        self._lenient = lenient
        self._stream = start()
        self._frames = 0
        self._in_frame = [0, 0]
        self._over = False
        self.came_in = self.came_out = 0

    @property
    def complete(self) -> bool:
        """Whether the end was seen, or nothing began."""
        return self._stream.eof or self._over or not self.came_in or self._only_rubbish()

    def _only_rubbish(self) -> bool:
        return self._lenient and self._frames > 0 and self._in_frame[0] < 2

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what comes out, in pieces; ValueError when it is damaged, or too much."""
        for start in range(0, len(data), _FED):
            yield from self._feed(data[start : start + _FED])

    def _feed(self, data: bytes) -> Iterator[bytes]:
        self.came_in += len(data)
        while not self._over and (data or not (self._stream.eof or self._stream.needs_input)):
            if self._stream.eof:
                self._frames += 1
                self._in_frame = [0, 0]
                self._stream = self._start()
            self._in_frame[0] += len(data)
            try:
                piece = self._stream.decompress(data, self._piece)
            except MemoryError:
                raise
            except Exception as error:
                if self._lenient and self._frames and not self._in_frame[1]:
                    self._over = True
                    return
                raise ValueError(f"damaged: {error}") from error
            data = self._stream.unused_data if self._stream.eof else b""
            self._in_frame[1] += len(piece)
            self.came_out += len(piece)
            if self._limit is not None and self.came_out > self._limit:
                raise TooMuchError(f"unpacked it is larger than {counted(self._limit, 'byte')}")
            if piece:
                yield piece
        if self.came_in > 2 * self.came_out + _IN_VAIN and not self._over:
            raise ValueError("next to nothing comes out of it")


def unpack(parts: Iterable[bytes], start: Callable[[], Decompressor], limit: int) -> bytes:
    """Unpack a whole stream; ValueError when it is damaged or cut, `TooMuchError` when it gives
    more than `limit` bytes.
    """
    unpacker = Unpacker(start, limit=limit)
    plain = bytearray()
    for part in parts:
        for piece in unpacker.feed(part):
            plain += piece
    if not unpacker.complete:
        raise ValueError("the end is missing")
    return bytes(plain)


def coding_of(header: str) -> str:
    """Read Content-Encoding: the one coding that there is, "" for none.

    ValueError for one that is not asked for, and for several: nobody asked for that either.
    """
    named = [word for each in header.lower().split(",") if (word := each.strip())]
    codings = [word for word in named if word != "identity"]
    if len(codings) > 1:
        raise ValueError(f"came in {counted(len(codings), 'content coding')}, one in the other")
    if codings and codings[0] not in _CODINGS:
        raise ValueError(f"came as {codings[0][:20]!r}, which was not asked")
    return codings[0] if codings else ""
