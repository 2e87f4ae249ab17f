from __future__ import annotations

import stat
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.models import Credential, Origin
from headrace.system.state import State

FOUND = [
    DiscoveredOrigin(Origin("python", "https://index.example/simple"), "pip's own default"),
    DiscoveredOrigin(
        Origin("python", "https://corp.example/simple", private=True, name="corp"),
        "/etc/pip.conf",
        Credential("me", "s3cret"),
    ),
]


def folders(path: Path) -> Folders:
    return Folders(path / "config", path / "state", path / "cache")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    state = State(folders(tmp_path))
    assert state.origins() == []
    assert state.gateway() is None
    assert state.kept_up_by() == ""
    assert state.network() == {}
    assert list(tmp_path.iterdir()) == []


def test_origins_come_back_with_their_credentials(tmp_path: Path) -> None:
    State(folders(tmp_path)).record_origins(FOUND)
    assert State(folders(tmp_path)).origins() == FOUND


def test_a_users_state_is_for_the_user_alone(tmp_path: Path) -> None:
    state = State(folders(tmp_path))
    state.record_origins(FOUND[:1])
    state.ensure_token()
    state.record_gateway(GatewayAddress("127.0.0.1", 17223))
    assert mode(tmp_path / "state") == 0o700
    assert {mode(path) for path in (tmp_path / "state").iterdir()} == {0o600}


def test_the_machines_state_can_be_read_by_all_but_for_secrets(tmp_path: Path) -> None:
    state = State(folders(tmp_path), Scope.SYSTEM)
    state.record_origins(FOUND)
    state.ensure_token()
    state.record_gateway(GatewayAddress("127.0.0.1", 17223))
    state.record_network({"HTTPS_PROXY": "http://me:s3cret@proxy.example"})
    modes = {path.name: mode(path) for path in (tmp_path / "state").iterdir()}
    assert modes == {
        "origins.json": 0o600,
        "token": 0o600,
        "token.lock": 0o600,
        "network.json": 0o600,
        "gateway.json": 0o644,
    }


def test_the_machines_journal_lies_outside_of_what_the_gateways_account_owns(
    tmp_path: Path,
) -> None:
    assert State(folders(tmp_path), Scope.SYSTEM).journal.parent == tmp_path / "config"
    assert State(folders(tmp_path)).journal.parent == tmp_path / "state"


def test_the_token_is_made_once_and_shown_in_urls_only(tmp_path: Path) -> None:
    state = State(folders(tmp_path))
    token = state.ensure_token()
    assert token == state.ensure_token()
    state.record_gateway(GatewayAddress("127.0.0.1", 17223), "holder")
    address = state.gateway()
    assert address is not None
    assert address.url() == f"http://headrace:{token}@127.0.0.1:17223/"
    assert token not in repr(address)
    state.forget_gateway()
    assert state.token() is None


def test_only_network_variables_are_kept(tmp_path: Path) -> None:
    state = State(folders(tmp_path))
    state.record_network({"HTTPS_PROXY": "http://p", "AWS_SECRET": "x", "NO_PROXY": ""})
    assert state.network() == {"HTTPS_PROXY": "http://p"}


def test_broken_state_is_this_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "origins.json").write_text("{")
    with pytest.raises(LocalError, match=r"origins\.json cannot be read"):
        State(folders(tmp_path)).origins()
