"""httpcore without what it only looks for.

Where another framework for asynchronous programs is installed it loads that as well: 4 MB and 60 ms
for a gateway that runs on asyncio.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["httpcore"]


@contextlib.contextmanager
def _without(name: str) -> Iterator[None]:
    """Have an import fail meanwhile, as the language provides for it, of what is not loaded yet."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _without("trio"):
    import httpcore
