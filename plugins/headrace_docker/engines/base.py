"""What the activations of engines have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Scope,
    Standing,
)
from headrace_docker.engines.running import Machine
from headrace_docker.registry_api import registries

__all__ = ["EngineActivation", "base_url", "config_home"]


class EngineActivation:
    """Implements `headrace.interface.Activation`; each engine says what it has of its own.

    Engines are written in Go, which sends no request for a loopback address to a proxy that the
    environment names, so nothing here looks for one.
    """

    tool = ""
    scopes: tuple[Scope, ...] = (Scope.USER, Scope.SYSTEM)
    """Where it has files."""

    def __init__(self, machine: Machine | None = None) -> None:
        """`machine` None: this one."""
        self.machine = machine or Machine()

    # ---------------------------------------------------- what each engine says

    def present(self, place: Place, read: Reader) -> bool:
        """Whether the engine is here."""
        raise NotImplementedError

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the edits that lead to the gateway at `url` for these registries."""
        raise NotImplementedError

    def routed(self, place: Place, url: str, read: Reader) -> bool:
        """Whether the engine's files lead to the gateway at `url`."""
        raise NotImplementedError

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say what goes past the gateway, and the way out."""
        raise NotImplementedError

    def activated(self, place: Place, read: Reader) -> bool:
        """Whether there is something to be edited at this scope."""
        return place.scope in self.scopes and self.present(place, read)

    # ---------------------------------------------------- the protocol

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Return the public registries, if the engine is here; no command names others."""
        return registries.discovered() if self.activated(place, read) else ()

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the edits. The gateway's token is in none: engines need not show it."""
        names = [registry.name for registry in registries.fronted(origins)]
        if not names or not self.activated(place, read):
            return ()
        return self.edits(place, base_url(gateway), names, read)

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Look at the engine's own files."""
        if not self.present(place, read):
            return Standing.NOT_FOUND
        routed = gateway is not None and self.routed(place, base_url(gateway), read)
        return Standing.ROUTED if routed else Standing.NOT_ROUTED

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what goes past the gateway."""
        if not self.present(place, read):
            return ()
        return self.told(place, base_url(gateway), read)

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Say that only the user can tell; files of ours alone are taken out as a whole."""
        del path, before, after, now
        return None

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """Nothing: a daemon does not read a command's environment."""
        del place, gateway, origins, read, scratch
        return {}, ()


def base_url(gateway: GatewayAddress) -> str:
    """Return the gateway's URL as engines write mirrors: no user, no final slash."""
    return GatewayAddress(gateway.host, gateway.port, scheme=gateway.scheme).url("")


def config_home(place: Place) -> Path:
    """Return where the user's configuration lies (XDG Base Directory Specification)."""
    return Path(place.environment.get("XDG_CONFIG_HOME") or place.home / ".config")
