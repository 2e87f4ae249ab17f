"""A finished sentence is known again by its form, and what is not known stays as it is."""

from __future__ import annotations

import pytest

from headrace.cli.language.forms import core_of
from headrace.cli.language.sentences import Sentences

MESSAGES = {
    "{n} file": "{n} 个文件",
    "{n} files": "{n} 个文件",
    "up at {where} ({whose})": "运行于 {where}（{whose}）",
    "yours": "你自己的",
    "the machine's": "整台机器的",
    "must be {kind} from {least} to {most} ({what})": "必须是 {least} 到 {most} 的{kind}（{what}）",
    "must be {allowed}": "必须是{allowed}",
    "a whole number": "整数",
    "a port": "端口",
    "not {value}": "而不是 {value}",
    "{what} is here": "{what} 在这里",
    "as it was": "已还原",
    "no mirror is called {mirror}": "没有叫 {mirror} 的镜像",
    "did you mean {found}?": "是不是想写 {found}？",
    "nothing was changed": "什么都没有改动",
    "say it again": "再说一次",
    "label\x04state": "状态",
    "routed": "已接入",
    "{a} with {b} of {c}": "乱",
    "{what}: not tried: {why}": "{what}：没有试：{why}",
    "there is no {value}": "没有 {value}",
    "there is nothing of {value}": "没有 {value} 的东西",
    "{n} more": "另有 {n} 个",
    "needs {what}": "需要{what}",
    "not {named}: {why}": "不选 {named}：{why}",
    "{name} does not answer: {last}": "{name} 没有回应：{last}",
    "`headrace status` shows all": "`headrace status` 列出全部",
}


@pytest.fixture(scope="module")
def say() -> Sentences:
    return Sentences(MESSAGES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3 files", "3 个文件"),
        ("Say it again.", "再说一次。"),
        ("up at http://[::1]:8/ (yours)", "运行于 http://[::1]:8/（你自己的）"),
        # A sentence's end, and what stands around it, become Chinese with it.
        ("As before. Say no more.", "As before. Say no more."),
        ("say it again; nothing was changed.", "再说一次；什么都没有改动。"),
        ("/a b/c: as it was", "/a b/c: 已还原"),
        # What one part of the code says of what another names.
        (
            "port must be a whole number from 0 to 9 (a port), not 'a: b'",
            "port 必须是 0 到 9 的整数（端口），而不是 'a: b'",
        ),
        (
            "no mirror is called 'x'; did you mean 'y'?",
            "没有叫 'x' 的镜像；是不是想写 'y'？",
        ),
        # A word before a colon is left over, too, where another form would leave it.
        ("conda: not tried: there is no conda", "conda：没有试：没有 conda"),
        # What to do about it stands behind a sentence, also where its gap does not.
        (
            "there is nothing of conda (`headrace status` shows all)",
            "没有 conda 的东西（`headrace status` 列出全部）",
        ),
        # The end of a list, and of what something else is said.
        ("there is nothing of q, r and 5 more", "没有 q, r，另有 5 个的东西"),
        ("not q-1: needs thing 5", "不选 q-1：需要 thing 5"),
        # What another program said is repeated, and is no half of a sentence.
        (
            "q does not answer: nothing of all that is here",
            "q 没有回应：nothing of all that is here",
        ),
        ("q does not answer: a port", "q 没有回应：端口"),
        # Whose name has Latin letters has a space before it, whose has none does not.
        ("torch is here", "torch 在这里"),
        ("a port is here", "端口在这里"),
    ],
)
def test_a_sentence_is_said_by_its_form(say: Sentences, text: str, said: str) -> None:
    assert say.translated(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "  ",
        "this was said by somebody else; who knows",
        "start it with its GPUs of that host",  # a form of two letters means nothing
        "many files",  # n is a number
        "run `3 files; as it was` now",  # a command is copied
        "it is named '3 files'",
    ],
)
def test_what_is_not_known_stays_as_it_is(say: Sentences, text: str) -> None:
    assert say.translated(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "/a is here and 3 files",  # joined in a way that nobody wrote
        "no mirror is called pip; say no more of it",
        "must be said by somebody (yours)",
        "up at /a (wherever that may be)",
    ],
)
def test_a_sentence_that_is_known_by_half_stays_as_it_is(say: Sentences, text: str) -> None:
    assert say.translated(text) == text


def test_a_command_in_a_translation_is_no_english_that_is_left() -> None:
    messages = {"have {file} made anew by uv pip compile": "用 uv pip compile 重新生成 {file}"}
    said = Sentences(messages).translated("have a.txt made anew by uv pip compile")
    assert said == "用 uv pip compile 重新生成 a.txt"


def test_lines_stay_lines_and_columns_stand_where_they_stood(say: Sentences) -> None:
    text = "tool   state       by\npip    routed      3 files\r\n       yours\n"
    said = "tool   状态        by\npip    已接入      3 个文件\r\n       你自己的\n"
    assert say.translated(text) == said


def test_a_label_is_one_before_a_column_alone(say: Sentences) -> None:
    assert say.translated("state") == "state"
    assert say.translated("state    3 files") == "状态     3 个文件"
    assert say.translated("state: 3 files") == "状态：3 个文件"


def test_text_of_others_costs_no_more_than_it_is_long(say: Sentences) -> None:
    # Each is cut at its marks; more of them than a person writes are left alone.
    for hostile in (
        "must be " * 500,
        "a: " * 1300,
        "(; " * 1300,
        "(" * 4000,
        " " * 4000,
        "x" * 10**6,
    ):
        assert say.translated(hostile)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nothing.", ("", "nothing", ".")),
        (", and more)", (", ", "and more", ")")),
        ("(by hand)", ("(", "by hand", ")")),
        ("a (b)", ("", "a (b)", "")),
        ("(a) b (c)", ("", "(a) b (c)", "")),
        ("wait ...", ("", "wait ...", "")),
        (": (", (": (", "", "")),
    ],
)
def test_the_marks_around_a_sentence_are_no_part_of_it(
    text: str, parts: tuple[str, str, str]
) -> None:
    assert core_of(text) == parts
    assert "".join(core_of(text)) == text
