"""The settings as text: what is meant changes, and nothing else, whatever stands around it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from headrace.cli.upkeep.settings.text import (
    with_mirror,
    with_word,
    without_mirror,
    without_word,
)
from headrace.errors import ConfigurationError

HERE = Path("config.toml")
FULL = b"""\
# what I know of my line
store_limit = 5 # bytes
disabled_mirrors = [ # slow ones
  "a",  # since March
  "b",
]

# the campus
[[mirror]]
id = "campus" # keep me
url = "https://campus.example"

# the lab
[[mirror]]
id = "lab"
url = "https://lab.example"
"""


def test_a_word_is_put_into_a_list_and_every_comment_stays() -> None:
    after = with_word(FULL, "disabled_mirrors", "c", HERE)
    assert tomllib.loads(after.decode())["disabled_mirrors"] == ["a", "b", "c"]
    assert {line for line in FULL.splitlines() if b"#" in line} <= set(after.splitlines())


def test_a_list_that_is_not_there_is_made_above_the_first_table_and_its_comment() -> None:
    after = with_word(FULL, "enabled_mirrors", "q", HERE)
    lines = after.decode().splitlines()
    assert lines.index('enabled_mirrors = ["q"]') < lines.index("# the campus")
    assert lines[lines.index("# the campus") + 1] == "[[mirror]]"
    assert set(FULL.splitlines()) <= set(after.splitlines())


def test_a_word_that_is_taken_out_leaves_the_others_and_their_comments() -> None:
    after = without_word(FULL, "disabled_mirrors", "b", HERE)
    assert tomllib.loads(after.decode())["disabled_mirrors"] == ["a"]
    assert b"since March" in after
    assert b"slow ones" in after


@pytest.mark.parametrize("key", ["disabled_mirrors", "enabled_mirrors"])
def test_what_is_there_already_or_not_there_changes_no_byte(key: str) -> None:
    assert with_word(FULL, "disabled_mirrors", "a", HERE) == FULL
    assert without_word(FULL, key, "nobody", HERE) == FULL
    assert without_mirror(FULL, "nobody", HERE) == FULL


def test_a_mirror_comes_to_the_end_and_goes_again_without_a_trace() -> None:
    fields: dict[str, str | bool] = {"id": "new", "url": "https://new.example", "login": True}
    after = with_mirror(FULL, fields, HERE)
    assert after.startswith(FULL)
    assert tomllib.loads(after.decode())["mirror"][-1] == fields
    assert without_mirror(after, "new", HERE) == FULL


def test_the_comment_above_the_next_mirror_stays_when_one_goes() -> None:
    after = without_mirror(FULL, "campus", HERE)
    assert [each["id"] for each in tomllib.loads(after.decode())["mirror"]] == ["lab"]
    assert b"# the lab" in after
    assert b"# the campus" in after
    assert b"keep me" not in after


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing yet",
        b"store_limit = 1",
        "\ufeffstore_limit = 1\n".encode(),
        b"store_limit = 1\r\ndisabled_mirrors = ['a']\r\n",
        b"disabled_mirrors = []\n[[mirror]]\nid='x'\nurl='http://x'\n",
        b"target = '''\n[not a table]\n'''\n",
    ],
)
def test_every_edit_means_itself_and_can_be_taken_back(content: bytes) -> None:
    before = tomllib.loads(content.decode("utf-8-sig"))
    word = with_word(content, "disabled_mirrors", "new", HERE)
    mirror = with_mirror(word, {"id": "m", "url": "http://m"}, HERE)
    told = tomllib.loads(mirror.decode("utf-8-sig"))
    assert told["disabled_mirrors"] == [*before.get("disabled_mirrors", []), "new"]
    assert told["mirror"] == [*before.get("mirror", []), {"id": "m", "url": "http://m"}]
    gone = without_mirror(without_word(mirror, "disabled_mirrors", "new", HERE), "m", HERE)
    assert {"disabled_mirrors": [], **before} == {
        "disabled_mirrors": [],
        **tomllib.loads(gone.decode("utf-8-sig")),
    }
    assert gone.startswith("\ufeff".encode()) == content.startswith("\ufeff".encode())
    if b"\r\n" in content:
        assert mirror.count(b"\n") == mirror.count(b"\r\n")


def test_what_cannot_be_edited_alone_stays_and_is_told() -> None:
    inline = b"mirror = [{id = 'a', url = 'http://a'}]\n"
    with pytest.raises(ConfigurationError) as told:
        with_mirror(inline, {"id": "b", "url": "http://b"}, HERE)
    assert told.value.reference == "not-edited"
    assert "headrace config edit" in told.value.hint
