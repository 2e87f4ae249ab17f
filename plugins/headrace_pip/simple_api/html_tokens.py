"""Tags and comments of an HTML text, in one pass whose time grows as the text does. Pure.

Tokenised as the HTML standard has it (13.2.5), which is what browsers do and, on all but odd pages,
what pip's own reader does; ``<script/>`` is empty, as pip has it. There is no tree: a page of links
needs none, and whoever builds one looks through the open elements again and again. Each search here
either goes on behind what it found or ends the reading.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from headrace.interface import dataclass

__all__ = ["Comment", "Tag", "tokens"]

_NAME = re.compile(r"[A-Za-z][^\t\n\f\r />]*+")
#: One attribute, with what stands before it. The name is empty where the tag ends.
_ATTRIBUTE = re.compile(
    r"[\t\n\f\r /]*+(=?[^\t\n\f\r />=]*+)"
    r"(?:[\t\n\f\r ]*+(=)[\t\n\f\r ]*+"
    r"""(?:"([^"]*+)"|'([^']*+)'|([^\t\n\f\r >"'][^\t\n\f\r >]*+))?)?"""
)
_COMMENT_END = re.compile(r"--!?>")
_REFERENCE = re.compile(r"&(#[0-9]++|#[xX][0-9a-fA-F]++|[A-Za-z][A-Za-z0-9]*+)[;=]?")
_QUOTES = ('"', "'")
#: Longest reference to a character that can be one.
_LONGEST_REFERENCE = 40
#: Elements whose content is text, whatever it looks like.
_TEXT_ONLY = frozenset(
    {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"}
)


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag, its name in small letters."""

    name: str
    attributes: Mapping[str, str]
    """Those that were asked for, by name in small letters; of two with one name the first."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, or what the standard takes for one."""

    text: str


def tokens(text: str, wanted: Mapping[str, Collection[str]]) -> Iterator[Tag | Comment]:
    """Give the start tags that are `wanted`, with their wanted attributes, and the comments.

    What a tag or a comment lacks at the end of the text makes it none, or ends it there, as the
    standard says. Nothing is an error.
    """
    at = 0
    while at >= 0 and (at := text.find("<", at)) >= 0:
        if text.startswith("<!--", at):
            comment, at = _comment(text, at + 4)
            yield Comment(comment)
        elif text.startswith(("<!", "<?"), at):
            start, at = at + 2, text.find(">", at)
            if at >= 0:
                yield Comment(text[start:at])
        elif name := _NAME.match(text, at + 1 + text.startswith("/", at + 1)):
            tag, at = _tag(text, at, name, wanted)
            if tag is not None:
                yield tag
        elif text.startswith("</", at):  # nothing, or as good as a comment
            at = text.find(">", at)
        else:
            at += 1


def _tag(
    text: str, start: int, name: re.Match[str], wanted: Mapping[str, Collection[str]]
) -> tuple[Tag | None, int]:
    """Read a start or an end tag: what it is worth, and where to go on; negative: nowhere."""
    word = name[0].lower()
    found = _attributes(text, name.end(), wanted.get(word, ()))
    if found is None:
        return None, -1
    attributes, at, empty = found
    if name.start() > start + 1:  # an end tag
        return None, at
    tag = Tag(word, attributes) if word in wanted else None
    if empty or word not in _TEXT_ONLY:
        return tag, -1 if word == "plaintext" else at
    return tag, _end(text, word, at)


def _comment(text: str, start: int) -> tuple[str, int]:
    for empty in (">", "->"):
        if text.startswith(empty, start):
            return "", start + len(empty)
    end = _COMMENT_END.search(text, start)
    return (text[start : end.start()], end.end()) if end else (text[start:], len(text))


def _end(text: str, name: str, start: int) -> int:
    """Find the end tag of an element that holds only text; negative: there is none."""
    found = re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE).search(text, start)
    return found.start() if found else -1


def _attributes(
    text: str, at: int, wanted: Collection[str]
) -> tuple[dict[str, str], int, bool] | None:
    """Read the rest of a tag: its attributes, where it ends, and whether ``/>`` ends it.

    None: the text ends in it.
    """
    found: dict[str, str] = {}
    while match := _ATTRIBUTE.match(text, at):
        start, at = at, match.end()
        name, equals, *values = match.groups()
        value = next((each for each in values if each is not None), None)
        if equals and value is None and text.startswith(_QUOTES, at):
            return None  # it has no end
        if not name:
            closed = text.startswith(">", at)
            return (found, at + 1, text.endswith("/", start, at)) if closed else None
        if (name := name.lower()) in wanted:
            found.setdefault(name, _plain(value or ""))
    return None


def _plain(value: str) -> str:
    return _REFERENCE.sub(_character, value) if "&" in value else value


def _character(match: re.Match[str]) -> str:
    """Resolve a reference as attributes have them: ``?a=1&copy=2`` is no copyright."""
    import html.entities  # noqa: PLC0415 - half a megabyte for pages that few indexes have

    text = match[0]
    if text.startswith("&#"):
        return html.unescape(text) if len(text) < _LONGEST_REFERENCE else "\ufffd"
    known = len(text) < _LONGEST_REFERENCE and text[1:] in html.entities.html5
    return html.unescape(text) if known else text
