"""What `headrace on` does where one tool cannot be led to the gateway."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from headrace.cli import off, on, run
from headrace.cli.context import NEEDS_ATTENTION, Context
from headrace.cli.runs.started import GatewayOfRun
from headrace.cli.setup import discovery, planned_edits, standing
from headrace.errors import ConfigurationError, LocalError
from headrace.interface.hookspecs import Activation, GatewayAddress, Scope
from headrace.system.locks import try_lock
from headrace.system.service.identity import Expected
from lib.capabilities import lacks


def asked(*, dry_run: bool) -> argparse.Namespace:
    """What a command line says that says little."""
    told = {"force": False, "accept_shared_port": True, "shell": False, "containers": False}
    fleet = dict.fromkeys(("fleet", "fleet_token", "fleet_ca"))
    return argparse.Namespace(dry_run=dry_run, **told, **fleet)


class Only:
    """The activations of some tools, whatever this machine has installed."""

    def __init__(self, context: Context, *tools: str) -> None:
        self.found = [each for each in context.plugins.activations() if each.tool in tools]
        assert len(self.found) == len(tools)

    def __call__(self) -> list[Activation]:
        return self.found


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Somebody whose pip would ask a proxy for the gateway, and whose podman would not."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text("[global]\nindex-url = http://o.example/\n")
    programs.mkdir()
    (programs / "podman").write_text("#!/bin/sh\n")
    (programs / "podman").chmod(0o755)
    monkeypatch.setattr(Path, "home", lambda: home)
    env = {
        "HOME": str(home),
        "PATH": str(programs),
        "HEADRACE_HOME": str(tmp_path / "headrace"),
        "HTTP_PROXY": "http://p.example:1",
    }
    return Context(env, Scope.USER, as_json=True)


def files(context: Context) -> dict[str, bytes]:
    home = Path(context.env["HOME"])
    return {
        str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()
    }


def test_nothing_is_touched_where_the_only_tool_refuses(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.plugins, "activations", Only(context, "pip"))
    before = files(context)
    with pytest.raises(ConfigurationError, match="HTTP_PROXY is set") as told:
        on.run(
            asked(dry_run=False),
            context,
        )
    assert "NO_PROXY=127.0.0.1" in told.value.hint
    assert files(context) == before
    assert context.state.gateway() is None


@pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "podman runs on Linux"))
def test_a_tool_that_refuses_does_not_stop_the_others(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(context.plugins, "activations", Only(context, "pip", "podman"))
    code = on.run(
        asked(dry_run=True),
        context,
    )
    told = json.loads(capsys.readouterr().out)
    assert code == NEEDS_ATTENTION
    assert [(each["tool"], "NO_PROXY" in each["hint"]) for each in told["left_out"]] == [
        ("pip", True)
    ]
    assert [each["tool"] for each in told["edits"]] == ["podman"]


@pytest.mark.parametrize("command", [on.run, off.run])
def test_on_and_off_at_once_come_one_after_the_other(
    context: Context, monkeypatch: pytest.MonkeyPatch, command: Callable[..., int]
) -> None:
    """Else `off` stops the gateway between two steps of `on`, and pip asks nobody."""

    def is_there_room(*_: object, **__: object) -> None:
        fd = os.open(context.folders.state / "setup.lock", os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(fd, "rb"):
            raise LocalError("seen", "there is" if try_lock(fd) else "somebody is at it")

    monkeypatch.setattr(discovery, "discover", is_there_room)
    monkeypatch.setattr(context.journal, "undo", is_there_room)
    with pytest.raises(LocalError, match="somebody is at it"):
        command(
            asked(dry_run=False),
            context,
        )
    with pytest.raises(LocalError, match="there is"):
        is_there_room()


class Failing:
    """A tool whose plugin fails in whatever it is asked."""

    tool = "acme"
    opt_in = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        def fail(*_: object) -> None:
            raise KeyError(name)

        return fail


def test_a_plugin_that_fails_is_one_tools_trouble_alone(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = [cast("Activation", Failing()), *Only(context, "podman").found]
    monkeypatch.setattr(context.plugins, "activations", lambda: found)
    address, place = GatewayAddress("127.0.0.1", 9), context.place()
    origins = [each.origin for each in discovery.discover(context)]
    assert (
        "acme is left out: the plugin that leads acme failed: KeyError('discover')" in caplog.text
    )
    assert origins
    planned = planned_edits.wanted(context, address, origins)
    assert {tool for tool, _ in planned.edits} == {"podman"}
    assert [(tool, error.reference) for tool, error in planned.left_out] == [
        ("acme", "activation-failed")
    ]
    assert "acme" in [each.tool for each in planned_edits.overrides(context, address)]
    states = {row["tool"]: row["state"] for row in standing.rows(context, address)}
    assert states == {"acme": "broken", "podman": "not routed"}
    env = run._environment(
        ("true",), context, GatewayOfRun(address, Expected(), place.home), origins
    )
    assert env["HEADRACE_RUN"] == "9"
