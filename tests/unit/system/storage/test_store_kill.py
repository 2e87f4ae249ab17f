"""SIGKILL at any moment: never a wrong file under a digest, never a claim too many, no leak."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headrace.models import Digest
from headrace.system.storage import store as store_module
from headrace.system.storage.store import Store
from lib.capabilities import lacks

KILLS = 40
KEYS = 6

WORKER = """
import hashlib, random, sys, threading
from pathlib import Path
from headrace.models import Digest
from headrace.system.storage import partial
from headrace.system.storage.store import Store

partial._SAVE_BYTES = 30_000
root, seed, keys = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
# Small enough that eviction happens, too.
store = Store(root, limit=1_200_000, reserve=0.0)
store.sweep()
print("ready", flush=True)
while True:
    key = str(chance.randrange(keys))
    content = random.Random(key).randbytes(200_000 + 10_000 * int(key))
    size = len(content)
    digest = Digest("sha256", hashlib.sha256(content).hexdigest())
    if store.find(digest) and chance.random() < 0.5:
        store.path(digest).unlink(missing_ok=True)
    file = store.partial(key, size)
    missing = set(range(0, size, 10_000))
    for start, end in file.have:
        missing -= {m for m in missing if start <= m and min(m + 10_000, size) <= end}
    todo = list(missing)
    chance.shuffle(todo)
    def work(part):
        for at in part:
            file.write(at, content[at : at + 10_000])
    threads = [threading.Thread(target=work, args=(todo[n::3],)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if chance.random() < 0.2:
        file.forget(10_000, 50_000)
        file.close()
        continue
    store.commit(file, digest)
    file.close()
"""


def content_of(key: str) -> bytes:
    return random.Random(key).randbytes(200_000 + 10_000 * int(key))


def check(root: Path) -> int:
    """Assert what must hold after a SIGKILL; return the number of whole files."""
    whole = [path for path in root.glob("sha256/??/*") if path.is_file()]
    for path in whole:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        assert path.parent.name == path.name[:2]
    store = Store(root, limit=1 << 30, reserve=0.0)
    for number in range(KEYS):
        content = content_of(str(number))
        file = store.partial(str(number), len(content))
        assert file.shared, "the lock went with the process"
        for start, end in file.have:
            assert file.read(start, end - start) == content[start:end]
        os.close(file._fd or 0)  # leave everything as it was found
    assert not [path.name for path in root.glob("partial/*-*")], "no private files are left"
    return len(whole)


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "SIGKILL"))
@pytest.mark.parametrize("kills", [KILLS, pytest.param(10 * KILLS, marks=pytest.mark.nightly)])
def test_a_killed_process_leaves_only_true_files_and_true_maps(tmp_path: Path, kills: int) -> None:
    chance = random.Random(20)
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    seen = 0
    resumed = 0
    for number in range(kills):
        command = [sys.executable, "-c", WORKER, str(tmp_path), str(number), str(KEYS)]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.06))
            worker.send_signal(signal.SIGKILL)
        seen += check(tmp_path)
        resumed += len(list(tmp_path.glob("partial/*.map")))
    assert seen > kills, "it committed between the kills"
    assert resumed > kills / 4, "it was killed in the middle, too"

    # And in the end nothing stays that nobody comes back for.
    later = Store(tmp_path, limit=1 << 30, reserve=0.0, clock=lambda: time.time() + 1e7)
    later.sweep()
    assert list(tmp_path.glob("partial/*")) == []
    sizes = sum(path.stat().st_size for path in tmp_path.glob("sha256/??/*"))
    assert later.usage() == sizes
    assert store_module._ABANDONED < 1e7


def test_two_processes_may_commit_the_same_file(tmp_path: Path) -> None:
    """Each thread has a store of its own, as two gateways have."""
    content = os.urandom(300_000)
    digest = Digest("sha256", hashlib.sha256(content).hexdigest())
    errors: list[BaseException] = []

    def work() -> None:
        try:
            store = Store(tmp_path, limit=1 << 30, reserve=0.0)
            for _ in range(20):
                file = store.partial(str(digest), len(content))
                for start, end in file.have:
                    assert file.read(start, end - start) == content[start:end]
                file.write(0, content)
                found = store.commit(file, digest)
                file.close()
                assert found.path.read_bytes() == content
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert not list(tmp_path.glob("partial/*"))
