"""Whom the gateway trusts in whose name: a tool's own file of authorities counts for that tool.

Its origins are asked by that file, alone where the tool does so. A mirror of theirs is no origin
of the tool's: its bytes are checked by digest, and behind a proxy that signs everything anew it is
reached by that file only; so there the file counts beside what is usual. Nobody else's upstreams
are trusted by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from headrace.fleet_settings import FleetSettings
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Mirror
from headrace.policy.destinations import Initiator
from headrace.upstream.tls import Authorities

__all__ = ["ToolsTrust"]


class ToolsTrust:
    """By the origins that tools name."""

    def __init__(
        self,
        origins: Iterable[DiscoveredOrigin],
        mirrors: Callable[[str], Sequence[Mirror]],
        fleet: Callable[[], FleetSettings | None] = lambda: None,
        fellows: Callable[[str], Authorities | None] = lambda _: None,
    ) -> None:
        """`mirrors` gives those in use for an ecosystem, `fleet` the gateway that this machine
        shares, whose certificate may be a lab's own; `fellows` says who vouches for another
        replica, by its URL.
        """
        self._fellows = fellows
        self._mirrors = mirrors
        self._fleet = fleet
        self._origins: dict[str, Authorities] = {}
        self._files: dict[str, list[str]] = {}
        for found in origins:
            if not found.authorities:
                continue
            own = Authorities((found.authorities,), alone=found.authorities_alone)
            self._origins.setdefault(found.origin.url, own)
            files = self._files.setdefault(found.origin.ecosystem, [])
            if found.authorities not in files and not found.origin.private:
                files.append(found.authorities)

    def of(self, initiator: Initiator) -> Authorities | None:
        """Return what is trusted in somebody's name; None: what the environment says."""
        found = self._fellows(initiator.home) or self._of_fleet(initiator.home)
        return found or (self._of_tools(initiator) if self._origins else None)

    def _of_fleet(self, home: str) -> Authorities | None:
        shared = self._fleet()
        if shared is None or not shared.authorities or home != shared.url:
            return None
        return Authorities((shared.authorities,), alone=False)

    def _of_tools(self, initiator: Initiator) -> Authorities | None:
        for url, own in self._origins.items():
            if initiator.home == url or initiator.home.startswith(f"{url}/"):
                return own
        if initiator.is_origin:
            return None
        for ecosystem, files in self._files.items():
            if files and any(each.url == initiator.home for each in self._mirrors(ecosystem)):
                return Authorities(tuple(files), alone=False)
        return None
