"""How the doctor asks: others side by side, and a terminal sees each answer as it comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from headrace.cli import doctor, main
from headrace.cli.checks import committed, network
from headrace.cli.context import Context
from headrace.interface.hookspecs import DiscoveredOrigin, Finding
from headrace.models import Origin
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG

_Check = Callable[[Context], Iterator[Finding]]


def context_of(folder: Path) -> Context:
    return Context({"HEADRACE_HOME": str(folder), "PATH": ""})


def test_origins_are_asked_side_by_side(tmp_path: Path) -> None:
    """Each answers when the last of them has been asked."""
    together = threading.Barrier(3)

    def answer(_: str, __: Mapping[str, str]) -> Reply:
        together.wait(HANG)
        return Reply(b"page")

    context = context_of(tmp_path)
    with ExitStack() as open_now:
        open_now.callback(together.abort)
        servers = [RecordingServer({"/simple/": answer}) for _ in range(3)]
        urls = [open_now.enter_context(server).url for server in servers]
        origins = [Origin("python", f"{url}/simple", private=True) for url in urls]
        context.state.record_origins([DiscoveredOrigin(origin, "a test") for origin in origins])
        found = list(network.origins(context))
    assert [each.text for each in found] == [f"{url}/simple answers" for url in urls]
    assert [len(server.requests()) for server in servers] == [1, 1, 1]


def only(monkeypatch: pytest.MonkeyPatch, *far: _Check) -> None:
    """Let the doctor have these checks alone, which ask others."""
    monkeypatch.setattr(doctor, "_checks", lambda _: (committed.CHECKS[:0], far))


def told(text: str) -> _Check:
    return lambda _: iter([Finding(text, "ok", "there")])


def test_checks_that_ask_others_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    together = threading.Barrier(3)

    def check(name: str) -> _Check:
        def far(context: Context) -> Iterator[Finding]:
            together.wait(HANG)
            return told(name)(context)

        return far

    only(monkeypatch, check("a"), check("b"), check("c"))
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [each["check"] for each in found] == ["a", "b", "c"]


@pytest.mark.parametrize("at_terminal", [True, False])
def test_a_terminal_is_told_at_once_and_a_pipe_in_one_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, at_terminal: bool
) -> None:
    seen = threading.Event()

    def slow(context: Context) -> Iterator[Finding]:
        # At a terminal not before what came meanwhile is there to be read.
        assert seen.wait(HANG) or not at_terminal
        return told("slow")(context)

    say = Context.say_parts

    def heard(self: Context, parts: list[tuple[str, str]], **rest: str) -> None:
        say(self, parts, **rest)
        if "quick" in parts[1][0]:
            seen.set()

    only(monkeypatch, slow, told("quick"))
    monkeypatch.setattr(Context, "say_parts", heard)
    monkeypatch.setattr(Context, "to_terminal", at_terminal)
    if not at_terminal:
        seen.set()
    assert main(["doctor", "--color", "never"]) == 0
    lines = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == (["quick:", "slow:"] if at_terminal else ["slow:", "quick:"])


def test_a_check_that_wants_to_end_the_process_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leaves(_: Context) -> Iterator[Finding]:
        raise SystemExit(4)

    only(monkeypatch, leaves, told("far"))
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [each["check"] for each in found] == ["leaves", "far"]
    assert "SystemExit(4)" in found[0]["text"]
