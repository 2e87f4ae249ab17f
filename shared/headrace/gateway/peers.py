"""Who may read the gateway's own pages: what one user fetched is nobody else's business.

Every user of a machine can connect to its loopback. What a user's tools fetch through the gateway
is told by ``/status``, ``/explain`` and ``/metrics``: names, paths, what lies in the store. So

- where a token is asked for, it opens these pages as it opens everything else;
- else they are for the user that the gateway runs as, and for root. Linux tells whose the other end
  of a connection is (`headrace.ownership.sockets`);
- where the system does not tell, whoever proves to have read the gateway's secret, which its state
  folder holds for its user alone, is that user (`shown_for`). A gateway that has no secret there
  asks for none, as one of before;
- the machine's gateway serves every user, and each may see that it does: its public origins, its
  mirrors and sources, counters. What it fetched for whom it tells root alone: no incident (there
  are paths in them), no build, nothing of what is in the store (`views`).

``/healthz`` is for everybody.
"""

from __future__ import annotations

import asyncio
import enum
import os
from collections.abc import Callable, Iterable

from headrace.gateway.exchange import Scope
from headrace.gateway.request_head import authorised
from headrace.ownership.sockets import owner_of_connection, read_tables
from headrace.system.service.own_pages import shown_for

__all__ = ["Peers", "Sight"]

#: What the kernel says of users that this user namespace does not know (user_namespaces(7)).
_OVERFLOW = 65534
#: No program holds that end any more.
_NOBODY = -1


class Sight(enum.Enum):
    """What somebody may see of the gateway's own pages."""

    ALL = "all"
    COMMON = "common"
    """What is no user's alone."""
    NONE = "none"


class Peers:
    """Tells what the other end of a connection may see."""

    def __init__(
        self,
        token: str | None,
        secret: str | None = None,
        *,
        machine: bool = False,
        tables: Callable[[], Iterable[str]] = read_tables,
        own: int | None = None,
    ) -> None:
        """`machine`: it is the machine's gateway; `tables` are the kernel's, `own` our user id."""
        self._token = token
        self._shown = None if secret is None else shown_for(secret)
        self._machine = machine
        self._rest = Sight.COMMON if machine else Sight.NONE
        self._tables = tables
        self._own = getattr(os, "geteuid", lambda: None)() if own is None else own

    async def sight(self, scope: Scope, authorization: str | None) -> Sight:
        """Return what a request may be told. The guard has looked at the token already."""
        if self._token is not None:
            return Sight.ALL
        if self._shown is not None and authorised(authorization, self._shown):
            return Sight.ALL
        owner = await asyncio.to_thread(self._owner, scope.get("client"), scope.get("server"))
        if owner is None:
            # The system does not tell.
            return Sight.ALL if self._shown is None and not self._machine else self._rest
        return Sight.ALL if owner in (0, self._own) and owner != _OVERFLOW else self._rest

    async def sight_of_page(
        self, scope: Scope, authorization: str | None, *, session: bool
    ) -> Sight:
        """As `sight`, for the live page, of which the guard asks no token: a browser has none, and
        has a `session` in its place. Neither opens anything for another user.
        """
        for known in (self._token, self._shown):
            if known is not None and authorised(authorization, known):
                return Sight.ALL
        owner = await asyncio.to_thread(self._owner, scope.get("client"), scope.get("server"))
        if owner is None:
            free = self._token is None and self._shown is None and not self._machine
            return Sight.ALL if session or free else self._rest
        if owner in (0, self._own) and owner != _OVERFLOW:
            return Sight.ALL if session or self._token is None else Sight.NONE
        return self._rest if self._token is None else Sight.NONE

    async def may_enter(self, scope: Scope) -> bool:
        """Whether whoever has a code may use it: nobody who is known to be another user."""
        owner = await asyncio.to_thread(self._owner, scope.get("client"), scope.get("server"))
        return owner is None or (owner in (0, self._own) and owner != _OVERFLOW)

    def _owner(self, client: tuple[str, int] | None, server: tuple[str, int] | None) -> int | None:
        tables = list(self._tables())
        if not tables or client is None or server is None:
            return None
        found = owner_of_connection(tables, client, server)
        return _NOBODY if found is None else found
