"""A worker's end of the channel to its holder, in the words that `holder` explains.

Holder and worker are of different ages after an upgrade. Both speak the lower of their numbers: a
holder of before has none, and hears nothing but ``R``, ``.`` and ``I``.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator

__all__ = ["PROTOCOL", "HolderLink", "Loan"]

PROTOCOL = 2
_MESSAGE = 64 << 10
_ROOM = socket.CMSG_LEN(4) if hasattr(socket, "CMSG_LEN") else 0
#: A descriptor that came must not go on to our children (unix(7)), and other threads start some.
#: `socket.recv_fds` takes flags and does nothing with them.
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

#: A connection's number (8 bytes), its descriptor, and what the worker before knew of it.
Loan = tuple[bytes, int, bytes]


class HolderLink:
    """Nothing here waits, and a holder that is gone is no error: to go on serving is better than to
    leave the port closed.
    """

    def __init__(self, channel: socket.socket) -> None:
        """Take over the channel, and hear which protocol the holder speaks."""
        channel.setblocking(False)
        self.channel = channel
        self.gone = False
        """The holder has ended: there is nothing to be heard any more."""
        self.number = self._greeting()

    def _greeting(self) -> int:
        with contextlib.suppress(OSError):
            said = self.channel.recv(_MESSAGE)
            if said[:1] == b"H" and said[1:].isdigit():
                return min(PROTOCOL, int(said[1:]))
        return 1

    def ready(self) -> None:
        """Say that requests are answered; that no client is there yet goes without saying."""
        if self.number < PROTOCOL:
            self._tell(b"R")
        else:
            self._tell(b"R%d" % self.number)
            self.calm()

    def alive(self) -> None:
        """Give a sign of life."""
        self._tell(b".")

    def idle(self) -> None:
        """Say that the worker ends for want of work."""
        self._tell(b"I")

    def watch(self) -> None:
        """Say that a client is connected; `alive` is due every second from now on."""
        if self.number > 1:
            self._tell(b"W")

    def calm(self) -> None:
        """Say that no client is connected."""
        if self.number > 1:
            self._tell(b"C")

    def lend(self, number: bytes, what: bytes, descriptor: int | None) -> bool:
        """Give the holder a copy of a client's connection, or, without a descriptor, what is known
        of one that it has; False: it cannot take it now.
        """
        message = b"L" + number + what
        if self.number < PROTOCOL or len(message) > _MESSAGE:
            return False
        if descriptor is None:
            return self._tell(message)
        try:
            socket.send_fds(self.channel, [message], [descriptor])
        except OSError:
            return False
        return True

    def drop(self, number: bytes) -> bool:
        """Say that a connection has ended; False: say it again later."""
        return self._tell(b"D" + number)

    def given(self) -> Iterator[Loan]:
        """Take what a worker that died had lent, as far as it is here."""
        while True:
            try:
                data, beside, _, _ = self.channel.recvmsg(_MESSAGE, _ROOM, _CLOEXEC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data, beside = b"", []
            if not data:
                self.gone = True
                return
            for _, kind, packed in beside:
                if kind == socket.SCM_RIGHTS:
                    descriptor = int.from_bytes(packed[:4], sys.byteorder, signed=True)
                    yield data[1:9], descriptor, data[9:]

    def _tell(self, word: bytes) -> bool:
        try:
            self.channel.send(word)
        except BlockingIOError:
            return False
        except OSError:
            return True  # nobody hears it any more
        return True
