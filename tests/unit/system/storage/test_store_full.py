"""A full disk, a real one: a small file system of the test's own, in its own mount namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.engines import spaces
from lib.waiting import HANG

PROGRAM = """
import hashlib, os, subprocess, sys
from pathlib import Path
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", sys.argv[1]], check=True)
from headrace.errors import StoreError
from headrace.models import Digest, Document
from headrace.system.storage import store as module
from headrace.system.storage.pages import PageStore
from headrace.system.statistics import Statistics
from headrace.system.storage.store import Store

module._SLACK = 0
root = Path(sys.argv[1]) / "store"
store = Store(root, limit=1 << 30, reserve=0.0)

def put(content):
    digest = Digest("sha256", hashlib.sha256(content).hexdigest())
    file = store.partial(str(digest), len(content))
    file.write(0, content)
    store.commit(file, digest)
    file.close()
    return digest

first = put(os.urandom(1_500_000))
os.utime(store.find(first).path, (1, 1))
second = put(os.urandom(1_500_000))

# Sparse: nothing is taken until it is written, so the disk fills up under the transfer.
file = store.partial("big", 900_000)
(Path(sys.argv[1]) / "stranger").write_bytes(bytes(700_000))
for at in range(0, 900_000, 100_000):
    file.write(at, os.urandom(100_000))
assert file.complete, "the oldest file made room"
assert store.find(first) is None
assert store.find(second) is not None

# And when nothing is left to give up it is said, and what was written stays readable.
try:
    store.partial("giant", 50_000_000)
except StoreError as error:
    assert error.reference == "disk-full", error
else:
    raise SystemExit("a giant was taken")
second_file = store.partial("more", 1_000_000)
try:
    (Path(sys.argv[1]) / "stranger2").write_bytes(bytes(10_000_000))
except OSError:
    pass
try:
    for at in range(0, 1_000_000, 100_000):
        second_file.write(at, os.urandom(100_000))
except StoreError as error:
    assert error.reference == "disk-full", error
else:
    raise SystemExit("a full disk was not noticed")
assert len(file.read(0, 900_000)) == 900_000
second_file.close()
file.close()

PageStore(Path(sys.argv[1]) / "pages").get("x")
try:
    PageStore(Path(sys.argv[1]) / "pages").put("x", Document("u", bytes(100_000), "t"))
except StoreError:
    pass
else:
    raise SystemExit("a page was kept on a full disk")
statistics = Statistics(Path(sys.argv[1]) / "s.sqlite")
statistics.observe("m", "wheel", network="n", bytes=1 << 20, seconds=1.0)
statistics.close()
print("done")
"""


@pytest.mark.root
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason=lacks("root", "a disk of a few megabytes is mounted"),
)
def test_a_full_disk_gives_up_old_files_first_and_is_said_clearly(tmp_path: Path) -> None:
    if trouble := spaces.trouble():
        pytest.skip(lacks("root", trouble))
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    command = ["unshare", "--mount", sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert done.stdout == "done\n", done.stderr
