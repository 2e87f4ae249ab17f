"""YAML that every reader reads alike, whatever stands in it."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from headrace_docker.writing.beside.yaml_text import Noted, yaml_text

#: What is no text to one reader or another where it stands without quotes.
HOSTILE = (
    *("no", "Yes", "on", "off", "y", "n", "null", "~", "true", "1", "012", "0x1F", "1e3", "1_000"),
    *(
        "2222:22",
        "12:30:45",
        "2026-11-30",
        ".inf",
        ".nan",
        "=",
        "<<",
        "",
        " ",
        " x",
        "x ",
        "-",
        "?",
    ),
    *(
        "- x",
        "# x",
        "x # y",
        "a: b",
        "a:",
        "*x",
        "&x",
        "!x",
        "%x",
        "@x",
        "`x",
        "[x",
        "{x",
        "|",
        ">",
    ),
    *(
        "'",
        '"',
        "\\",
        "\\n",
        "x\ny",
        "\n",
        "\t",
        "\0",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
        "名",
        "😀",
    ),
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"])))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TEXTS, st.integers(-(2**40), 2**40), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(TEXTS.filter(lambda text: text != "<<"), inner, max_size=4),
    ),
    max_leaves=12,
)


def read(text: str) -> list[Any]:
    """Read by both versions of YAML; they agree."""
    newer = list(YAML(typ="safe", pure=True).load_all(io.StringIO(text)))
    older = list(yaml.safe_load_all(text))
    assert newer == older
    return newer


@settings(max_examples=60)
@given(st.dictionaries(TEXTS.filter(lambda text: text != "<<"), VALUES, max_size=5))
def test_what_is_written_is_what_is_read_by_old_and_new_readers(document: dict[str, Any]) -> None:
    assert read(yaml_text(document)) == [document]


@pytest.mark.parametrize("word", HOSTILE)
def test_a_word_stays_a_text_as_key_value_and_in_a_list(word: str) -> None:
    document = {"x": word, "y": [word], "z": {"w": [{"v": word}]}}
    if word != "<<":
        document[word] = "x"
    assert read(yaml_text(document)) == [document]


def test_comments_stand_above_what_they_are_about_and_change_nothing() -> None:
    noted = {
        "a": Noted({"b": Noted([1, 2], "two of them")}, "one line\nand another"),
        "c": [{"d": Noted("e", "inside a list")}, Noted({"f": True}, "a whole entry")],
    }
    text = yaml_text(noted, {"second": 2}, head="what it is")
    assert read(text) == [{"a": {"b": [1, 2]}, "c": [{"d": "e"}, {"f": True}]}, {"second": 2}]
    lines = text.splitlines()
    assert lines[0] == "# what it is"
    for comment, value in (
        ("# and another", "a:"),
        ("# two of them", "b: [1, 2]"),
        ("# inside a list", 'd: "e"'),
        ("# a whole entry", "- f: true"),
    ):
        at = next(number for number, line in enumerate(lines) if line.strip().endswith(comment))
        assert lines[at + 1].strip() == value, text
