"""Whom the actions of `headrace image` ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cli import run, status
from headrace.cli.context import Context
from headrace.cli.images.asking import gateway
from headrace.interface.activations import DiscoveredOrigin
from headrace.interface.hookspecs import GatewayAddress
from headrace.models import Origin
from headrace.system.service import health
from headrace.system.service.identity import Expected

RUNS, OWN = GatewayAddress("127.0.0.1", 1), GatewayAddress("127.0.0.1", 2)


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({"origins": [{"ecosystem": "python"}]}, OWN),
        ({"origins": [{"ecosystem": "python"}, {"ecosystem": "docker"}]}, RUNS),
        # Somebody else's gateway, which tells no strangers what it asks.
        (None, RUNS),
    ],
)
def test_a_gateway_without_registries_is_not_asked_for_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Any, asked: GatewayAddress
) -> None:
    """None of them is led where no engine is, and nodes are looked for from there, too."""

    def private(_: Any, __: Any, more: Sequence[DiscoveredOrigin]) -> Any:
        assert Origin("docker", "https://registry-1.docker.io", name="docker.io") in [
            each.origin for each in more
        ]
        return OWN, Expected()

    context = Context({"HEADRACE_HOME": str(tmp_path), "PATH": ""})
    monkeypatch.setattr(status, "gateway_of", lambda _: (RUNS, context.state))
    monkeypatch.setattr(
        health, "look", lambda *_: SimpleNamespace(up=True, redirecting=False, who="")
    )
    monkeypatch.setattr(health, "ask", lambda *_: told)
    monkeypatch.setattr(run, "private_gateway", private)
    with gateway(context, list(context.plugins.image_tools())) as found:
        assert (found.address, found.runs) == (asked, asked is RUNS)
