"""The HTML form of a project's page (PEP 503, 592, 629, 658, 714, 740, 792).

PEP 833 froze this form: what JSON knows beyond it (sizes, the list of versions) is not written.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

from headrace.interface import foreign
from headrace_pip.index.names import is_distribution
from headrace_pip.simple_api.html_tokens import Tag, tokens
from headrace_pip.simple_api.model import (
    FileLink,
    ProjectPage,
    absolute,
    address_or_none,
    check_version,
    filename_of,
    split_fragment,
    upload_time,
    written_first,
)

__all__ = ["parse", "render"]

_SERIAL = re.compile(r"\s*SERIAL\s+([0-9]{1,18})\s*")
_CHARSET = re.compile(r"(?i)charset=[\"']?([\w.:-]+)")
#: As Python calls the encodings of the web (https://encoding.spec.whatwg.org).
_WEB_CODEC = re.compile(
    r"utf-8|utf-16(?:-[bl]e)?|ascii|iso8859-\d+|cp(?:125\d|866|874|932|949)|koi8-[ru]|mac-roman"
    r"|gb(?:2312|k|18030)|big5|shift_jis|euc_(?:jp|kr)|iso2022_jp"
)
_VERSION = "pypi:repository-version"
_STATUS = {"pypi:project-status": "status", "pypi:project-status-reason": "reason"}


#: The elements that count, with what is read of each.
_ELEMENTS = {
    "a": frozenset(
        {
            "href",
            "data-requires-python",
            "data-yanked",
            "data-core-metadata",
            "data-dist-info-metadata",
            "data-upload-time",
            "data-gpg-sig",
            "data-provenance",
        }
    ),
    "base": frozenset({"href"}),
    "meta": frozenset({"name", "content"}),
    # A page for people has these.
    "form": frozenset[str](),
    "script": frozenset[str](),
}


class _PageContent:
    """What stands in a page: anchors, the base, the meta elements and the serial comment."""

    def __init__(self, text: str) -> None:
        self.anchors: list[Mapping[str, str]] = []
        self.base: str | None = None
        self.meta: dict[str, str] = {}
        self.serial: int | None = None
        self.interactive = False
        for token in tokens(text, _ELEMENTS):
            if isinstance(token, Tag):
                self._take(token)
            elif found := _SERIAL.fullmatch(token.text):
                self.serial = int(found[1])

    def _take(self, tag: Tag) -> None:
        read = tag.attributes
        if tag.name == "a":
            self.anchors.append(read)
        elif tag.name == "base":
            self.base = self.base or read.get("href")
        elif tag.name == "meta":
            self.meta[read.get("name", "")] = read.get("content", "")
        else:
            self.interactive = True


@foreign("a page in HTML")
def parse(body: bytes, content_type: str, url: str, project: str) -> ProjectPage:
    """Read a page; ValueError when it is a page for people (a login form, a portal)."""
    text = body.decode(_charset(content_type), "replace")
    reader = _PageContent(text)
    base = (address_or_none(url, reader.base) if reader.base else None) or url
    links = [_file(anchor, base) for anchor in reader.anchors]
    files = tuple(file for file in links if file is not None)
    empty = not reader.anchors and _VERSION not in reader.meta and "links for" not in text.lower()
    portal = reader.interactive and not any(is_distribution(file.filename) for file in files)
    if portal or empty:
        raise ValueError("HTML, but not a project's page of the Simple API")
    return ProjectPage(
        name=project,
        files=files,
        api_version=check_version(reader.meta.get(_VERSION)),
        last_serial=reader.serial,
        status={
            key: reader.meta[name]
            for name, key in _STATUS.items()
            if name in reader.meta and "pypi:project-status" in reader.meta
        },
    )


def _charset(content_type: str) -> str:
    """Return the codec that a Content-Type names; UTF-8 for one that browsers do not know.

    Python has others, some of which cost the square of what they decode.
    """
    found = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(found[1]).name if found else "utf-8"
    except (LookupError, ValueError):
        return "utf-8"
    return name if _WEB_CODEC.fullmatch(name) else "utf-8"


def _file(anchor: Mapping[str, str], base: str) -> FileLink | None:
    href = anchor.get("href")
    if not href:
        return None
    try:
        url, hashes = split_fragment(absolute(base, href))
        filename = filename_of(url)
    except ValueError:  # a host in brackets that is none
        return None
    if not filename:
        return None
    signed = anchor.get("data-gpg-sig")
    proof = anchor.get("data-provenance")
    return FileLink(
        filename=filename,
        url=url,
        hashes=hashes,
        requires_python=anchor.get("data-requires-python"),
        yanked=(anchor["data-yanked"] or True) if "data-yanked" in anchor else False,
        core_metadata=_core_metadata(
            anchor.get("data-core-metadata") or anchor.get("data-dist-info-metadata")
        ),
        upload_time=upload_time(anchor.get("data-upload-time")),
        gpg_sig=None if signed is None else signed == "true",
        provenance=address_or_none(base, proof) if proof else None,
    )


def _core_metadata(value: str | None) -> bool | Mapping[str, str]:
    if value is None or value == "false":
        return False
    algorithm, equals, digest = value.partition("=")
    return {algorithm: digest.lower()} if equals and digest else True


def _escaped(text: str) -> str:
    from html import escape  # noqa: PLC0415 - half a megabyte, with its table of entities

    return escape(text)


def render(page: ProjectPage) -> bytes:
    """Write a page of version 1.0; links stand as they are in it."""
    lines = [
        "<!DOCTYPE html>\n<html>\n<head>",
        f'<meta name="{_VERSION}" content="1.0">',
        *(
            f'<meta name="{name}" content="{_escaped(page.status[key])}">'
            for name, key in _STATUS.items()
            if key in page.status
        ),
        f"<title>Links for {_escaped(page.name)}</title>\n</head>\n<body>",
        f"<h1>Links for {_escaped(page.name)}</h1>",
        *map(_anchor, page.files),
        "</body>\n</html>",
    ]
    if page.last_serial is not None:
        lines.append(f"<!--SERIAL {page.last_serial}-->")
    return "\n".join(lines).encode() + b"\n"


def _anchor(file: FileLink) -> str:
    href = file.url
    for algorithm, value in written_first(file.hashes):
        href += f"#{algorithm}={value}"
        break
    attributes = {"href": href}
    if file.requires_python is not None:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked:
        attributes["data-yanked"] = file.yanked if isinstance(file.yanked, str) else ""
    if file.core_metadata:
        told = "true"
        if not isinstance(file.core_metadata, bool):
            for algorithm, value in written_first(file.core_metadata):
                told = f"{algorithm}={value}"
                break
        # PEP 714: the new name, and the old one for clients from before it.
        attributes["data-core-metadata"] = attributes["data-dist-info-metadata"] = told
    if file.upload_time is not None:
        attributes["data-upload-time"] = file.upload_time
    if file.gpg_sig is not None:
        attributes["data-gpg-sig"] = "true" if file.gpg_sig else "false"
    if file.provenance is not None:
        attributes["data-provenance"] = file.provenance
    written = " ".join(f'{name}="{_escaped(value)}"' for name, value in attributes.items())
    return f"<a {written}>{_escaped(file.filename)}</a><br>"
