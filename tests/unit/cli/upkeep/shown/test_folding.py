"""Sentences at any width: nothing is lost, nothing that is to be copied is broken, and Chinese is
counted as a terminal counts it.
"""

from __future__ import annotations

import pytest

from headrace.cli.upkeep.shown.folding import columns_of, cut, fold, hanging, padded

SENTENCES = [
    "all is well: pip, uv, conda go through it",
    "gateway  DOWN at http://127.0.0.1:8473/ (yours, kept up by systemd); `headrace doctor` tells",
    "         whoever runs it has the word; its address stands in your settings",
    "pip   routed      /root/.config/pip/pip.conf",
    "网关已停止，运行 `headrace on` 可以重新启动；校验和不符的文件不会交给任何工具（见文档）。",
    "文件 /home/李/项目/很长的文件夹/environment.yml 已还原",
    "",
    "word " * 60,
]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("text", SENTENCES)
def test_nothing_is_lost_and_only_one_piece_may_be_wider(text: str, width: int) -> None:
    lines = fold(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        whole = line.strip()
        alone = " " not in whole or (whole.startswith("`") and whole.count("`") == 2)
        assert columns_of(line) <= width or alone, line


def test_a_command_between_backticks_is_never_broken() -> None:
    command = "`headrace mirrors add https://mirror.example/pypi --layout files`"
    for width in range(20, 120):
        assert command in "\n".join(fold(f"what to do: {command}, then again", width))


def test_an_address_and_a_path_are_never_broken() -> None:
    for word in ("https://example.org/a-b/c?d=e%20f", "/home/me/a-folder/another/file-of-it.toml"):
        for width in range(20, 80):
            assert word in "\n".join(fold(f"it is kept in the file {word} since then", width))


def test_further_lines_hang_below_the_last_column() -> None:
    first, *rest = fold("gateway  up at http://127.0.0.1:8473/ and kept up by systemd", 40)
    assert first.startswith("gateway  up")
    assert rest
    assert all(line.startswith(" " * 9) and line[9] != " " for line in rest)
    assert hanging("pip   routed      /etc/pip.conf and more", 80) == " " * 18
    assert hanging("a sentence without columns", 80) == "  "
    assert hanging("    what is indented", 80) == "    "
    assert hanging(f"{'x' * 50}  too far to the right", 80) == "  "


def test_what_nobody_looks_at_stays_as_it_is() -> None:
    assert fold("word " * 100, None) == ["word " * 100]
    assert fold("one\ntwo", None) == ["one", "two"]


def test_a_chinese_character_takes_two_columns_and_a_line_may_end_after_it() -> None:
    text = "网" * 50
    lines = fold(text, 40)
    assert [columns_of(line) for line in lines] == [40, 40, 24]
    assert "".join("".join(lines).split()) == text


def test_no_line_begins_with_a_chinese_comma_or_ends_with_an_opening_bracket() -> None:
    text = "镜像，源站（网关）；缓存。校验和：分段，" * 6
    for width in range(20, 60):
        for line in fold(text, width):
            assert line.strip()[0] not in "，。；：）"
            assert line.strip()[-1] != "（"


def test_a_text_is_filled_up_and_cut_by_columns() -> None:
    assert padded("网关", 6) == "网关  "
    assert cut("网关已停止", 6) == "网关…"
    assert cut("as it is", 20) == "as it is"
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcdef", 0) == ""
