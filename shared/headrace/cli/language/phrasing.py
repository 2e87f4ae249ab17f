"""One text of one or more sentences in another language: which of the known forms it has. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from headrace.cli.language.forms import (
    OTHERS,
    VERBATIM,
    Form,
    core_of,
    is_quote,
    left_over,
    quoted,
)
from headrace.values import dataclass

__all__ = ["Phrasing"]

#: Where a text may consist of several sentences, with what is not looked into: commands, names.
_JOINTS = re.compile(
    r"`[^`]*`|(?<!\w)'[^'\n]*'(?!\w)|(; |\. |(?<=\?) |: | \(|(?<=\))[,;:.]? |, "
    r"| and (?=\d+ more\b))"
)
#: The same without the weakest, where there are too many of these: they part a list.
_STRONG_JOINTS = re.compile(r"`[^`]*`|(?<!\w)'[^'\n]*'(?!\w)|(; |\. |(?<=\?) |: )")
_MARKS = {"; ": "；", ". ": "。", ": ": "：", ", ": "，", " and ": "，", " (": "（", " ": ""}
#: These are wide before what is known, too.
_BEFORE = (", ", " and ", " (", "; ")
#: Of how many sentences a text may consist, and how deep one may stand within another.
_MOST_PIECES = 16
_DEEPEST = 5
#: Of how many forms that a sentence might have the best is taken.
_MOST_TRIED = 6


@dataclass(frozen=True, slots=True, order=True)
class _Said:
    """A part of a text, with the mark before it."""

    mark: str
    text: str
    is_known: bool


class Phrasing:
    """Says one text. What was found out of a part of it is kept as long."""

    def __init__(self, whole: Mapping[str, str], forms: Sequence[Form]) -> None:
        """`whole` are the sentences without gaps; `forms` those that a part may have, in the order
        in which they are tried.
        """
        self._whole = whole
        self._forms = forms
        self._found: dict[tuple[str, int], str | None] = {}

    def said(self, text: str, depth: int = 0) -> str:
        """Return the text; what is not known in it stays as it is."""
        before, core, behind = core_of(text)
        if not core or depth > _DEEPEST:
            return text
        found = self._known(core, depth)
        if found is None or (core not in self._whole and left_over(found)):
            parts = self._parts(core, depth)
            if found is None or left_over(parts) < left_over(found):
                return before + parts + (behind if parts == core else _behind(parts, behind))
        return _wide(before, begins=True) + found + _behind(found, behind)

    def _parts(self, text: str, depth: int) -> str:
        """Say what is no sentence that is known, part by part."""
        for joints in (_JOINTS, _STRONG_JOINTS):
            pieces = list(_pieces(text, joints))
            if 1 < len(pieces) <= _MOST_PIECES:
                return self._joined(pieces, depth)
        return text

    def _joined(self, pieces: list[tuple[str, str]], depth: int) -> str:
        """Say sentences that stand side by side: of all ways to cut the text at its marks the one
        that leaves the fewest words over, and of those the one with the longest sentences.
        """
        # From the end: how many words are left over, how many sentences there are, and these.
        ways: list[tuple[int, int, list[_Said]]] = [(0, 0, [])]
        for at in range(len(pieces) - 1, -1, -1):
            mark, text = pieces[at]
            said = self._of_piece(text, depth)
            options = [(1, _Said(mark, said or text, said is not None))]
            for end in range(at + 2, len(pieces) + 1):
                text += "".join(pieces[end - 1])
                found = self._of_piece(text, depth) if end - at < len(pieces) else None
                if found is not None:
                    options.append((end - at, _Said(mark, found, is_known=True)))
            ways.insert(0, min(_way(told, ways[length - 1]) for length, told in options))
        told, was_known = "", False
        for each in ways[0][2]:
            wide = was_known or (each.is_known and each.mark in _BEFORE)
            told += (_MARKS.get(each.mark, each.mark) if wide else each.mark) + each.text
            was_known = each.is_known
        return told

    def _of_piece(self, text: str, depth: int) -> str | None:
        before, core, behind = core_of(text)
        found = self._known(core, depth) if core else None
        return None if found is None else before + found + _behind(found, behind)

    def _known(self, text: str, depth: int) -> str | None:
        # What is an option's help is a command's description, too: a sentence of its own.
        for key in (text, text[:1].lower() + text[1:]):
            if key in self._whole:
                return self._whole[key]
        if (text, depth) not in self._found:
            self._found[text, depth] = self._by_form(text, depth)
        return self._found[text, depth]

    def _by_form(self, text: str, depth: int) -> str | None:
        best: tuple[int, str] | None = None
        tried = 0
        for form in self._forms:
            values = form.values(text)
            if values is None:
                continue
            in_gaps = {name: self._in_gap(name, each, depth) for name, each in values.items()}
            if not form.is_believed(values, in_gaps):
                continue
            said = form.said(in_gaps)
            tried += 1
            if best is None or left_over(said) < best[0]:
                best = (left_over(said), said)
            if not best[0] or tried == _MOST_TRIED:
                break
        return best[1] if best else None

    def _in_gap(self, name: str, value: str, depth: int) -> str:
        if name == VERBATIM:
            return value
        said = self.said(value, depth + 1)
        return quoted(value) if name in OTHERS and left_over(said) else said


def _way(said: _Said, rest: tuple[int, int, list[_Said]]) -> tuple[int, int, list[_Said]]:
    return left_over(said.text) + rest[0], 1 + rest[1], [said, *rest[2]]


def _pieces(text: str, joints: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield each piece of a text with the mark that stands before it."""
    mark, at = "", 0
    for joint in joints.finditer(text):
        if joint[1]:
            yield mark, text[at : joint.start()]
            mark, at = joint[1], joint.end()
    yield mark, text[at:]


def _behind(said: str, marks: str) -> str:
    return marks if is_quote(said) else _wide(marks)


def _wide(marks: str, *, begins: bool = False) -> str:
    """Return marks as Chinese has them; within a line no space follows them."""
    if not marks.strip():
        return marks
    wide = marks.translate(str.maketrans(",;:.)", "，；：。）"))
    return wide.replace("(", "（").rstrip() if begins else wide.rstrip()
