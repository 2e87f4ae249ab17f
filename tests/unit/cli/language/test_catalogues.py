"""Each message of the command line has a translation, and each translation belongs to one."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from headrace.cli import summary
from headrace.cli.language.sentences import Sentences
from lib.translations.found import messages, of_code
from lib.translations.kept import CATALOGUES, compiled, read, renewed, written

#: What agrees with a number or a plural in English has no place in Chinese.
MAY_GO = re.compile(r"\{(?:noun|are|goes)\d*\}")
#: What is put into the gaps of a name; names that are not here have one of their own.
VALUES = {"n": "7", "counted": "7 files", "bytes": "7.0 MB", "sources": "q (x)"}
GAP = re.compile(r"\{\w+\}")
HOW = "`PYTHONPATH=tests python -m lib.translations` brings the file to the code; then translate"
#: Chinese words that mean what another one of ours means (docs/zh has the right one).
WRONG_WORDS = {
    "镜象": "镜像",
    "缓存": "存储",
    "网管": "网关",
    "校验码": "摘要",
    "哈希值": "摘要",
    "您": "你",
}


@pytest.fixture(params=CATALOGUES, ids=lambda path: path.parents[1].name)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@functools.cache
def said(path: Path) -> Mapping[str, str]:
    catalogue = read(path)
    return {
        f"{each.context}\x04{each.id}" if each.context else str(each.id): str(each.string)
        for each in catalogue
        if each.id
    }


def test_there_is_chinese() -> None:
    assert [each.parents[1].name for each in CATALOGUES] == ["zh_CN"]


def test_every_message_is_translated(path: Path) -> None:
    told = said(path)
    missing = [f"{place}: {key}" for key, place in messages().items() if not told.get(key)]
    assert not missing, f"{HOW}:\n" + "\n".join(missing)


def test_the_files_are_those_that_the_code_and_the_translations_make(path: Path) -> None:
    catalogue = renewed(read(path))
    assert path.read_bytes() == written(catalogue), HOW
    assert path.with_suffix(".mo").read_bytes() == compiled(catalogue), HOW


def test_a_translation_has_the_gaps_of_its_message(path: Path) -> None:
    wrong = []
    for key, text in said(path).items():
        of_message, of_translation = set(GAP.findall(key)), set(GAP.findall(text))
        lost = {gap for gap in of_message - of_translation if not MAY_GO.fullmatch(gap)}
        if lost or of_translation - of_message:
            wrong.append(f"{key} => {text}")
    assert not wrong, "\n".join(wrong)


def test_commands_and_options_are_the_same_in_a_translation(path: Path) -> None:
    command = re.compile(r"`[^`]+`|(?<![\w-])--[a-z-]+\b")
    wrong = [
        f"{key} => {text}"
        for key, text in said(path).items()
        if sorted(command.findall(key)) != sorted(command.findall(text))
    ]
    assert not wrong, "\n".join(wrong)


def test_one_concept_has_one_name(path: Path) -> None:
    wrong = [
        f"{text}: {word} is {right}"
        for text in said(path).values()
        for word, right in WRONG_WORDS.items()
        if word in text
    ]
    assert not wrong, "\n".join(wrong)


def test_each_message_is_known_again_when_its_gaps_are_filled(path: Path) -> None:
    told = {key: text for key, text in said(path).items() if "\x04" not in key}
    sentences = Sentences(told)
    wrong = []
    for key, text in told.items():
        filled, expected = _filled(key), _filled(text).replace("7 files", "7 个文件")
        got = sentences.translated(filled)
        if "".join(got.split()) != "".join(expected.split()):
            wrong.append(f"{filled}\n  {got}\n  {expected}")
    assert not wrong, f"{len(wrong)} of {len(told)}:\n" + "\n".join(wrong)


def _filled(text: str) -> str:
    """Fill numbers with a number, and everything else with a name of its own."""
    values = {
        gap: VALUES.get(gap[1:-1].rstrip("0123456789"), "Q{}").format(gap[1:-1])
        for gap in set(GAP.findall(text))
    }
    return GAP.sub(lambda gap: values[gap[0]], text)


TRANSFERS = {
    "finished": 3,
    "from_store": 1,
    "bytes": 263_400_000,
    "bytes_by_source": {"tuna": 200_000_000, "origin": 63_400_000},
    "saved_seconds": 12.5,
}
STATUS = {
    "transfers": TRANSFERS,
    "faults_survived": {"tuna:silent": 2, "bfsu:wrong-bytes": 1},
    "under_way": [
        {"name": "x.whl", "here": 1e6, "size": 3e6, "seconds": 2.0, "held_back": True, "weak": True}
    ],
}


def test_what_is_put_together_of_parts_is_said_whole(path: Path) -> None:
    sentences = Sentences(said(path))
    texts = [summary.sentence({}, STATUS, 9.25), *summary.under_way(STATUS)]
    assert [sentences.translated(text) for text in texts] == [
        (
            "4 个文件共 263.4 MB，来自 tuna（200.0 MB），源站（63.4 MB），存储（1）；共用 9.2 秒；"
            "比只用最好的单个来源约省 12.5 秒；有 3 个请求失败，已改向其他来源获取："
            "tuna (silent 2), bfsu (wrong-bytes)"
        ),
        (
            "x.whl: 1.0 MB / 3.0 MB，500.0 kB/s；核对无误后才交给客户端，"
            "在此之前只给两个镜像一致的内容：源站没有响应"
        ),
    ]


@pytest.mark.parametrize(
    ("code", "ids"),
    [
        ('say("it is here")', ["it is here"]),
        ('say(f"{path}: as it was.")', ["{path}: as it was"]),
        ('say(f"{len(found)} of {n} are here")', ["{n} of {n2} are here"]),
        ('counted(3, "file")', ["{n} file", "{n} files"]),
        ('counted(3, "entry", "entries")', ["{n} entry", "{n} entries"]),
        ('say(f"{tool:<8} left out: {why}")', ["left out: {why}"]),
        ('say("one line\\nand one more")', ["one line", "and one more"]),
        ('"""Not a docstring\'s."""', []),
        ('_log.warning("this is for the log")', []),
        ('Finding("disk", "ok", "it is fine")', ["label\x04disk", "it is fine"]),
        ('run(["word", "--option of it"])', []),
        ('say(f"--option: {name} is none")', ["--option: {name} is none"]),
        ('say("--option is not for this")', ["--option is not for this"]),
        ('say("look at it; then run it again")', ["look at it; then run it again"]),
        ('if "it was said by others" in text: say("we say it")', ["we say it"]),
        ('MARKS = heard("nothing of ours", "nor this")', []),
        ('WORDS = "some of many words".split()', []),
        ('say(f"cd {place}"); say(f"--file {name} --tag {tag}")', []),
        ('say("run --rm --tty")', []),
        ('Check("disk", Found.WORKS, "it is fine")', ["label\x04disk", "it is fine"]),
        ("say(f\"{'secret':<8} {place}\")", ["label\x04secret"]),
        ('say(f"{size_text(size)} of it")', ["{bytes} of it"]),
    ],
)
def test_messages_are_found_in_code(code: str, ids: list[str]) -> None:
    assert [key for key in of_code(code) if " " in key or "\x04" in key] == ids
