"""A document's body: decoded in pieces, its end told from a cut."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Mapping

import pytest

from headrace.errors import UpstreamError
from headrace.http.unpacking import PIECE
from headrace.models import Fault
from headrace.upstream.document_stream import DocumentStream

PLAIN = b"".join(b"%d, " % number for number in range(60_000))


async def parts_of(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def stream_of(
    body: AsyncIterator[bytes], headers: Mapping[str, str], status: int = 200
) -> DocumentStream:
    return DocumentStream(
        status,
        "https://origin.example/x",
        headers,
        rtt=0.0,
        body=body,
        translate=lambda error: UpstreamError(Fault.CUT, f"translated {error}"),
    )


def read(stream: DocumentStream) -> list[bytes]:
    async def all_of() -> list[bytes]:
        return [part async for part in stream]

    return asyncio.run(all_of())


def fault_of(stream: DocumentStream) -> Fault:
    with pytest.raises(UpstreamError) as caught:
        read(stream)
    return caught.value.fault


@pytest.mark.parametrize("coding", ["", "identity", "gzip", "x-gzip", "GZIP", "deflate"])
def test_body_comes_out_plain(coding: str) -> None:
    word = coding.lower()
    packed = (
        gzip.compress(PLAIN)
        if "gzip" in word
        else zlib.compress(PLAIN)
        if word == "deflate"
        else PLAIN
    )
    headers = {"content-encoding": coding, "content-length": str(len(packed))}
    stream = stream_of(parts_of(packed), headers)
    assert stream.coded == (word not in ("", "identity"))
    assert stream.length == (None if stream.coded else len(PLAIN))
    assert b"".join(read(stream)) == PLAIN


def test_gzip_of_several_members_is_one_body() -> None:
    packed = gzip.compress(PLAIN) + gzip.compress(b"more")
    stream = stream_of(parts_of(packed), {"content-encoding": "gzip"})
    assert b"".join(read(stream)) == PLAIN + b"more"


def test_few_bytes_that_become_many_come_in_pieces() -> None:
    packed = gzip.compress(bytes(50 << 20), 9)
    pieces = read(stream_of(parts_of(packed, 1 << 20), {"content-encoding": "gzip"}))
    assert max(map(len, pieces)) <= PIECE
    assert sum(map(len, pieces)) == 50 << 20


def test_early_end_is_a_cut() -> None:
    assert fault_of(stream_of(parts_of(PLAIN[:-1]), {"content-length": str(len(PLAIN))})) is (
        Fault.CUT
    )


def test_early_end_within_the_coding_is_a_cut_however_it_was_framed() -> None:
    packed = gzip.compress(PLAIN)
    for short in (packed[:-1], packed[:-9], packed[:100]):
        headers = {"content-encoding": "gzip", "content-length": str(len(short))}
        assert fault_of(stream_of(parts_of(short), headers)) is Fault.CUT


def test_length_beside_a_transfer_encoding_counts_for_nothing() -> None:
    headers = {"content-length": "5", "transfer-encoding": "chunked"}
    stream = stream_of(parts_of(b"123"), headers)
    assert stream.length is None
    assert read(stream) == [b"123"]


def test_damage_and_codings_that_nobody_asked_for_are_the_upstreams_fault() -> None:
    bad = {"content-encoding": "gzip"}
    assert fault_of(stream_of(parts_of(b"not gzip at all"), bad)) is Fault.PROTOCOL
    assert fault_of(stream_of(parts_of(b"x"), {"content-encoding": "br"})) is Fault.PROTOCOL


def test_what_the_connection_raises_is_translated_and_our_words_are_left() -> None:
    async def breaks(error: Exception) -> AsyncIterator[bytes]:
        yield b"a"
        raise error

    with pytest.raises(UpstreamError, match="translated below"):
        read(stream_of(breaks(OSError("below")), {}))
    with pytest.raises(UpstreamError, match="ours"):
        read(stream_of(breaks(UpstreamError(Fault.STALLED, "ours")), {}))


@pytest.mark.parametrize(("status", "fine"), [(200, True), (206, True), (304, True), (404, False)])
def test_status_is_judged(status: int, *, fine: bool) -> None:
    assert (stream_of(parts_of(b""), {}, status).error() is None) == fine
