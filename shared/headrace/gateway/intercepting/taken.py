"""A client's connection that may be taken over, where its client asks for a tunnel (CONNECT)."""

from __future__ import annotations

from typing import Any

from headrace.gateway.connection import ClientConnection
from headrace.gateway.request_head import certificate_names, join_headers
from headrace.system.service.bridges import Bridges

__all__ = ["TakeableConnection"]

_END = b"\r\n\r\n"


class TakeableConnection(ClientConnection):
    """`ClientConnection`, until somebody takes it: ``connects`` of the application's state. It is
    counted, and goes when there are too many, as long as it is open.
    """

    _taken = False
    _names: tuple[str, ...] = ()
    early = b""
    """What its client sent behind the head, before it knew whether there is a tunnel."""
    _before = b""

    def __init__(self, *args: Any, bridges: Bridges | None = None, **rest: Any) -> None:
        """With `bridges` only those are heard whom they let in; else all, as `ClientConnection`."""
        super().__init__(*args, **rest)
        self._bridges = bridges

    def connection_made(self, transport: Any) -> None:
        """Hear nothing of who comes from elsewhere than a bridge's own network."""
        if self._bridges is not None and not self._bridges.lets_in(
            transport.get_extra_info("socket")
        ):
            self.deaf = True
            transport.abort()
        self._names = certificate_names(transport.get_extra_info("peercert"))
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came; keep what is behind the head of a CONNECT."""
        if self._taken:
            self.early += data
            return
        super().data_received(data)
        if self._taken:
            self.early = (self._before + data).partition(_END)[2]
        self._before = data[1 - len(_END) :]

    def on_headers_complete(self) -> None:
        """Give a client that wants a tunnel to whoever makes tunnels, where somebody does."""
        taker = self.app_state.get("connects")
        if self._names:
            self.scope["headrace.certificate_names"] = self._names  # type: ignore[typeddict-unknown-key]
        under_way: Any = self.cycle  # None before the first request
        busy = self.pipeline or (under_way is not None and not under_way.response_complete)
        if self.deaf or busy or taker is None or self.parser.get_method() != b"CONNECT":
            super().on_headers_complete()
            return
        self.complete = self.deaf = self._taken = True
        self.head_since = None
        self.registry.works(self)
        self.registry.taken(self)
        # Nothing more is read until it is known by whom.
        self.transport.pause_reading()
        taker.take(self, self.url, join_headers(self.headers))

    def on_message_complete(self) -> None:
        """The request is here, all of it."""
        if not self._taken:
            super().on_message_complete()

    def end_gently(self) -> None:
        """Let it go: what its client goes on saying is thrown away, as anybody else's is."""
        self._taken = False
        super().end_gently()

    def gone(self) -> None:
        """Whoever took it is done with it."""
        self.connection_lost(None)
