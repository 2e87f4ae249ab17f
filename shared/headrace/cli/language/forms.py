"""The form of a sentence: its text with gaps, and what stood in them in a finished one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from headrace.values import dataclass

__all__ = [
    "GAP",
    "OTHERS",
    "PREDICATE",
    "VERBATIM",
    "Form",
    "core_of",
    "form_of",
    "half_said",
    "is_quote",
    "left_over",
    "quoted",
    "unquoted",
]

GAP = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"[\d.,]+")
_COUNTED = re.compile(r"[\d.,]++ [^;:.,]+")
_SOURCES = re.compile(r".+ \([^()]+\)")
_BYTES = re.compile(r"[\d.]++ (?:bytes?|kB|MB|GB)")
_ANY = re.compile(r".+")
#: What stands in gaps of these names, with a number behind the name where there are several.
_KINDS = {"n": _NUMBER, "counted": _COUNTED, "sources": _SOURCES, "bytes": _BYTES, "syntax": _ANY}
#: A form with fewer letters says little, and one with so few characters for its number of gaps says
#: nothing.
_FEW_LETTERS = 5
_LEAST = (0, 2, 3, 7)
#: What stands in a gap of this name is in no language.
VERBATIM = "syntax"
#: What stands in gaps of these names are the words of another program: what is not known of them is
#: repeated as it was said, and is no half of our own sentence.
OTHERS = ("last", "quoted")
#: They stand around such words until a text is done; no writing has these characters.
_BEGIN, _END = "\ue0f0", "\ue0f1"
_QUOTED = re.compile("\ue0f0[^\ue0f0\ue0f1]*\ue0f1")
_ONE_WORD = re.compile(r"\S*|'[^']*'|`[^`]*`")
_QUOTES = ("'", '"', "`")
#: Where a gap may end, if what would stand in it does not belong there.
_MOST_ENDS = 4
#: What a sentence goes on with behind its subject, which another part of the code may say.
PREDICATE = re.compile(
    r"(?:adds|answers|are|blocks|can|cannot|comes|covers|cuts|decides|does|gave|gives|goes|has|is|keeps"
    r"|knows|leads|makes|may|must|names|needs|runs|says|sends|serves|sets|stays|stops|takes|wants|was"
    r"|were|will) "
)
#: Words that were not said in the other language; commands and names are in no language.
_LEFT = re.compile(
    r"`[^`]*`|(?<!\w)'[^'\n]*'|\bheadrace [a-z]+|(?<![\w/.:=@-])(a|[a-z]{2,})(?![\w/.=@-]|:\S)"
)
#: What no name consists of: a word that joins others, or three in a row. What is copied, and where
#: something is, may.
_ENGLISH = re.compile(
    r"`[^`]*`|(?<!\w)'[^'\n]*'|\"[^\"\n]*\"|(?<!\S)[^\s/\\@=]*+[/\\@=]\S*|\bheadrace [a-z]+"
    r"|(?<![\w.:-])((?:an?|and|are|as|at|been|but|by|cannot|does|for|from|has|have|in|into|is|it|its"
    r"|not|of|on|or|than|that|the|their|there|they|this|to|was|were|which|will|with|without)"
    r"(?![\w.:-])|[a-z]{2,}+(?: [a-z]{2,}+){2})"
)
#: Between a wide and a narrow character a space is set, and between two wide ones none.
_WIDE = re.compile(r"[\u2e80-\u9fff]")
_WIDE_MARKS = tuple("，。；：！？（）、")
_NARROW = re.compile(r"[\w`'\"/\[(+~-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Form:
    """A sentence with gaps."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    translation: str
    longest: str
    """Of the literals: a text without it has another form."""
    letters: int
    marks: int
    """Characters of all literals: what says most is looked for first."""
    is_terse: bool
    """It says next to nothing: what stands in its gaps must be single words."""

    @property
    def is_weak(self) -> bool:
        """Whether a text may have this form by chance."""
        return self.letters < _FEW_LETTERS

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
        for at, part in enumerate(GAP.split(self.translation)):
            told = _beside(told, values.get(part, "") if at % 2 else part)
        return told

    def is_believed(self, values: Mapping[str, str], said: Mapping[str, str]) -> bool:
        """Whether a text with these values is meant by this form, and not by chance of it: what
        stands in a weak one is known itself, or single words; a number's noun is always known.
        """
        for name, value in values.items():
            is_known = unquoted(said[name]) != value
            if name.startswith("counted") and not is_known:
                return False
            if not self.is_weak or _kind(name) or _ONE_WORD.fullmatch(value):
                continue
            if not is_known or name == "name" or "; " in value or ". " in value:
                return False  # a name is one word
        return True

    def _takes(self, name: str, value: str) -> bool:
        kind = _kind(name)
        if kind is not None:
            return bool(kind.fullmatch(value))
        if self.is_terse:
            return " " not in value
        if name == "subject" and value.endswith((":", ",", ";")):
            return False  # it would stand in another sentence
        if value[:1] in _QUOTES and value.count(value[0]) == 1:
            return False  # it would end in the middle of what is quoted
        # What follows a sentence in this language (another one, or what to do about it) does not
        # stand in its middle in the other.
        follows = "; " in value or (
            name == self.names[-1] and not self.literals[-1] and _ends_with_hint(value)
        )
        return not follows or self.translation.endswith(f"{{{name}}}")


def _ends_with_hint(value: str) -> bool:
    """Whether a command stands at the end in parentheses: what to do."""
    return value.endswith(")") and "`headrace " in value.partition(" (")[2]


def _kind(name: str) -> re.Pattern[str] | None:
    return _KINDS.get(name.rstrip("0123456789"))


def form_of(key: str, translation: str) -> Form:
    """Return the form of a message."""
    parts = GAP.split(key)
    literals, names = tuple(parts[::2]), tuple(parts[1::2])
    letters = sum(each.isalpha() for each in "".join(literals))
    words = sum(_kind(name) is None for name in names)
    marks = len("".join("".join(literals).split()))
    is_terse = marks < _LEAST[min(words, len(_LEAST) - 1)]
    longest = max(literals, key=len)
    return Form(literals, names, translation, longest, letters, marks, is_terse)


def left_over(text: str) -> int:
    """Count the words of a text that are English still."""
    return sum(bool(word[1]) for word in _LEFT.finditer(_QUOTED.sub("", text)))


def half_said(text: str) -> list[str]:
    """Return the words of a sentence that is English still in a text of both languages."""
    if not _WIDE.search(text):
        return []
    return [found[1] for found in _ENGLISH.finditer(_QUOTED.sub("", text)) if found[1]]


def quoted(words: str) -> str:
    """Return words of others, so that they are not looked at any more."""
    return f"{_BEGIN}{unquoted(words)}{_END}"


def is_quote(text: str) -> bool:
    """Whether words of others are the end of a text, so that what follows is theirs, too."""
    return text.endswith(_END)


def unquoted(text: str) -> str:
    """Return a text that is done."""
    return text.replace(_BEGIN, "").replace(_END, "")


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
    """Put two parts of a sentence together as Chinese has it."""
    if not told or not more:
        return told + more
    if told.endswith(_WIDE_MARKS) or more.lstrip(" ").startswith(_WIDE_MARKS):
        return told.rstrip(" ") + more.lstrip(" ")
    last, first = told[-1], more[0]
    if (_WIDE.match(last) and _NARROW.match(first)) or (_NARROW.match(last) and _WIDE.match(first)):
        return f"{told} {more}"
    if last == " " and told[-2:-1] != " " and _WIDE.match(told[-2:-1]) and _WIDE.match(first):
        return told[:-1] + more
    if first == " " and more[1:2] != " " and _WIDE.match(last) and _WIDE.match(more[1:2]):
        return told + more[1:]
    return told + more
