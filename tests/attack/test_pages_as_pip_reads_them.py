"""A page in HTML, however odd, names the same files to us as to pip's own reader.

Where they differ, the HTML standard has it as we do; each such case stands here.
"""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace_pip.simple_api.html_tokens import Comment, Tag, tokens

WANTED = {"a": ("href", "data-yanked"), "base": ("href",), "meta": ("name", "content")}
#: Whole tags, badly nested, and what stands between them. What a tag without its end is worth, or
#: one with signs in odd places, Python's own versions see differently.
WORDS = (
    *("<a href=x.zip>", "<A HREF='y'>", '<a href="z">', "</a>", "<a/href=y>", "<base href=/x>"),
    *("<meta name=n content='&lt;'>", "<!-- <a href=c> -->", "<!doctype html>", "<div>", "</div>"),
    *("<br/>", "<p>", "<a href = 'x' data-yanked>", "<a data-yanked='&gt;&#62;' href=x?a=1&amp;b>"),
    *(
        "&amp;",
        "&nothing",
        " ",
        "\n",
        "< ",
        "x",
        '"',
        "'",
        "=",
        "<a\n\thref='>'>",
        "<form>",
        "<li>",
    ),
)


class Theirs(HTMLParser):
    """What pip takes of a page (`pip._internal.index.collector.HTMLLinkParser`)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in WANTED:
            kept: dict[str, str] = {}
            for name, value in attrs:  # of two with one name the first, as the standard has it
                if name in WANTED[tag]:
                    kept.setdefault(name, value or "")
            self.found.append((tag, kept))


def theirs(text: str) -> list[tuple[str, dict[str, str]]]:
    reader = Theirs()
    reader.feed(text)
    reader.close()
    return reader.found


def ours(text: str) -> list[tuple[str, dict[str, str]]]:
    found = tokens(text, WANTED)
    return [(each.name, dict(each.attributes)) for each in found if isinstance(each, Tag)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map("".join))
@example('<a href="x>y" data-yanked>z</a>')
@example("<a\nhref\n=\n'x'\n>")
@example("<script/><a href=x>")
@example("<script><a href=x></script><a href=y>")
def test_tags_are_told_as_pip_tells_them(text: str) -> None:
    assert ours(text) == theirs(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a href=x href=y>", [("a", {"href": "x"})]),
        ('<a href="x?a=1&copy=2">', [("a", {"href": "x?a=1&copy=2"})]),
        ('<a href="x?a=1&copy;2">', [("a", {"href": "x?a=1\u00a92"})]),
        ("<a href='&notit;'>", [("a", {"href": "&notit;"})]),
        ("<a href=&#65;&#x42;>", [("a", {"href": "AB"})]),
        ("<a href='&#" + "9" * 5000 + ";'>", [("a", {"href": "\ufffd"})]),
        ("<a href=x/>", [("a", {"href": "x/"})]),
        ("<a href=''>", [("a", {"href": ""})]),
        ("<a href=>", [("a", {"href": ""})]),
        ("<a href>", [("a", {"href": ""})]),
        ("<a href='x'data-yanked=y>", [("a", {"href": "x", "data-yanked": "y"})]),
        ("<a href='x", []),
        ("<a href=x", []),
        ("<title><a href=x></title><a href=y>", [("a", {"href": "y"})]),
        ("<TEXTAREA><a href=x></textarea ><a href=y>", [("a", {"href": "y"})]),
        ("<script><a href=x></scripted>", []),
        ("<plaintext><a href=x>", []),
        ("<![CDATA[<a href=x>]]><a href=y>", [("a", {"href": "y"})]),
        ("</a href=x><a href=y>", [("a", {"href": "y"})]),
        ("</a href='><a href=x>'><a href=y>", [("a", {"href": "y"})]),
    ],
)
def test_odd_tags_are_told_as_the_standard_has_it(
    text: str, expected: list[tuple[str, dict[str, str]]]
) -> None:
    assert ours(text) == expected


@pytest.mark.parametrize(
    ("text", "comments"),
    [
        ("<!--a-->", ["a"]),
        ("<!--a--!>b", ["a"]),
        ("<!-->a-->", [""]),
        ("<!--->a-->", [""]),
        ("<!--a", ["a"]),
        ("<!a>", ["a"]),
        ("<?a?>", ["a?"]),
        ("<!--a--><!--b-->", ["a", "b"]),
    ],
)
def test_comments_are_told_as_the_standard_has_it(text: str, comments: list[str]) -> None:
    assert [each.text for each in tokens(text, WANTED) if isinstance(each, Comment)] == comments
