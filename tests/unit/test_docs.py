"""The pages for people: both languages say the same, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from headrace.cli.command_line import COMMANDS, parsers
from headrace.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CHINESE = [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs" / "zh").glob("*.md"))]
PAGES = [*ENGLISH, *CHINESE]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_SENTENCE = re.compile(r"[a-z]+ [a-z]+ [a-z]+ [a-z]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    """A page without what is to be copied."""
    return _FENCE.sub("", path.read_text("utf-8"))


def headings(path: Path) -> list[str]:
    return re.findall(r"^(#+) .+$", text_of(path), re.MULTILINE)


def rows(path: Path) -> list[int]:
    """The number of cells of each row of each table."""
    lines = text_of(path).splitlines()
    return [_CODE.sub("", line).count("|") for line in lines if line.startswith("|")]


def anchors(path: Path) -> set[str]:
    """What GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", _CODE.sub(r"\1", title).lower()) for title in titles)
    return {title.strip().replace(" ", "-") for title in kept}


def twin(path: Path) -> Path:
    if path.parent == ROOT:
        return ROOT / "README.zh-CN.md"
    return ROOT / "docs" / "zh" / path.name


def test_every_page_is_there_in_both_languages() -> None:
    assert [twin(path) for path in ENGLISH] == CHINESE


@pytest.mark.parametrize("path", ENGLISH, ids=name_of)
def test_the_chinese_page_has_the_same_headings_tables_and_commands(path: Path) -> None:
    other = twin(path)
    assert headings(other) == headings(path)
    assert rows(other) == rows(path)
    assert _FENCE.findall(other.read_text("utf-8")) == _FENCE.findall(path.read_text("utf-8"))
    code = {word for word in _CODE.findall(text_of(path)) if not word.isalpha()}
    assert code - set(_CODE.findall(text_of(other))) == set()


@pytest.mark.parametrize("path", CHINESE, ids=name_of)
def test_a_chinese_page_is_written_in_chinese(path: Path) -> None:
    lines = (_CODE.sub("", line) for line in text_of(path).splitlines())
    assert [line for line in lines if _SENTENCE.search(line) and not _HAN.search(line)] == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(text_of(path)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def commands(path: Path) -> list[str]:
    """Each ``headrace …`` that a page has, in a block or in a line."""
    text = path.read_text("utf-8")
    blocks = [line for _, block in _FENCE.findall(text) for line in block.splitlines()]
    lines = [line.partition("  #")[0].strip(" $") for line in blocks]
    lines += _CODE.findall(text_of(path))
    return [line.removeprefix("sudo ") for line in lines if re.match(r"(sudo )?headrace ", line)]


@pytest.mark.parametrize("path", ENGLISH, ids=name_of)
def test_a_command_of_a_page_is_one_that_there_is(path: Path) -> None:
    parser, _ = parsers()
    for command in commands(path):
        if command.split()[1:] in [[name] for name in COMMANDS]:
            continue  # it is spoken of
        words = command.replace("…", "x").replace(r"\|", "|").partition(" | ")[0]
        try:
            parser.parse_args(shlex.split(words)[1:])
        except UsageError as error:
            pytest.fail(f"{command}: {error.message}")
        except SystemExit as end:  # of a version, which is told at once
            if end.code:
                raise


def test_nothing_stands_twice_in_the_changelog() -> None:
    # Lines of two branches are both kept when they are merged, also where one is the other's next
    # wording.
    begun = [line[:60] for line in (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()]
    long = [line for line in begun if len(line) == 60]
    assert sorted(long) == sorted(set(long))
