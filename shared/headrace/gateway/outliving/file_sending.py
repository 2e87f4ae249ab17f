"""What of an answer lies in a file, sent from there.

A transport takes bytes alone, so this goes past it: only while nothing waits in there, and nothing
is given to it before all of the part is out. Whoever answers is held up meanwhile as by a transport
whose client does not read.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any, Protocol

from headrace.errors import StoreError
from headrace.system.storage.file_part import FilePart

__all__ = ["FileSending", "SendingConnection"]

_log = logging.getLogger("headrace.gateway")


class SendingConnection(Protocol):
    """What this needs of a client's connection."""

    transport: Any
    registry: Any
    """Where it is counted as one whose client reads, or does not."""
    sending: FileSending | None
    """What is being sent; told when the connection ends."""

    def pause_writing(self) -> None:
        """Let whoever answers wait."""

    def resume_writing(self) -> None:
        """Let him go on."""


class FileSending:
    """One part on its way to a client, while its socket takes no more of it at once."""

    def __init__(
        self, connection: SendingConnection, part: FilePart, count: Callable[[int], None]
    ) -> None:
        """Begin; `count` hears of the bytes that the socket took, each time it does."""
        self._connection = connection
        self._part = part
        self._count = count
        self._descriptor = int(connection.transport.get_extra_info("socket").fileno())
        self._watched: int | None = None
        if not self._go_on():
            self._wait()

    def _go_on(self) -> bool:
        """Send what the socket takes; True when that was all, or will be nothing more."""
        part = self._part
        try:
            while part:
                self._count(part.send(self._descriptor))
        except BlockingIOError:
            return False
        except (OSError, StoreError) as error:
            # There must be no hole in what was promised, so nothing more comes.
            _log.info("an answer ends for its client: %s", error)
            self._connection.transport.abort()
        return True

    def _wait(self) -> None:
        # A loop lets nobody watch a transport's own descriptor.
        self._watched = self._descriptor = os.dup(self._descriptor)
        connection = self._connection
        connection.sending = self
        connection.pause_writing()
        asyncio.get_running_loop().add_writer(self._watched, self._writable)

    def _writable(self) -> None:
        if self._go_on():
            self.end()
            self._connection.resume_writing()
        else:
            # It reads, though not yet as much as would let the answer go on.
            self._connection.registry.reads(self._connection)
            self._connection.registry.stalls(self._connection, 0)

    def end(self) -> None:
        """Send no more: a descriptor of ours would keep the connection open."""
        self._connection.sending = None
        if self._watched is not None:
            asyncio.get_running_loop().remove_writer(self._watched)
            os.close(self._watched)
            self._watched = None
