"""One sentence for the next shell: what was installed last will not use the accelerator.

An installer shows nothing of what its index knows, but for what is yanked. So the sentence lies in
the state folder until a shell's start-up line shows it, once (`managers/shells.py`), or a build
came that does use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from headrace.errors import HeadraceError
from headrace.variants.builds import Candidate
from headrace.variants.tables import load
from headrace.variants.wheels import build_of

__all__ = ["Notice"]

_log = logging.getLogger("headrace.gateway")


class Notice:
    """Writes the sentence, and takes it away."""

    def __init__(self, path: Path, why_unused: Callable[[Candidate], Awaitable[str]]) -> None:
        """`why_unused` says why a build of the lead uses no accelerator here; empty: it does."""
        self._path = path
        self._why_unused = why_unused

    async def given(self, file: str) -> None:
        """Judge a file that a client was given, if it is a build of the lead."""
        build = build_of(file)
        if build is None or build.project != load().lead:
            return
        try:
            why = await self._why_unused(build)
            text = (
                f"headrace: {build.project} {build.name}, which was installed last, will not use "
                f"the GPU: {why}; `headrace doctor` says what will\n"
            )
            await asyncio.to_thread(self._put, text if why else "")
        except (HeadraceError, OSError, TimeoutError) as error:
            _log.info("whether %s is used here is not known: %s", file, error)

    def _put(self, text: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        if not text:
            return
        # A shell shows it to a terminal: nothing but what can be read.
        plain = "".join(c for c in text if c.isprintable() or c == "\n")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(self._path, "x", opener=lambda p, _: os.open(p, flags, 0o600)) as file:
            file.write(plain)
