"""A number in a message agrees with its noun: "1 files" and "a int" are looked for in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for folder in ("shared", "plugins") for path in sorted((ROOT / folder).rglob("*.py"))]

#: What messages count. Units that are written short (s, ms, kB, MiB) have no plural.
COUNTED = (
    "attempts|bits|builds|bytes|caches|certificates|codings|commands|connections|days|digits|dots|"
    "downloads|drivers|edits|engines|entries|faults|fields|files|folders|fragments|GPUs|hops|hours|"
    "images|indexes|items|keys|layers|lines|links|locks|minutes|mirrors|mistakes|modules|months|"
    "objects|origins|packages|pages|parts|pauses|pieces|plugins|ports|processes|projects|ranges|"
    "records|releases|requests|retries|rows|seconds|segments|settings|shards|sources|steps|tables|"
    "tags|tasks|times|tokens|transfers|units|users|values|variants|versions|warnings|weeks|wheels|"
    "words|years"
)
_PLURAL = re.compile(rf"^ (?:(?:content|different|more|new|old|other|whole) )?(?:{COUNTED})\b")
_ARTICLE = re.compile(r"(?:^|[^A-Za-z<])[Aa] $")


def wrong(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield what cannot agree: a number before a plural, an article before any word, an s by if."""
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp) and {_text(node.body), _text(node.orelse)} == {"s", ""}:
            yield node.lineno, f"{ast.unparse(node)}: headrace.wording.noun does that"
        if not isinstance(node, ast.JoinedStr):
            continue
        for one, other in zip(node.values, node.values[1:], strict=False):
            # What is in capitals is a limit, and never one.
            number = isinstance(one, ast.FormattedValue) and not _is_limit(one.value)
            if number and _PLURAL.match(_text(other) or ""):
                yield node.lineno, f"{ast.unparse(one)}{_text(other)}: headrace.wording.counted"
            if isinstance(other, ast.FormattedValue) and _ARTICLE.search(_text(one) or ""):
                yield (
                    node.lineno,
                    f"{_text(one)}{ast.unparse(other)}: headrace.wording.with_article",
                )


def _is_limit(value: ast.expr) -> bool:
    return ast.unparse(value).rpartition(".")[2].isupper()


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_numbers_and_articles_agree_with_what_follows(path: Path) -> None:
    found = list(wrong(ast.parse(path.read_text("utf-8"))))
    assert not found, "\n".join(f"{path}:{line}: {what}" for line, what in found)


@pytest.mark.parametrize(
    "code",
    [
        'f"{n} files"',
        'f"in {len(a)} more files"',
        'f"must be a {kind}"',
        "f\"GPU{'s' if n > 1 else ''}\"",
        "f\"GPU{'' if n == 1 else 's'}\"",
    ],
)
def test_what_is_looked_for_is_found(code: str) -> None:
    assert list(wrong(ast.parse(code)))


@pytest.mark.parametrize("code", ["f\"{counted(n, 'file')} here\"", 'f"more than {_MOST} files"'])
def test_what_agrees_is_left_alone(code: str) -> None:
    assert not list(wrong(ast.parse(code)))
