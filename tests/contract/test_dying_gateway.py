"""A gateway that dies or stands still in the middle of a wheel: no installer notices."""

from __future__ import annotations

import pytest

from lib.clients import Installer, Pip
from lib.gateway import Gateway
from lib.serving.dying import FAULTS, ON_LINUX, SHARES, strike
from lib.serving.faults import SIZE, large
from lib.world import MakeWorld

pytestmark = [ON_LINUX, pytest.mark.nightly]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_installer_notices(
    world: MakeWorld,
    client: Installer,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    share: float,
) -> None:
    monkeypatch.setattr(Gateway, "held", True)
    made = world(mirror_rate=6 << 20, origin_rate=6 << 20)
    made.index.add(large())
    client.point_at(made.gateway.index)
    words = ("install", "large")
    command = client.command(*words) if isinstance(client, Pip) else (client.binary, "pip", *words)
    with client.environment.start(*map(str, command)) as installing:
        strike(made.gateway, fault, lambda: sum(made.sent().values()) >= share * SIZE)
        out, _ = installing.communicate()
    assert installing.returncode == 0, out + made.gateway.told()
    assert "resum" not in out.lower()
    assert "retry" not in out.lower()
    assert client.environment.holds(large().files())
    # What was on its way to the one that ended is lost; nothing else comes twice.
    assert sum(made.sent().values()) < 1.5 * SIZE, made.sent()
