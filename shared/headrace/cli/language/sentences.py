"""Finished English sentences in another language: each is known again by the form that it was made
of. Pure, and a text costs no more than its length for each form.

Sentences are made where something happens: in the core, in a plugin, in a gateway of another
process and perhaps another version. There they are English, for logs, JSON and whoever searches for
them. A catalogue has their forms (``{n} files``, ``up at {where}``); whoever shows a sentence to
a person looks for the form that it has, and says what stood in the gaps in the same way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from headrace.cli.language.forms import GAP, PREDICATE, form_of, half_said, left_over, unquoted
from headrace.cli.language.phrasing import Phrasing
from headrace.cli.upkeep.shown.folding import columns_of

__all__ = ["Sentences"]

#: Between a message's context and its id (gettext's own).
_LABEL = "label\x04"
_SUBJECT = "{subject} "
_COLUMNS = re.compile(r"( {2,})")
#: What a line may begin with: what it is about.
_HEAD = re.compile(r"([a-z]+(?: [a-z]+)?): (?=\S)")
#: Characters of a line that is looked at; of others' text nothing is said in another language.
_LONGEST = 2000


class Sentences:
    """The messages of one catalogue."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        """`messages` are translations by id, with a context as gettext writes it."""
        self._whole = {key: text for key, text in messages.items() if not GAP.search(key)}
        forms = [form_of(key, text) for key, text in messages.items() if GAP.search(key)]
        forms += [
            form_of(_SUBJECT + key, _SUBJECT + text)
            for key, text in messages.items()
            if PREDICATE.match(key) and _SUBJECT not in key
        ]
        # What says most first: "up at {where} ({whose})" before "up at {where}".
        self._forms = sorted((each for each in forms if each.letters), key=lambda each: -each.marks)
        self._commands = "\n".join(messages.values())
        self._said: Callable[[str], str] = functools.lru_cache(1000)(self._phrase)

    def translated(self, text: str) -> str:
        """Return a text of any number of lines; what is not known in it stays as it is."""
        return "".join(map(self._line, text.splitlines(keepends=True)))

    def _line(self, line: str) -> str:
        if len(line) > _LONGEST:
            return line
        body = line.rstrip("\r\n")
        cells = _COLUMNS.split(body)
        if len(cells) == 1:
            # What fills a column may come alone.
            text = body.rstrip()
            cells = [text, body[len(text) :]] if text != body else cells
        told = ""
        for at in range(0, len(cells), 2):
            gap = cells[at + 1] if at + 1 < len(cells) else ""
            told += self._cell(cells[at], gap, is_alone=len(cells) == 1)
        return _pairs(told) + line[len(body) :]

    def _cell(self, text: str, gap: str, *, is_alone: bool) -> str:
        """Return a cell and what follows it, so that the next column stands where it stood."""
        if not text:
            return gap
        said = None if is_alone else self._whole.get(_LABEL + text)
        said = said or self._headed(text)
        if not gap or said == text:
            return said + gap
        return said + " " * max(1, columns_of(text) + len(gap) - columns_of(said))

    def _headed(self, text: str) -> str:
        """Say a sentence, and what it says itself to be about."""
        said = self._said(text)
        head = _HEAD.match(text)
        about = self._whole.get(_LABEL + head[1]) if head else None
        if head is None or about is None:
            return said
        headed = f"{about}：{self._said(text[head.end() :])}"
        return headed if left_over(headed) <= left_over(said) else said

    def _phrase(self, text: str) -> str:
        """Say a text, or leave it as it is: one half of it in each language helps nobody."""
        forms = [form for form in self._forms if form.longest in text]
        said = Phrasing(self._whole, forms).said(text)
        # Commands are the same in a translation.
        left = [each for each in half_said(said) if " " not in each or each not in self._commands]
        return text if left else unquoted(said)


def _pairs(text: str) -> str:
    """Close each parenthesis as it was opened."""
    if "（" not in text:
        return text
    opened: list[str] = []
    told = []
    for each in text:
        if each in "(（":
            opened.append(each)
        elif each in ")）" and opened:
            told.append("）" if opened.pop() == "（" else ")")
            continue
        told.append(each)
    return "".join(told)
