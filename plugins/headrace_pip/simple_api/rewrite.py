"""Project pages between documents and answers: read, linked to the gateway, described. Pure."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from headrace.interface import Document, ServeDocument
from headrace_pip.simple_api import html_form, json_form
from headrace_pip.simple_api.model import HTML_TYPE, JSON_TYPE, Kept, Link, ProjectPage

__all__ = ["headers_of", "is_json", "linked", "parse", "project_of_page"]

#: Bytes of a document of which many are held as they were read, which takes some times as much.
_SMALL = 64 * 1024


def headers_of(document: Document, form: str) -> dict[str, str]:
    """Return what an answer's head says of a page in a form."""
    headers = {"content-type": JSON_TYPE if form == "json" else HTML_TYPE, "vary": "accept"}
    if serial := document.headers.get("x-pypi-last-serial"):
        headers["x-pypi-last-serial"] = serial
    return headers


def project_of_page(plan: ServeDocument) -> str:
    """Return the normalised name of the project that a page is about."""
    return plan.url.rstrip("/").rpartition("/")[2]


def is_json(document: Document) -> bool:
    """Whether a page came in the JSON form (PEP 691), also where its server does not say so."""
    kind = document.content_type.partition(";")[0].strip().lower()
    return kind.endswith(("+json", "/json")) or (
        not kind.endswith(("html", "xml")) and document.body[:1] == b"{"
    )


def parse(document: Document, project: str) -> ProjectPage:
    """Read a page in either form; ValueError when it is none."""
    read = _read_small if len(document.body) <= _SMALL else _read_large
    return read(document.body, document.content_type, document.url, project, is_json(document))


def _read(
    body: bytes,
    content_type: str,
    url: str,
    project: str,
    is_json: bool,  # noqa: FBT001 - cache key
) -> ProjectPage:
    if is_json:
        return json_form.parse(json_form.load(body), url, project)
    return html_form.parse(body, content_type, url, project)


# A new page is read for its artifacts, for the other form and for reading ahead, within a moment,
# and most pages are small and come by the dozen.
_read_small = lru_cache(maxsize=64)(_read)
_read_large = lru_cache(maxsize=6)(_read)


def linked(page: ProjectPage, link: Link, *, kept: Kept = Kept.ALL) -> ProjectPage:
    """Point a page's links at the gateway, and leave out what is not `kept`."""
    files = []
    for file in page.files:
        path = link(file.url, file.filename)
        if kept is not Kept.ALL and path is None:
            continue
        mine = replace(file, url=path or file.url)
        if kept is not Kept.ALL:
            mine = replace(
                mine,
                core_metadata=kept.promises(file.filename) and bool(file.core_metadata),
                provenance=None,
                gpg_sig=None,
                hashes=file.hashes if kept.digests else {},
            )
        files.append(mine)
    return replace(page, files=tuple(files))
