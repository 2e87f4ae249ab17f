"""Laws of answers with several parts, read by the standard library's parser of mail (RFC 2046)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headrace.artifacts.file_answer import FileAnswer, answer_of
from headrace.http.byteranges import PartsParser
from headrace.models import Artifact, Digest, Origin
from lib.serving.parts import parts_of

ORIGIN = Origin("python", "https://index.example/simple")
DIGEST = Digest("sha256", "ab" * 32)
#: Bytes that a careless reader of frames takes for one.
TRICKY = st.sampled_from(
    [b"\r\n", b"--", b"\r", b"\n", b"\0", b"--x\r\n", b"\r\n\r\n", b"a", b"\xff"]
)
#: What bodies with several parts are made of.
SCRAPS = [
    *(b"--b", b"--b\r\n", b"--b--", b"\r\n", b"\n", b"--", b"x", b" ", b":", b"abcdefghij"),
    *(b"Content-Range: bytes 0-9/50\r\n\r\n", b"content-range:bytes 40-49/*\r\n\r\n"),
    *(b"Content-Range: bytes 45-60/50\r\n\r\n", b"Content-Range: bytes 0-0/51\r\n\r\n"),
    b"Content-Type: a/b\r\n",
]
contents = st.lists(TRICKY, min_size=1, max_size=60).map(b"".join)
positions = st.integers(0, 70)


@st.composite
def specs(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["closed", "open", "suffix"]))
    first = draw(positions)
    if kind == "closed":
        return f"{first}-{first + draw(st.integers(0, 20))}"
    return f"{first}-" if kind == "open" else f"-{first}"


def wanted(spec: str, size: int) -> range:
    """Say which bytes a range means, by another way than the code does."""
    first, _, last = spec.partition("-")
    everything = range(size)
    if not first:
        return everything[-int(last) :] if int(last) else range(0)
    return everything[int(first) : int(last) + 1 if last else None]


def artifact(kind: str = "application/x-test") -> Artifact:
    return Artifact("python", "/f", "f", "https://f.example/f", ORIGIN, DIGEST, content_type=kind)


def body_of(answer: FileAnswer, content: bytes, chunk: int) -> bytes:
    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        for low in range(start, end, chunk):
            yield content[low : min(low + chunk, end)]

    async def collect() -> bytes:
        return b"".join([data async for data in answer.body(read)])

    return asyncio.run(collect())


@given(contents, st.lists(specs(), min_size=1, max_size=8), st.integers(1, 30))
def test_parts_are_the_bytes_that_were_asked_for_and_no_others(
    content: bytes, asked: Sequence[str], chunk: int
) -> None:
    size = len(content)
    answer = answer_of(artifact(), {"range": f"bytes={','.join(asked)}"}, size, '"tag"')
    sets = [set(wanted(spec, size)) for spec in asked]
    everything = set().union(*sets)
    if not everything:
        assert (answer.status, answer.length) == (416, 0)
        assert answer.headers["content-range"] == f"bytes */{size}"
        return
    assert answer.status == 206
    body = body_of(answer, content, chunk)
    assert len(body) == answer.length == int(answer.headers["content-length"])
    given_back: list[set[int]] = []
    for part in parts_of(answer.headers, body):
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", part.content_range)
        assert match is not None
        first, last, total = map(int, match.groups())
        assert (part.content_type, total) == ("application/x-test", size)
        assert part.data == content[first : last + 1]
        given_back.append(set(range(first, last + 1)))
    assert sum(map(len, given_back)) == len(everything)
    assert set().union(*given_back) == everything
    # Clients count parts: one for each range, in their order, where none overlap.
    satisfiable = [each for each in sets if each]
    if sum(map(len, satisfiable)) == len(everything):
        assert given_back == satisfiable
    # What stands around a part is bounded, so that nothing is to be had by asking for little.
    if len(given_back) > 1:
        assert len(body) - len(everything) <= 150 * len(given_back) + 50


@given(contents, st.text(max_size=40))
def test_type_that_somebody_else_wrote_breaks_no_frame(content: bytes, kind: str) -> None:
    asked = {"range": "bytes=0-0,-1" if len(content) > 1 else "bytes=0-0"}
    answer = answer_of(artifact(kind), asked, len(content), "")
    body = body_of(answer, content, 7)
    assert len(body) == answer.length
    if len(content) > 1:
        data = [part.data for part in parts_of(answer.headers, body)]
        assert data == [content[:1], content[-1:]]


def test_boundary_is_of_the_content_and_of_what_is_asked_for() -> None:
    """So that another worker can go on, and nobody can put it into the content."""

    def told(what: Artifact, text: str) -> str:
        return answer_of(what, {"range": text}, 9, "").headers["content-type"]

    other = replace(artifact(), digest=Digest("sha256", "cd" * 32))
    asked = [("bytes=0-0,5-5", artifact()), ("bytes=0-0,6-6", artifact()), ("bytes=0-0,5-5", other)]
    assert len({told(what, text) for text, what in asked}) == 3
    assert told(artifact(), "bytes=0-0,5-5") == told(artifact(), "bytes=0-0,5-5")
    # Without a digest the same name may be of other content tomorrow.
    nameless = replace(artifact(), digest=None)
    assert len({told(nameless, "bytes=0-0,5-5") for _ in range(20)}) == 20


@given(
    contents, st.lists(specs(), min_size=2, max_size=8), st.integers(1, 300), st.binary(max_size=9)
)
def test_what_is_written_is_read_whatever_pieces_it_comes_in(
    content: bytes, asked: Sequence[str], chunk: int, behind: bytes
) -> None:
    size = len(content)
    answer = answer_of(artifact(), {"range": f"bytes={','.join(asked)}"}, size, "")
    if answer.status != 206 or answer.single:
        return
    assert answer.selected is not None
    body = body_of(answer, content, 11) + behind
    parser = PartsParser(answer.headers["content-type"], size)
    found = [
        each for low in range(0, len(body), chunk) for each in parser.feed(body[low : low + chunk])
    ]
    assert parser.ended
    assert all(content[at : at + len(data)] == data for at, data in found)
    expected = [content[low:high] for low, high in answer.selected.parts]
    assert b"".join(data for _, data in found) == b"".join(expected)


@given(st.lists(st.sampled_from(SCRAPS), max_size=30).map(b"".join), st.integers(1, 50))
def test_no_body_breaks_the_reader_or_gives_what_is_not_in_it(body: bytes, chunk: int) -> None:
    parser = PartsParser("multipart/byteranges; boundary=b", 50)
    given_out = 0
    try:
        for low in range(0, len(body), chunk):
            for at, data in parser.feed(body[low : low + chunk]):
                assert data
                assert data in body
                assert 0 <= at < at + len(data) <= 50
                given_out += len(data)
    except ValueError:
        pass
    assert given_out <= len(body)
