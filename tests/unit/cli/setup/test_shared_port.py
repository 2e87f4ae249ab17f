"""When `on` goes on where others could take the port, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.cli.context import Context
from headrace.cli.setup import shared_port
from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, GatewayAddress, Scope
from headrace.system import people
from headrace.system.service.managers import choose
from headrace.system.service.managers.systemd import Systemd

BOB = people.Others(("bob",))


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Somebody whose machine bob may use, too."""
    monkeypatch.setattr(people, "others", lambda _: BOB)
    return Context({"HEADRACE_HOME": str(tmp_path / "headrace"), "PATH": ""}, Scope.USER)


def plan(context: Context, manager: Any = None) -> choose.Plan:
    made = choose.plan(
        context.folders,
        Scope.USER,
        context.env,
        home=context.folders.state,
        port=17223,
        redirects=(),
        read=lambda _: None,
        recorded=GatewayAddress("127.0.0.1", 17223),
    )
    if manager is None:
        return made
    edits = made.edits
    return choose.Plan(made.address, manager, made.spec, edits, made.note, made.state)


class Lingering(Systemd):
    def lasts(self, spec: Any) -> bool:
        del spec
        return True


class NotLingering(Systemd):
    def lasts(self, spec: Any) -> bool:
        del spec
        return False


def test_nobody_is_led_to_a_port_that_others_can_take(context: Context) -> None:
    with pytest.raises(LocalError, match="bob can log in here") as told:
        shared_port.consider(context, plan(context), accepted=False)
    assert "nothing was changed" in told.value.message
    assert "sudo headrace on" in told.value.hint
    assert "headrace run -- COMMAND" in told.value.hint
    assert "--accept-shared-port" in told.value.hint
    assert "linger" not in told.value.hint  # here is no systemd that could


def test_where_there_is_systemd_lingering_is_a_way(context: Context) -> None:
    with pytest.raises(LocalError, match="bob") as told:
        shared_port.consider(context, plan(context, NotLingering()), accepted=False)
    assert "loginctl enable-linger" in told.value.hint
    done = shared_port.consider(context, plan(context, Lingering()), accepted=False)
    assert done == shared_port.SharedPort()


def test_the_machine_s_own_gateway_is_nobody_s_to_take(context: Context) -> None:
    context.scope = Scope.SYSTEM
    assert shared_port.consider(context, plan(context), accepted=False).warning == ""


def test_who_is_alone_hears_nothing_of_it(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "others", lambda _: people.Others())
    done = shared_port.consider(context, plan(context), accepted=True)
    assert done == shared_port.SharedPort()


def test_what_was_accepted_is_said_once_and_not_asked_again(context: Context) -> None:
    done = shared_port.consider(context, plan(context), accepted=True)
    assert done.accepted
    assert done.warning == shared_port.ACCEPTED
    context.state.accept_shared_port()
    assert shared_port.consider(context, plan(context), accepted=False).warning == ""
    context.state.forget_gateway()  # `off`
    with pytest.raises(LocalError, match="bob"):
        shared_port.consider(context, plan(context), accepted=False)


def test_what_was_set_up_before_stays_with_a_warning(context: Context, tmp_path: Path) -> None:
    edit = FileEdit(tmp_path / "pip.conf", None, b"[global]\n", "a test")
    context.journal.apply([("gateway", edit)])
    with pytest.raises(LocalError, match="bob"):
        shared_port.consider(context, plan(context), accepted=False)
    context.journal.apply([("acme", edit)])
    done = shared_port.consider(context, plan(context), accepted=False)
    assert "would answer your tools" in done.warning
    assert not done.accepted
