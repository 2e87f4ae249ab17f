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
from collections.abc import Callable, Iterator, Mapping

from headrace.cli.upkeep.shown.folding import columns_of
from headrace.values import dataclass

__all__ = ["Sentences", "core_of"]

#: Between a message's context and its id (gettext's own).
_CONTEXT = "\x04"
_LABEL = f"label{_CONTEXT}"
_GAP = re.compile(r"\{(\w+)\}")
#: What stands in gaps of these names, with a number behind the name where there are several.
_KINDS = {
    "n": re.compile(r"[\d.,]+"),
    "counted": re.compile(r"[\d.,]+ [^;:.,]+"),
    "bytes": re.compile(r"[\d.]+ (?:bytes?|kB|MB|GB)"),
}
_COLUMNS = re.compile(r"( {2,})")
#: Where a sentence may consist of several, with what is not looked into: commands, names.
_JOINTS = tuple(
    re.compile(rf"`[^`]*`|(?<!\w)'[^'\n]*'(?!\w)|({marks})")
    for marks in (r"; |\. |(?<=\?) ", r": | \(|(?<=\))[,;:.]? ", ", ")
)
_MARKS = {"; ": "；", ". ": "。", ": ": "：", ", ": "，", " (": "（", " ": ""}
#: What a line may begin with: what it is about.
_HEAD = re.compile(r"([a-z]+(?: [a-z]+)?): (?=\S)")
#: Characters of a text that is looked at, and how many sentences one may consist of.
_LONGEST = 4000
_MOST_PIECES = 20
#: Where a gap may end, if what would stand in it does not belong there.
_MOST_ENDS = 4
#: How deep a sentence may stand within another.
_DEEPEST = 5
#: Of how many forms that a sentence might have the best is taken.
_MOST_TRIED = 3
#: Words that were not said in the other language; commands and names are in no language.
_LEFT = re.compile(r"`[^`]*`|(?<!\w)'[^'\n]*'|(?<![\w/.:=@-])([a-z]{2,})(?![\w/.:=@-])")
#: A form with fewer letters says little: what stands in its gaps must be a few words, and one with
#: so few characters for its number of gaps says nothing.
_FEW_LETTERS = 6
_LEAST = (0, 2, 3, 7)
_FEW_WORDS = re.compile(r"(?:'[^']*'|`[^`]*`|(?:\S*[^\s;:,.])?(?: \S*[^\s;:,.]){0,4})")
#: What a sentence goes on with behind its subject, which another part of the code may say.
_PREDICATE = re.compile(r"(?:must|is|has|are|cannot|was|needs|does|answers|gives) ")
_SUBJECT = "subject"
#: Between these a space is set, and between two wide characters none.
_WIDE = re.compile(r"[\u2e80-\u9fff]")
_NARROW = re.compile(r"[\w`'\"/\[(+~-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Form:
    """A sentence with gaps."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    translation: str
    longest: str
    letters: int
    marks: int
    is_terse: bool
    """It says next to nothing: what stands in its gaps must be single words."""

    def values(self, text: str) -> dict[str, str] | None:
        """Return what stands in the gaps of a text of this form; None where it has another."""
        if self.longest not in text or not text.startswith(self.literals[0]):
            return None
        end_of_all = len(text) - len(self.literals[-1])
        if not text.endswith(self.literals[-1]):
            return None
        found: dict[str, str] = {}
        at = len(self.literals[0])
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            is_last = len(found) == len(self.names) - 1
            end = end_of_all if is_last else text.find(literal, at)
            for _ in range(0 if is_last else _MOST_ENDS):
                if end < at or self._takes(name, text[at:end]):
                    break
                end = text.find(literal, end + 1)
            if end < at or not self._takes(name, text[at:end]):
                return None
            found[name] = text[at:end]
            at = end + len(literal)
        return found

    def said(self, values: Mapping[str, str]) -> str:
        """Return the translation with what stands in its gaps."""
        told = ""
        for at, part in enumerate(_GAP.split(self.translation)):
            told = _beside(told, values.get(part, "") if at % 2 else part)
        return told

    def _takes(self, name: str, value: str) -> bool:
        kind = _KINDS.get(name.rstrip("0123456789"))
        if kind is not None:
            return bool(kind.fullmatch(value))
        if self.is_terse:
            return " " not in value
        return self.letters >= _FEW_LETTERS or bool(_FEW_WORDS.fullmatch(value))


@dataclass(frozen=True, slots=True, order=True)
class _Said:
    """A part of a text, with the mark before it."""

    mark: str
    text: str
    is_known: bool


class Sentences:
    """The messages of one catalogue."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        """`messages` are translations by id, with a context as gettext writes it."""
        self._whole = {key: text for key, text in messages.items() if not _GAP.search(key)}
        forms = [_form(key, text) for key, text in messages.items() if _GAP.search(key)]
        forms += [
            _form(f"{{{_SUBJECT}}} {key}", f"{{{_SUBJECT}}} {text}")
            for key, text in messages.items()
            if _PREDICATE.match(key) and f"{{{_SUBJECT}}}" not in key
        ]
        forms = [each for each in forms if each.letters]
        # What says most first: "up at {where} ({whose})" before "up at {where}".
        self._forms = sorted(forms, key=lambda form: -form.marks)
        self._phrased: Callable[[str, int], str] = functools.lru_cache(1000)(self._phrase)

    def translated(self, text: str) -> str:
        """Return a text of any number of lines; what is not known in it stays as it is."""
        if len(text) > _LONGEST:
            return "".join(map(self._line, text.splitlines(keepends=True)))
        return _pairs("".join(map(self._line, text.splitlines(keepends=True))))

    def _line(self, line: str) -> str:
        if len(line) > _LONGEST:
            return line
        body = line.rstrip("\r\n")
        # What stands in one piece may be a cell of its own as well.
        cells = _COLUMNS.split(body) if _COLUMNS.search(body) else [body]
        if len(cells) == 1:
            end = body[len(body.rstrip()) :]
            return self._cell(body.rstrip(), end, label=bool(end)) + line[len(body) :]
        told = ""
        for at in range(0, len(cells), 2):
            gap = cells[at + 1] if at + 1 < len(cells) else ""
            told += self._cell(cells[at], gap, label=True)
        return told + line[len(body) :]

    def _cell(self, text: str, gap: str, *, label: bool) -> str:
        """Return a cell and what follows it, so that the next column stands where it stood."""
        if not text:
            return gap
        said = self._whole.get(_LABEL + text) if label else None
        head = None if said else _HEAD.match(text)
        if head and (about := self._whole.get(_LABEL + head[1])):
            said = f"{about}：{self._phrased(text[head.end() :], 0)}"
        said = said or self._phrased(text, 0)
        if not gap or said == text:
            return said + gap
        return said + " " * max(1, columns_of(text) + len(gap) - columns_of(said))

    def _phrase(self, text: str, depth: int) -> str:
        before, core, behind = core_of(text)
        if not core or depth > _DEEPEST:
            return text
        found = self._known(core, depth)
        if found is None or (core not in self._whole and _left(found)):
            parts = self._parts(core, depth, 0)
            if found is None or _left(parts) < _left(found):
                return before + parts + (behind if parts == core else _wide(behind))
        return _wide(before, begins=True) + found + _wide(behind)

    def _parts(self, text: str, depth: int, level: int) -> str:
        """Say the parts of what is no sentence that is known: those between the strongest marks
        first.
        """
        if level == len(_JOINTS):
            return text
        pieces = list(_pieces(text, _JOINTS[level]))
        if len(pieces) == 1 or len(pieces) > _MOST_PIECES:
            return self._parts(text, depth, level + 1)
        return self._joined(pieces, depth, level)

    def _joined(self, pieces: list[tuple[str, str]], depth: int, level: int) -> str:
        """Say sentences that stand side by side: of all ways to cut the text at its marks the one
        that leaves the fewest words over, and of those the one with the longest sentences.
        """
        # From the end: how many words are left over, how many sentences there are, and these.
        ways: list[tuple[int, int, list[_Said]]] = [(0, 0, [])]
        for at in range(len(pieces) - 1, -1, -1):
            mark, piece = pieces[at]
            said = self._of_piece(piece, depth)
            parts = self._parts(piece, depth, level + 1) if said is None else said
            options = [(1, _Said(mark, parts, parts != piece))]
            text = piece
            for end in range(at + 2, len(pieces) + 1):
                text += "".join(pieces[end - 1])
                found = self._of_piece(text, depth) if end - at < len(pieces) else None
                if found is not None:
                    options.append((end - at, _Said(mark, found, is_known=True)))
            ways.insert(0, min(_way(told, ways[length - 1]) for length, told in options))
        told, was_known = "", False
        for each in ways[0][2]:
            wide = was_known or (each.is_known and each.mark in (", ", " (", "; "))
            told += (_MARKS.get(each.mark, each.mark) if wide else each.mark) + each.text
            was_known = each.is_known
        return told

    def _of_piece(self, text: str, depth: int) -> str | None:
        before, core, behind = core_of(text)
        found = self._known(core, depth) if core else None
        return None if found is None else before + found + _wide(behind)

    def _known(self, text: str, depth: int) -> str | None:
        if text in self._whole:
            return self._whole[text]
        best: tuple[int, str] | None = None
        tried = 0
        for form in self._forms:
            values = form.values(text)
            if values is None:
                continue
            said = form.said(
                {key: self._phrased(value, depth + 1) for key, value in values.items()}
            )
            tried += 1
            if best is None or _left(said) < best[0]:
                best = (_left(said), said)
            if not best[0] or tried == _MOST_TRIED:
                break
        return best[1] if best else None


def _way(said: _Said, rest: tuple[int, int, list[_Said]]) -> tuple[int, int, list[_Said]]:
    return _left(said.text) + rest[0], 1 + rest[1], [said, *rest[2]]


def _left(text: str) -> int:
    return sum(bool(word[1]) for word in _LEFT.finditer(text))


def core_of(text: str) -> tuple[str, str, str]:
    """Return a sentence without the marks around it, and these: before, core, behind."""
    rest = text.lstrip(" ,;:")
    if rest.startswith("(") and rest.count("(") > rest.count(")"):
        rest = rest[1:]
    before = text[: len(text) - len(rest)]
    core = rest
    while core:
        shorter = core.rstrip(" ,;:")
        if (shorter.endswith(")") and shorter.count(")") > shorter.count("(")) or (
            shorter.endswith(".") and not shorter.endswith("..")
        ):
            shorter = shorter[:-1]
        if shorter == core:
            break
        core = shorter
    behind = rest[len(core) :]
    if _is_enclosed(core):
        before, core, behind = f"{before}(", core[1:-1], f"){behind}"
    return before, core, behind


def _is_enclosed(text: str) -> bool:
    """Whether one pair of parentheses is around all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for each in text[:-1]:
        depth += (each == "(") - (each == ")")
        if depth == 0:
            return False
    return True


def _beside(told: str, more: str) -> str:
    """Put two parts of a sentence together as Chinese has it: a space between wide and narrow
    characters, none between wide ones.
    """
    if not told or not more:
        return told + more
    last, first = told[-1], more[0]
    if (_WIDE.match(last) and _NARROW.match(first)) or (_NARROW.match(last) and _WIDE.match(first)):
        return f"{told} {more}"
    if last == " " and told[-2:-1] != " " and _WIDE.match(told[-2:-1]) and _WIDE.match(first):
        return told[:-1] + more
    if first == " " and more[1:2] != " " and _WIDE.match(last) and _WIDE.match(more[1:2]):
        return told + more[1:]
    return told + more


def _form(key: str, translation: str) -> _Form:
    parts = _GAP.split(key)
    literals, names = tuple(parts[::2]), tuple(parts[1::2])
    letters = sum(each.isalpha() for each in "".join(literals))
    words = sum(name.rstrip("0123456789") not in _KINDS for name in names)
    marks = len("".join("".join(literals).split()))
    is_terse = marks < _LEAST[min(words, len(_LEAST) - 1)]
    longest = max(literals, key=len)
    return _Form(literals, names, translation, longest, letters, marks, is_terse)


def _pieces(text: str, joints: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield each piece of a text with the mark that stands before it."""
    mark, at = "", 0
    for joint in joints.finditer(text):
        if joint[1]:
            yield mark, text[at : joint.start()]
            mark, at = joint[1], joint.end()
    yield mark, text[at:]


def _wide(marks: str, *, begins: bool = False) -> str:
    """Return marks as Chinese has them; within a line no space follows them."""
    if not marks.strip():
        return marks
    wide = marks.translate(str.maketrans(",;:.)", "，；：。）"))
    if begins:
        return wide.replace("(", "（").rstrip() if wide.strip() else wide
    return wide.rstrip()


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
