"""Every command at a terminal of any width: no line is longer, but for what is to be copied."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from contract.upkeep.conftest import Bench
from headrace.cli.upkeep.shown.folding import columns_of
from lib.gateway import headrace
from lib.terminals.screen import Seated

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: What stays in one piece: a command, an address, a path, a digest, a file's name.
_PIECE = re.compile(r"`[^`]*`\S*|\S*[/\\=:.@_-]\S*|\S{30,}")
COMMANDS = [
    ["status"],
    ["doctor"],
    ["on", "--dry-run"],
    ["off", "--dry-run"],
    ["explain", "thing"],
    ["mirrors", "--all"],
    ["mirrors", "test", "mirror0"],
    ["mirrors", "test", "nobody"],
    ["cache"],
    ["cache", "list"],
    ["cache", "verify"],
    ["logs"],
    ["why", "thing"],
    ["why", "nothing"],
    ["config"],
    ["config", "check"],
    ["bench", "thing", "--ecosystem", "python"],
]


def lines(bench: Bench, words: Sequence[str], columns: int, **env: str) -> list[str]:
    every = {**bench.world.gateway.env, "HEADRACE_LOG": "warning", **env}
    with Seated([*headrace(), *words], every, rows=50, columns=columns) as person:
        person.end()
    # What is drawn over itself is told by its last state.
    text = person.raw.decode().replace("\r\n", "\n")
    return [_STYLE.sub("", line.rpartition("\r")[2]) for line in text.split("\n")]


def too_long(bench: Bench, words: Sequence[str], columns: int, **env: str) -> list[str]:
    return [
        line
        for line in lines(bench, words, columns, **env)
        if columns_of(line) > columns and not _PIECE.fullmatch(line.strip())
    ]


@pytest.fixture
def used(bench: Bench) -> Bench:
    bench.fetch()
    bench.recorded(1)
    return bench


def test_status_and_doctor_fit_a_narrow_terminal(used: Bench) -> None:
    assert not too_long(used, ["status"], 40)
    assert not too_long(used, ["status"], 40, LANG="zh_CN.UTF-8")


@pytest.mark.nightly
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_fits(used: Bench, words: list[str], columns: int) -> None:
    told = lines(used, words, columns)
    assert any(told) or words[0] == "off"  # nothing was routed
    assert not any("Traceback" in line for line in told)
    if "--dry-run" not in words:  # what would be written is shown as it would be
        assert not too_long(used, words, columns)
