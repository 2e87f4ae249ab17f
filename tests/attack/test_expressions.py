"""No regular expression of the code looks at a long run of characters again and again.

Each is found in the code and tried on texts that are made of its own parts, repeated: what matches
one part, or several that follow each other, many times over, with and without an end that fits
nowhere. One that costs more than its input is mended, or its input is bounded before it and that
stands in `BOUNDED`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from headrace.interface import catalogue
from lib.hostile.cost import growth

ROOT = Path(__file__).resolve().parents[2]
#: Characters at which a quadratic search shows; a linear one takes microseconds.
MOST = 4000
BOUND = 9

#: Expressions that cost more than their input, and what keeps that short.
BOUNDED: dict[tuple[str, str], str] = {}


@dataclass(frozen=True, slots=True)
class Expression:
    file: str
    name: str
    """Of the module's variable; empty: it is used where it stands."""
    pattern: str | bytes
    flags: int
    methods: tuple[str, ...]
    """How it is used."""


def expressions() -> Iterator[Expression]:
    for path in sorted([*(ROOT / "shared").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]):
        tree = ast.parse(path.read_text("utf-8"))
        file = path.relative_to(ROOT).as_posix()
        constants = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        named = {id(value): name for name, value in constants.items()}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not _is_of_re(node.func) or not node.args:
                continue
            pattern = _text(node.args[0], constants)
            if pattern is None:  # made at run time, of words of our own
                continue
            method, name = getattr(node.func, "attr", ""), named.get(id(node), "")
            used = (method,) if method != "compile" else _methods(tree, name)
            flags = sum(_flags(node, method), 0)
            yield Expression(file, name, pattern, flags, used)


def _is_of_re(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id == "re"
    )


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> str | bytes | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        return node.value
    if isinstance(node, ast.Name) and node.id in constants:
        return _text(constants[node.id], constants)
    if isinstance(node, ast.JoinedStr):
        parts = [
            _text(each.value if isinstance(each, ast.FormattedValue) else each, constants)
            for each in node.values
        ]
        return "".join(map(str, parts)) if None not in parts else None
    return None


def _flags(node: ast.Call, method: str) -> Iterator[int]:
    given = node.args[{"sub": 4}.get(method, 2 if method != "compile" else 1) :]
    for each in [*given, *(word.value for word in node.keywords if word.arg == "flags")]:
        for part in ast.walk(each):
            if isinstance(part, ast.Attribute):
                yield int(getattr(re, part.attr))


def _methods(tree: ast.Module, name: str) -> tuple[str, ...]:
    """Return how a variable's expression is used; given to others, it is matched."""
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        and node.attr in ("search", "match", "fullmatch", "findall", "finditer", "sub", "split")
    }
    return tuple(sorted(used)) or ("match" if name else "search",)


EXPRESSIONS = list(expressions())


def samples(items: Any) -> Iterator[str]:
    """Give a text for each part of a parsed pattern in order: loops once, choices the first."""
    for kind, value in items:
        if kind is kinds.LITERAL:
            yield chr(value)
        elif kind is kinds.NOT_LITERAL:
            yield "b" if value == ord("a") else "a"
        elif kind is kinds.ANY:
            yield "a"
        elif kind is kinds.IN:
            yield _member(value)
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            least, _, inner = value
            yield from ["".join(samples(inner)) * max(1, least)]
        elif kind is kinds.SUBPATTERN:
            yield from samples(value[3])
        elif kind is kinds.ATOMIC_GROUP:
            yield from samples(value)
        elif kind is kinds.BRANCH:
            yield "".join(samples(value[1][0]))


def _member(items: Any) -> str:
    tests = [_fits(kind, value) for kind, value in items if kind is not kinds.NEGATE]
    negated = any(kind is kinds.NEGATE for kind, _ in items)
    for character in "a0 -_.:/=,;'\"?&#@\t\n[]{}()<>+*!~%\\^A\u00e9":
        if any(test(character) for test in tests) is not negated:
            return character
    return "a"


def _fits(kind: Any, value: Any) -> Callable[[str], bool]:
    if kind is kinds.LITERAL:
        return lambda c: ord(c) == value
    if kind is kinds.RANGE:
        return lambda c: value[0] <= ord(c) <= value[1]
    classes: dict[Any, Callable[[str], bool]] = {
        kinds.CATEGORY_DIGIT: str.isdigit,
        kinds.CATEGORY_NOT_DIGIT: lambda c: not c.isdigit(),
        kinds.CATEGORY_SPACE: str.isspace,
        kinds.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
        kinds.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
        kinds.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
    }
    return classes[value]


def loops(items: Any) -> Iterator[str]:
    """Give a text for every loop at any depth."""
    for kind, value in items:
        if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            yield "".join(samples(value[2]))
            yield from loops(value[2])
        elif kind is kinds.SUBPATTERN:
            yield from loops(value[3])
        elif kind is kinds.ATOMIC_GROUP:
            yield from loops(value)
        elif kind is kinds.BRANCH:
            for each in value[1]:
                yield from loops(each)


def shapes(expression: Expression) -> set[tuple[str, str, str]]:
    """Give (before, what is repeated, after)."""
    pattern = expression.pattern
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    parsed = parser.parse(text, expression.flags & ~re.ASCII)
    parts = [part for part in samples(parsed) if part]
    found: set[tuple[str, str, str]] = set()
    for start in range(len(parts)):
        before = "".join(parts[:start])
        for end in range(start + 1, min(start + 5, len(parts)) + 1):
            piece = "".join(parts[start:end])
            found |= {
                (before, piece, "\0"),
                ("", piece, "\0"),
                (before, piece, "".join(parts[end:])),
            }
    whole = "".join(parts)
    for piece in loops(parsed):
        if piece:
            found |= {("", piece, "\0"), (whole, piece, "\0"), ("", piece + whole, "\0")}
            found |= {
                (before, piece, "\0") for before in ("".join(parts[:n]) for n in range(len(parts)))
            }
    return found


def costs(expression: Expression) -> Iterator[str]:
    """Name texts that cost more than their length."""
    compiled = re.compile(expression.pattern, expression.flags)
    for before, piece, after in shapes(expression):

        def call(size: int, shape: tuple[str, str, str] = (before, piece, after)) -> Any:
            head, body, tail = shape
            text: Any = head + body * (size // len(body)) + tail
            if isinstance(expression.pattern, bytes):
                text = text.encode("latin-1", "replace")
            return lambda: [_use(compiled, method, text) for method in expression.methods]

        if growth(call, MOST, least=60) >= BOUND:
            yield f"{before!r} {piece!r}… {after!r}"


def _use(compiled: Any, method: str, text: Any) -> object:
    if method in ("sub", "split", "findall", "finditer"):
        return list(compiled.finditer(text))
    return getattr(compiled, method)(text)


@pytest.mark.parametrize(
    "expression", EXPRESSIONS, ids=[f"{e.file}: {e.name or e.pattern!r}" for e in EXPRESSIONS]
)
def test_an_expression_costs_no_more_than_its_input(expression: Expression) -> None:
    if (expression.file, expression.name) in BOUNDED:
        assert any(costs(expression)), "it is linear now: take it out of `BOUNDED`"
    else:
        assert next(costs(expression), None) is None


def test_all_expressions_of_the_code_are_tried() -> None:
    called = r"\bre\.(?:compile|search|match|fullmatch|sub|split|findall|finditer)\("
    used = sum(
        len(re.findall(called, text))
        for folder in ("shared", "plugins")
        for text in (path.read_text("utf-8") for path in (ROOT / folder).rglob("*.py"))
    )
    # The end tag of an element, a table's header, what a setting may be, what stands between two
    # parts of a body (a row of test_cost_is_linear), an index of builds, how a file names one, and
    # of a Dockerfile what a line sets, and how one ends that goes on; a key's line in the settings
    # file, and a file whose name begins with a word; of a report names that are hidden and the
    # user's folder, and the forms of incidents, which stand in their table and are bounded; how
    # tags of well-known images are spelt, and cards named, which are data of ours
    # (test_spellings_of_tags_cost_no_more_than_a_tag); what a line of a .dockerignore means.
    made_at_run_time = 16
    assert len(EXPRESSIONS) == used - made_at_run_time


def test_spellings_of_tags_cost_no_more_than_a_tag() -> None:
    table = catalogue.table("images")
    patterns = [each for row in table["family"] for each in row["spellings"]]
    for pattern in (*patterns, *table["datacentre"]["words"]):
        assert next(costs(Expression("", "", pattern, 0, ("fullmatch",))), None) is None, pattern


@pytest.mark.parametrize("pattern", [r"([?&][^=&]*key[^=&]*=)x", r"a+b", r"\s*[=:]"])
def test_an_expression_that_is_not_linear_is_found(pattern: str) -> None:
    assert any(costs(Expression("", "", pattern, 0, ("search",))))
