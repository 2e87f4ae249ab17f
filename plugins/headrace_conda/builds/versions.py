"""Versions and conditions as conda writes them (`conda.models.version`, CEP 29). Pure.

Numbers are compared as text, so that one of any length costs what it is long.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import zip_longest

from headrace.interface import dataclass

__all__ = ["Condition", "compare", "condition", "satisfies"]

#: A number, a run of letters, or one without end (``post``), in an order in which letters come
#: before numbers: kind, length of the digits, text.
Part = tuple[int, int, str]
_ZERO: Part = (1, 0, "")
_PARTS = re.compile(r"[0-9]+|[^0-9]+")
_OPERATOR = re.compile(r"==|!=|<=|>=|~=|=|<|>|")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
#: ``=1.2``, ``==1.2`` and ``=1.2=build`` right behind a name.
_GLUED = re.compile(r"(==?)([^=<>!~,|\s]+)(?:=([^=<>!~,|\s]+))?")
#: The same behind a space, with a version that is whole.
_PAIR = re.compile(r"([^=<>!~,|]+)=([^=<>!~,|]+)")

_JOINING = ",|<>=!~"
#: Characters of a version times those of what is wanted: more is neither.
_LARGEST = 20_000


@dataclass(frozen=True, slots=True)
class Condition:
    """A line of ``depends`` or ``constrains``: a name, and which of it will do."""

    name: str
    version: str = ""
    """Empty: any."""
    build: str = ""
    """A pattern with ``*``; empty: any."""
    unread: bool = False
    """It says something that is not read here (brackets); what is read is not all."""

    def __str__(self) -> str:
        """Give it as it stands in a record."""
        version = self.version or ("*" if self.build else "")
        return " ".join(part for part in (self.name, version, self.build) if part)

    def met_by(self, version: str | None, build: str | None = None) -> bool:
        """Whether a package of that name will do, as far as its version and build are known."""
        if version is not None and self.version and not satisfies(version, self.version):
            return False
        return build is None or not self.build or _like(build, self.build)


@lru_cache(maxsize=4096)
def condition(text: str) -> Condition | None:
    """Read a condition in either form: with spaces, or as a user writes it; None: it is none."""
    text = text.rpartition("::")[2]
    unread = "[" in text
    text = text.partition("[")[0].partition(";")[0].strip()
    found = _NAME.match(text)
    if found is None:
        return None
    name, rest = found[0].lower(), text[found.end() :].strip()
    words = _words(rest)
    if len(words) == 1 and (glued := _GLUED.fullmatch(words[0])):
        # With a build beside it a version is meant as a whole.
        loose = glued[1] == "=" and not glued[3]
        version = "" if glued[2] == "*" else f"{'=' if loose else '=='}{glued[2]}"
        return Condition(name, version, _any(glued[3] or ""), unread)
    if len(words) > 2:
        return Condition(name, unread=True)
    if len(words) == 1 and (pair := _PAIR.fullmatch(words[0])):
        words = [pair[1], pair[2]]
    version, build = (*words, "", "")[:2]
    if any("=" in part.lstrip(_JOINING) for part in re.split(r"[,|]", version)):
        return Condition(name, unread=True)
    return Condition(name, _any(version), _any(build), unread)


def _any(pattern: str) -> str:
    return "" if pattern.lstrip("=") == "*" else pattern


def _words(text: str) -> list[str]:
    """Split at white space, but for what stands around an operator or a comma."""
    joined: list[list[str]] = []
    for word in text.split():
        goes_on = joined and (joined[-1][-1][-1] in _JOINING or word[0] in _JOINING)
        if goes_on:
            joined[-1].append(word)
        else:
            joined.append([word])
    return ["".join(parts) for parts in joined]


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version is one of those wanted; what cannot be read is taken for a yes."""
    if any(mark in wanted for mark in "()^$") or len(version) * len(wanted) > _LARGEST:
        return True
    # ``|`` is or, ``,`` is and.
    return any(
        all(_one(version, part.strip()) for part in either.split(",") if part.strip())
        for either in wanted.split("|")
    )


def _one(version: str, wanted: str) -> bool:
    found = _OPERATOR.match(wanted)
    operator = found[0] if found else ""
    right = wanted.removeprefix(operator).strip()
    if right in ("", "*"):
        return operator != "!="
    open_end = right.endswith("*")
    right = right.rstrip("*").rstrip(".") if open_end else right
    if "*" in right:
        return True
    if operator in ("<", ">", "<=", ">="):
        order = compare(version, right)
        return {"<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[operator]
    if operator == "~=":
        return compare(version, right) >= 0 and _begins(version, right.rpartition(".")[0])
    # A bare version is that version and no other; ``=`` and ``.*`` mean all that begin with it.
    same = _begins(version, right) if open_end or operator == "=" else not compare(version, right)
    return same != (operator == "!=")


def compare(left: str, right: str) -> int:
    """Give -1, 0 or 1, as a list is sorted: what is left out counts as 0."""
    for mine, other in zip_longest(_parsed(left), _parsed(right), fillvalue=((_ZERO,),)):
        for one, two in zip_longest(mine, other, fillvalue=(_ZERO,)):
            for first, second in zip_longest(one, two, fillvalue=_ZERO):
                if first != second:
                    return -1 if first < second else 1
    return 0


def _begins(version: str, start: str) -> bool:
    """Whether a version is another one, or goes on behind it."""
    (epoch, mine, _), (other_epoch, other, local) = _parsed(version), _parsed(start)
    if epoch != other_epoch or any(local):
        return not compare(version, start)
    if not other:
        return True
    mine = (*mine, *((_ZERO,),) * (len(other) - len(mine)))
    last, there = other[-1], mine[len(other) - 1]
    if mine[: len(other) - 1] != other[:-1] or there[: len(last) - 1] != last[:-1]:
        return False
    at = there[len(last) - 1] if len(there) >= len(last) else _ZERO
    return at == last[-1] or (last[-1][0] == at[0] == 0 and at[2].startswith(last[-1][2]))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[tuple[tuple[Part, ...], ...], ...]:
    """Split a version into epoch, what counts, and what stands behind a ``+``."""
    text = text.strip().lower()
    epoch, mark, rest = text.partition("!")
    main, _, local = (rest if mark else text).partition("+")
    return ((_component(epoch if mark else "0"),), _components(main), _components(local))


def _components(text: str) -> tuple[tuple[Part, ...], ...]:
    # A final underscore belongs to what is before it (openssl's 1.0.1_).
    end = "_" if text.endswith("_") else ""
    split = re.split(r"[._-]", text.removesuffix("_")) if text else []
    if split and end:
        split[-1] += end
    return tuple(map(_component, split))


def _component(text: str) -> tuple[Part, ...]:
    parts = tuple(map(_part, _PARTS.findall(text)))
    # 1.a is 1.0a: a number begins each.
    return parts if parts and parts[0][0] == 1 else (_ZERO, *parts)


def _part(text: str) -> Part:
    if text[0].isdecimal():
        digits = text.lstrip("0")
        return (1, len(digits), digits)
    # Capitals come before all others.
    return (2, 0, "") if text == "post" else (0, 0, "DEV" if text == "dev" else text)


def _like(text: str, pattern: str) -> bool:
    """Whether a text is like a pattern with ``*``; a regular expression is taken for a yes."""
    if pattern.startswith("^"):
        return True
    first, *others = pattern.lower().split("*")
    text = text.lower()
    if not others:
        return text == first
    if not text.startswith(first):
        return False
    *middle, last = others
    at = len(first)
    for each in middle:
        at = text.find(each, at)
        if at < 0:
            return False
        at += len(each)
    return len(text) - len(last) >= at and text.endswith(last)
