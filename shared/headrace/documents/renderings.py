"""Pages as clients get them: rewritten once for each form, compressed once, then only sent.

A page is kept compressed. The few clients that cannot read gzip pay for unpacking it, all others
get the bytes as they lie there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping

from headrace.errors import StoreError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.http.caching import forbids_storing
from headrace.http.unpacking import Inflater, Unpacker
from headrace.interface.ecosystems import Ecosystem, ServesDocuments
from headrace.models import Document, Response, ServeDocument
from headrace.policy.lru import LRUCache
from headrace.system.storage.pages import PageStore
from headrace.values import dataclass

__all__ = ["Rendered", "Renderings", "version_of"]

#: Bytes of compressed pages that stay in memory; numpy's is about 200 kB.
MEMORY = 12 * 1024 * 1024
#: A fast level: the page travels over loopback, the size matters for memory and disk only.
_LEVEL = 4
#: Bytes that are unpacked at a time for a client that cannot read gzip.
_PIECE = 32 * 1024
#: What the rewriting of pages means today; another number forgets all kept renderings.
_EDITION = "1"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One form of one version of a page."""

    status: int
    headers: Mapping[str, str]
    packed: bytes
    length: int
    """Of the body before compression."""
    tag: str

    @property
    def etags(self) -> tuple[str, str]:
        """Entity tags of the plain and of the compressed body; they differ as the bytes do."""
        return f'"{self.tag}"', f'"{self.tag}-gz"'

    def pieces(self) -> Iterator[bytes]:
        """Give the plain body in small pieces; ValueError when it is not what was kept."""
        return Unpacker(Inflater, limit=self.length, piece=_PIECE).feed(self.packed)


def version_of(document: Document) -> str:
    """Name the content of a document: equal for equal bytes from the same kind of supplier."""
    state = hashlib.blake2b(document.body, digest_size=16)
    state.update(f"{_EDITION}\0{document.url}\0{document.supplied_by or ''}".encode())
    return state.hexdigest()


class Renderings:
    """Rewritten pages, in memory and in the page store."""

    def __init__(self, pages: PageStore, *, memory: int = MEMORY) -> None:
        """`memory` is in bytes of compressed pages."""
        self._pages = pages
        self._recent = LRUCache[tuple[str, str], tuple[str, Rendered]](
            memory, lambda each: len(each[1].packed)
        )

    def cached(self, key: str, form: str, version: str) -> Rendered | None:
        """Return what memory has."""
        found = self._recent.get((key, form))
        return found[1] if found is not None and found[0] == version else None

    def shrink(self) -> None:
        """Forget what the page store has, too."""
        self._recent.clear()

    async def get(
        self,
        ecosystem: Ecosystem,
        document: Document,
        version: str,
        form: str,
        plan: ServeDocument,
    ) -> Rendered:
        """Return the page in a form; ValueError when the document is none of its kind."""
        rendered = self.cached(plan.key, form, version)
        if rendered is None:
            rendered = await asyncio.to_thread(self._make, ecosystem, document, version, form, plan)
            self._recent.put((plan.key, form), (version, rendered))
        return rendered

    async def composed(
        self, key: str, form: str, version: str, make: Callable[[], Response]
    ) -> Rendered:
        """Return a page that was made of several documents; `version` names all of them."""
        rendered = self.cached(key, form, version)
        if rendered is None:
            rendered = await asyncio.to_thread(foreign("the pages")(lambda: _rendered(make())))
            self._recent.put((key, form), (version, rendered))
        return rendered

    def _make(
        self,
        ecosystem: Ecosystem,
        document: Document,
        version: str,
        form: str,
        plan: ServeDocument,
    ) -> Rendered:
        kept = None if document.stale else self._pages.rendered(plan.key, form, version)
        if kept is not None and (rendered := _decode(kept)) is not None:
            return rendered
        rendered = _rendered(_rewritten(ecosystem, document, form, plan))
        own = document.supplied_by is None and not forbids_storing(document.headers)
        if own and not document.stale:
            # A full disk costs the next start some milliseconds, and nothing now.
            with contextlib.suppress(StoreError):
                self._pages.keep_rendered(plan.key, form, version, _encode(rendered))
        return rendered


def _rewritten(
    ecosystem: Ecosystem, document: Document, form: str, plan: ServeDocument
) -> Response:
    if isinstance(ecosystem, ServesDocuments):
        return ecosystem.rewrite(document, form, plan)
    return Response(200, {"content-type": document.content_type}, document.body)


def _rendered(answer: Response) -> Rendered:
    return Rendered(
        status=answer.status,
        headers=dict(answer.headers),
        packed=gzip.compress(answer.body, _LEVEL, mtime=0),
        length=len(answer.body),
        tag=hashlib.blake2b(answer.body, digest_size=16).hexdigest(),
    )


def _encode(rendered: Rendered) -> bytes:
    head = {
        "status": rendered.status,
        "headers": dict(rendered.headers),
        "length": rendered.length,
        "tag": rendered.tag,
    }
    return json.dumps(head).encode() + b"\n" + rendered.packed


def _decode(kept: bytes) -> Rendered | None:
    """Read `_encode`'s form; None for anything else, as after a torn disk."""
    head, _, packed = kept.partition(b"\n")
    try:
        with foreign("a kept page"):
            table = read_json(head)
            return Rendered(
                int(table["status"]), dict(table["headers"]), packed, table["length"], table["tag"]
            )
    except UnreadableError:
        return None
