"""Which gateway is this? Told by ``/healthz``, so that a foreign one on the port is not ours."""

from __future__ import annotations

import hashlib
import os

from headrace.config import Folders

__all__ = ["instance"]


def instance(folders: Folders) -> str:
    """Name the gateway that works on these folders, without telling where they are.

    Two users' gateways differ, the machine's and a user's differ, and a restart changes nothing.
    """
    return hashlib.sha256(os.fsencode(folders.state.absolute())).hexdigest()[:16]
