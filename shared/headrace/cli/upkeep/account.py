"""Whose files a command works on: the machine's belong to its gateway's account."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from headrace.cli.context import Context
from headrace.interface.hookspecs import Scope
from headrace.ownership.files import account_of

__all__ = ["act_as_owner"]


def act_as_owner(context: Context) -> None:
    """Let this process, if it is root's, go on as the owner of the store and the record.

    What root made there (a lock, an index, a pin) the gateway could not write any more; and where
    others can put links, root has nothing to remove.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    for folder in (context.folders.cache, context.folders.state):
        owner = _owner(folder, context.scope)
        if owner:
            os.setgroups([])
            os.setegid(folder.stat().st_gid)
            os.seteuid(owner)
            return


def _owner(folder: Path, scope: Scope) -> int:
    if scope is Scope.SYSTEM:
        return next(iter(account_of(folder)), 0)
    try:
        return folder.stat().st_uid
    except OSError:
        return 0
