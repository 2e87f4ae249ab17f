"""Whose the machine's state is: the account's that root gave it to, with all that it has there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headrace.ownership.files import account_of
from lib.capabilities import lacks

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason=lacks("root", "folders of two accounts")
)
ACCOUNT, OTHER = 41235, 41236


def folder(path: Path, owner: int, mode: int = 0o755) -> Path:
    path.mkdir()
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


def test_what_root_gave_to_the_account_is_known_by_it_and_what_that_has_within_it(
    tmp_path: Path,
) -> None:
    state = folder(tmp_path / "state", ACCOUNT)
    assert account_of(state) == {ACCOUNT}
    inner = folder(state / "containers", ACCOUNT)
    assert account_of(inner) == {ACCOUNT}
    assert account_of(folder(inner / "more", ACCOUNT)) == {ACCOUNT}


@pytest.mark.parametrize("owner", [OTHER, 0])
def test_what_somebody_else_has_within_it_is_not(tmp_path: Path, owner: int) -> None:
    state = folder(tmp_path / "state", ACCOUNT)
    assert account_of(folder(state / "containers", owner)) == set()


def test_what_its_owner_made_where_everybody_can_is_not_nor_what_is_within_it(
    tmp_path: Path,
) -> None:
    shared = folder(tmp_path / "shared", 0, 0o1777)
    own = folder(shared / "state", OTHER)
    assert account_of(own) == set()
    assert account_of(folder(own / "containers", OTHER)) == set()
