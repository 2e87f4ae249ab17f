"""What the answer to a request for a file is: its head, and which bytes follow in which frame."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping

from headrace.errors import StoreError
from headrace.http.byteranges import Framing, framing_of
from headrace.http.conditional import ExcessiveRanges, SelectedRanges, matches, select_ranges
from headrace.http.ranges import ContentRange, Unsatisfiable
from headrace.models import Artifact
from headrace.values import dataclass

__all__ = ["FileAnswer", "ReadPart", "answer_of"]

#: Seconds that a client may keep a file: its name holds its content.
_FOR_EVER = "max-age=365000000, immutable"

ReadPart = Callable[[int, int], AsyncIterator[bytes]]
"""Gives ``[start, end)`` of a file in order."""


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """An answer that can be given once the bytes are there."""

    status: int
    headers: Mapping[str, str]
    selected: SelectedRanges | None = None
    """What of the file follows; None: the head is all."""
    framing: Framing | None = None
    words: str = ""
    """For people, where it is a refusal."""

    @property
    def length(self) -> int:
        """How many bytes follow."""
        if self.selected is None or self.framing is None:
            return 0
        return self.selected.total + self.framing.length

    @property
    def single(self) -> tuple[int, int] | None:
        """The one part that follows as it is; None where there are several."""
        parts = self.selected.parts if self.selected else ()
        return parts[0] if len(parts) == 1 else None

    async def body(self, read: ReadPart) -> AsyncIterator[bytes]:
        """Give what follows, never empty; nothing before the first part's first byte is there.

        Raises what `read` raises, and StoreError where it gives less than was asked.
        """
        assert self.selected is not None
        assert self.framing is not None
        for lead, (start, end) in zip(self.framing.heads, self.selected.parts, strict=True):
            waiting, left = lead, end - start
            async for data in read(start, end):
                left -= len(data)
                yield waiting + data if waiting else data
                waiting = b""
            if left:
                raise StoreError("store-short", f"bytes {start} to {end} of a file are not there")
        if self.framing.end:
            yield self.framing.end


def answer_of(
    artifact: Artifact,
    asked: Mapping[str, str],
    size: int,
    etag: str,
    *,
    head: bool = False,
    ranges: bool = True,
) -> FileAnswer:
    """Decide what is answered of a file of `size` bytes (RFC 9110 sections 13.2.2 and 14.2).

    `asked` are the request's headers, `etag` the file's strong validator or empty. `head`: it is a
    HEAD. Without `ranges` the whole is the answer, whatever part is asked for.
    """
    headers = {
        "content-type": artifact.content_type,
        "accept-ranges": "bytes",
        **({"etag": etag} if etag else {}),
        "cache-control": _FOR_EVER if artifact.digest and artifact.immutable else "no-cache",
        **dict(artifact.answer_headers),
    }
    if matches(asked.get("if-none-match"), [etag] if etag else []):
        return FileAnswer(304, headers)
    if head:
        # RFC 9110 section 14.2: Range means something for GET alone.
        return FileAnswer(200, {**headers, "content-length": str(size)})
    try:
        selected = select_ranges(asked, size, etag) if ranges else SelectedRanges.whole(size)
    except Unsatisfiable:
        nothing = ContentRange(None, None, size)
        return FileAnswer(416, {**headers, "content-range": str(nothing)})
    except ExcessiveRanges as error:
        words = f"headrace: {error}; ask for fewer at a time, or for the whole"
        return FileAnswer(400, {}, words=words)
    framing = framing_of(selected, artifact.content_type, _boundary(artifact, asked))
    if framing.content_type is not None:
        headers["content-type"] = framing.content_type
    elif selected.partial:
        headers["content-range"] = str(ContentRange(*selected.parts[0], size))
    answer = FileAnswer(206 if selected.partial else 200, headers, selected, framing)
    headers["content-length"] = str(answer.length)
    return answer


def _boundary(artifact: Artifact, asked: Mapping[str, str]) -> str:
    """Return a token that is nowhere in the file: nobody can put a hash of its own digest into it.

    The same for the same request, so that another worker can go on with the answer.
    """
    if artifact.digest is None:
        return secrets.token_hex(16)
    named = f"{artifact.digest} {asked.get('range', '')}"
    return hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:32]
