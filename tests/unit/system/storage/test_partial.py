"""What lies on the disk after a digest did not agree."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.models import Digest
from headrace.system.storage.store import Store
from headrace.transfer.range_set import RangeSet
from lib.capabilities import lacks

DATA = random.Random(3).randbytes(300_000)
DIGEST = Digest("sha256", hashlib.sha256(DATA).hexdigest())


def test_what_did_not_agree_is_for_no_later_run(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=1 << 30, reserve=0.0)
    first = store.partial(str(DIGEST), len(DATA))
    first.write(0, DATA[:200_000])
    first.save()
    kept = store.partial(str(DIGEST), len(DATA))  # held by the first: a private one
    assert kept.have == ()
    kept.close()
    first.doubt()
    first.close()
    later = store.partial(str(DIGEST), len(DATA))
    assert later.have == ()
    later.write(0, DATA)
    assert store.commit(later, DIGEST).path.read_bytes() == DATA
    later.close()


WRITER = """
import random, sys
from pathlib import Path
from headrace.system.storage import partial
from headrace.system.storage.store import Store

partial._SAVE_BYTES = 50_000  # in the middle of what is written, again and again
file = Store(Path(sys.argv[1]), limit=1 << 30, reserve=0.0).partial("key", 1 << 20)
chance = random.Random(int(sys.argv[2]))
while True:
    start = chance.randrange((1 << 20) - 5000)
    end = start + chance.randrange(1, 5000)
    file.write(start, b"x" * (end - start))
    print(start, end, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "SIGKILL"))
def test_what_was_there_when_its_process_was_killed_is_known_to_the_next(tmp_path: Path) -> None:
    """Whoever was given bytes is given the rest by the next process, which must have the same."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    for seed in range(4):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(seed)]
        told = RangeSet()
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(20 + 50 * seed):
                start, end = writer.stdout.readline().split()
                told.add(int(start), int(end))
            writer.kill()
            for line in writer.stdout:
                if line.endswith("\n"):
                    start, end = line.split()
                    told.add(int(start), int(end))
        Store(tmp_path, limit=1 << 30, reserve=0.0).sweep()
        file = Store(tmp_path, limit=1 << 30, reserve=0.0).partial("key", 1 << 20)
        have = RangeSet(file.have)
        assert told.total > 10_000
        assert all(have.covers(start, end) for start, end in told)
        file.discard()
    assert list((tmp_path / "partial").iterdir()) == []


def test_log_of_bytes_that_were_dropped_says_nothing_of_them(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=1 << 30, reserve=0.0)
    file = store.partial("key", 100_000)
    file.write(0, b"x" * 50_000)
    file.forget(10_000, 20_000)
    file.write(60_000, b"y" * 1000)
    os.close(file._fd or 0)  # as a kill does
    later = store.partial("key", 100_000)
    assert later.have == ((0, 10_000), (20_000, 50_000), (60_000, 61_000))
    # A log that was damaged, or is of another file, says nothing either.
    log = later.path.with_suffix(".log")
    os.close(later._fd or 0)
    log.write_bytes(b"\x00" + log.read_bytes())
    third = store.partial("key", 100_000)
    assert third.have == ((0, 10_000), (20_000, 50_000))
    third.discard()
