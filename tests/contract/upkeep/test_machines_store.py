"""What root does to a store, the machine's or a user's, is its owner's: he can go on with it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from headrace.system import download_record
from headrace.system.storage.pins import Pins
from headrace.system.storage.store import Store
from lib.capabilities import lacks
from lib.gateway import headrace
from lib.stores.files import put

#: Nobody's number.
ACCOUNT = 61_234

pytestmark = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason=lacks("root", "only root works for an account")
)


def owned(folder: Path) -> None:
    for each in (folder, *folder.rglob("*")):
        os.chown(each, ACCOUNT, ACCOUNT)


def owners(folder: Path) -> set[int]:
    return {each.lstat().st_uid for each in (folder, *folder.rglob("*"))}


@pytest.mark.parametrize("scope", ["system", "user"])
def test_nothing_that_root_makes_there_is_roots(scope: str, tmp_path: Path) -> None:
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == 0 and each != Path("/tmp"):
            each.chmod(each.stat().st_mode | 0o011)
    store = Store(tmp_path / "cache" / "store", limit=10**9, reserve=0.0)
    digest = put(store, b"content" * 100)
    store.close()
    (tmp_path / "cache" / "store" / "evict.lock").unlink(missing_ok=True)
    state = tmp_path / "state"
    state.mkdir()
    entry = {"at": 1, "kind": "came", "name": "a.whl", "digest": str(digest), "tool": "x"}
    (state / download_record.NAME).write_text(json.dumps(entry) + "\n")
    for folder in (tmp_path / "cache", state):
        owned(folder)
    env = {**os.environ, "HEADRACE_HOME": str(tmp_path)}
    for words in (["pin", "a.whl"], ["verify"], ["prune", "--to", "0"], ["list"], ["info"]):
        done = subprocess.run(
            [*headrace(), "cache", *words, "--scope", scope, "--json"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert Pins(store.root).all() == {digest: "a.whl"}
    assert store.path(digest).exists()
    assert owners(tmp_path / "cache") == {ACCOUNT}
