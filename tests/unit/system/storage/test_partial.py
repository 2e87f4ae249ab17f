"""What lies on the disk after a digest did not agree."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from headrace.models import Digest
from headrace.system.storage.store import Store

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
