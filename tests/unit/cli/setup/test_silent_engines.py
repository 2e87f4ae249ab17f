"""An engine that starts again just now keeps its containers' gateway when `on` is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.context import Context
from headrace.cli.setup import containers
from headrace.interface.containers import ContainerNetwork
from headrace.system.service.managers import for_containers

DOCKERS = ContainerNetwork("docker", "bridge", "172.17.0.1", "172.17.0.0/16", "docker0")
PODMANS = ContainerNetwork("podman", "podman", "10.88.0.1", "10.88.0.0/16", "podman0")
LATER = ContainerNetwork("podman", "later", "10.89.0.1", "10.89.0.0/24", "podman1")


@pytest.mark.parametrize(
    ("found", "served", "said"),
    [
        ([DOCKERS, PODMANS], [DOCKERS, PODMANS], []),
        ([LATER], [LATER, DOCKERS], ["docker"]),
        ([], [DOCKERS, PODMANS], ["docker", "podman"]),
        ([ContainerNetwork("docker", "", why_not="it is far")], [PODMANS], ["podman"]),
    ],
)
def test_the_networks_of_who_is_silent_are_served_as_they_were(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: list[ContainerNetwork],
    served: list[ContainerNetwork],
    said: list[str],
) -> None:
    context = Context({"HOME": str(tmp_path), "HEADRACE_HOME": str(tmp_path)})
    monkeypatch.setattr(context.plugins, "container_networks", lambda _: found)
    monkeypatch.setattr(for_containers, "start", lambda *_: None)
    state = containers.state_of(context)
    state.record([DOCKERS, PODMANS], 4000)
    state.ensure_token()
    token = state.token()
    told, wrong = containers.set_up(context, [], 4000)
    assert not wrong
    assert state.networks() == served
    assert state.token() == token
    assert [each.partition(" ")[0] for each in told if "does not answer" in each] == said
