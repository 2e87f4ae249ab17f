"""A disk that is slow for a while: nothing that was received is lost, nothing is hashed twice."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import Path

from headrace.models import Digest
from headrace.network.download_spool import Spool
from headrace.system.store import Store

DATA = random.Random(3).randbytes(300_000)
DIGEST = Digest("sha256", hashlib.sha256(DATA).hexdigest())


def test_a_comparison_waits_for_bytes_that_are_still_being_written(tmp_path: Path) -> None:
    async def run() -> tuple[bool, bool]:
        partial = Store(tmp_path, limit=1 << 30, reserve=0.0).partial(str(DIGEST), len(DATA))
        spool = Spool(partial, len(DATA), DIGEST)
        early = asyncio.ensure_future(spool.settled(0, 100_000))
        await asyncio.sleep(0.05)
        waited = not early.done()
        await spool.write(0, memoryview(DATA))
        settled = await early
        partial.close()
        return waited, settled

    assert asyncio.run(run()) == (True, True)


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
