"""How many files, sockets among them, this process may have open."""

from __future__ import annotations

import contextlib
import sys

__all__ = ["raise_limit"]

#: More is of no use here, and programs that we start may close each of them at their start.
_ENOUGH = 1 << 16
#: macOS takes no more than OPEN_MAX (sys/syslimits.h) although it says that there is no limit.
_OPEN_MAX = 10_240
#: Where the system does not tell: what Windows' sockets have no trouble with.
_UNKNOWN = 8192


def raise_limit() -> int:
    """Raise the soft limit to the hard one, whoever started this process, and return what holds.

    Shells and service managers set the soft limit low for programs that use select(2), which this
    one does not (getrlimit(2)). A system that refuses leaves it as it was.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return _UNKNOWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    for wanted in (_ENOUGH, _OPEN_MAX):
        wish = wanted if hard == unlimited else min(wanted, hard)
        if soft == unlimited or soft >= wish:
            break
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wish, hard))
            break
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == unlimited:
        return _OPEN_MAX if sys.platform == "darwin" else _ENOUGH
    return soft
