"""While a gateway asks a far origin about a led command, the command's environment is made."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cli import run
from headrace.cli.context import Context
from headrace.cli.runs import leading, shared
from headrace.cli.runs.leading import Lead
from headrace.cli.runs.started import GatewayOfRun
from headrace.cli.setup import discovery
from headrace.errors import LocalError
from headrace.interface.hookspecs import GatewayAddress
from headrace.interface.leading import LedBy, LedCommand
from headrace.system.service.identity import Expected
from lib.waiting import HANG


@pytest.fixture
def found(tmp_path: Path) -> GatewayOfRun:
    (tmp_path / "runners").touch()
    return GatewayOfRun(GatewayAddress("127.0.0.1", 9), Expected(), tmp_path)


def lead_of(tmp_path: Path) -> Lead:
    file = tmp_path / "lead.json"
    file.touch()
    return Lead("http://headrace:t@127.0.0.1:9", "", (), 0.0, file)


def test_the_environment_is_made_while_the_gateway_has_not_answered_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: GatewayOfRun
) -> None:
    asked, made = threading.Event(), threading.Event()

    def begun(_: GatewayOfRun, __: Mapping[str, Any]) -> Lead:
        asked.set()
        # Who makes the environment only after the answer never gets one.
        if not made.wait(HANG):
            raise LocalError("not-led", "the environment waits for the answer")
        return lead_of(tmp_path)

    def environment(*_: Any) -> dict[str, str]:
        assert asked.wait(HANG), "the gateway was to be asked first"
        made.set()
        return {}

    context = Context({"HOME": str(tmp_path), "HEADRACE_HOME": str(tmp_path / "home")})
    monkeypatch.setattr(discovery, "discover", lambda *_: [SimpleNamespace(origin=None)])
    monkeypatch.setattr(run, "_running", lambda *_: None)
    monkeypatch.setattr(shared, "shared", lambda *_: found)
    monkeypatch.setattr(leading, "question", lambda *_, **__: {})
    monkeypatch.setattr(leading, "begun", begun)
    monkeypatch.setattr(run, "_environment", environment)
    with ExitStack() as clearing_up:
        led = LedCommand(LedBy.PROXY)
        _, env, _ = run._prepare(("true",), context, clearing_up, led, None, None, None, quiet=True)
        assert env["HTTPS_PROXY"] == "http://headrace:t@127.0.0.1:9"
    assert not (tmp_path / "lead.json").exists()


def test_a_lead_that_nobody_waited_for_ends_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: GatewayOfRun
) -> None:
    monkeypatch.setattr(leading, "begun", lambda *_: lead_of(tmp_path))
    leading.Asking(found, {}).end()
    assert not (tmp_path / "lead.json").exists()


def test_why_nobody_is_led_is_said_to_who_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, found: GatewayOfRun
) -> None:
    def begun(*_: Any) -> Lead:
        raise LocalError("not-led", "you have a login at every host that could be led")

    monkeypatch.setattr(leading, "begun", begun)
    asking = leading.Asking(found, {})
    with pytest.raises(LocalError, match="a login at every host"):
        asking.lead()
    asking.end()
