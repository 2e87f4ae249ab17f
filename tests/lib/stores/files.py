"""Files that are put into a store without any gateway."""

from __future__ import annotations

import hashlib

from headrace.models import Digest
from headrace.system.storage.store import Store

__all__ = ["put"]


def put(store: Store, content: bytes) -> Digest:
    """Put some bytes into a store; give their digest."""
    digest = Digest("sha256", hashlib.sha256(content).hexdigest())
    partial = store.partial(str(digest), len(content))
    partial.write(0, content)
    store.commit(partial, digest)
    partial.close()
    store.settle()
    return digest
