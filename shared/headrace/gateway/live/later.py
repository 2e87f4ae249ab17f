"""The live page before anybody has asked for it: nothing of it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.gateway.exchange import Receive, Scope, Send
from headrace.gateway.peers import Peers
from headrace.gateway.wiring import Components

if TYPE_CHECKING:
    from headrace.gateway.live.endpoints import LivePage
    from headrace.gateway.live.viewers import Viewers

__all__ = ["LivePageLater"]


class LivePageLater:
    """Makes the live page when it is first asked for; most gateways never do."""

    def __init__(
        self, parts: Components, peers: Peers, ask_tools: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """As `LivePage` and `Viewers` have them."""
        self._parts = parts
        self._peers = peers
        self._ask_tools = ask_tools
        self._page: LivePage | None = None
        self.viewers: Viewers | None = None
        """Who looks; None: nobody ever did."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if self._page is None:
            from headrace.gateway.live.endpoints import LivePage  # noqa: PLC0415 - start-up time
            from headrace.gateway.live.viewers import Viewers  # noqa: PLC0415 - as above

            self.viewers = Viewers(self._parts, self._ask_tools)
            self._page = LivePage(self._parts, self._peers, self.viewers)
        await self._page(scope, receive, send)

    def end(self) -> None:
        """Let all who look go: the gateway ends."""
        if self.viewers is not None:
            self.viewers.end()

    async def aclose(self) -> None:
        """End what was begun."""
        if self.viewers is not None:
            await self.viewers.aclose()
