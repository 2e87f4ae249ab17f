"""Engines that run in a virtual machine: there 127.0.0.1 is not this machine, so nothing that is
written for them could lead to the gateway. They are named, with the way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headrace.interface import FileEdit, Override, Place, Reader
from headrace.interface.editing import presence
from headrace_docker.engines.base import EngineActivation

__all__ = ["VirtualActivation"]

_INSIDE = "runs its engine in a virtual machine, where 127.0.0.1 is not this machine"
_WAY_OUT = "install headrace in the machine where the engine runs, and `sudo headrace on` there"
#: Programs of other systems that keep such a machine, and how people call them.
_MACHINES = {
    "podman": "podman machine",
    "colima": "colima",
    "limactl": "lima",
    "rdctl": "Rancher Desktop",
    "orb": "OrbStack",
}


class VirtualActivation(EngineActivation):
    """Implements `headrace.interface.Activation`: says what cannot be done, and edits nothing."""

    tool = "docker-vm"
    scopes = ()

    def found(self, place: Place, read: Reader) -> Iterator[tuple[str, str]]:
        """Give each one that is here, and the way out."""
        desktop = place.home / ".docker" / "desktop"
        if place.platform == "linux":
            if presence.is_folder(desktop):
                yield "Docker Desktop", f"docker context use default; or {_WAY_OUT}"
            if presence.is_folder(self.machine.path("/mnt/wsl/docker-desktop")):
                yield "Docker Desktop (WSL)", "install docker in this distribution itself"
            return
        if self.machine.program(place, "docker") and (
            presence.is_folder(desktop) or read(place.home / ".docker" / "daemon.json") is not None
        ):
            yield "Docker Desktop", _WAY_OUT
        for program, name in _MACHINES.items():
            if self.machine.program(place, program):
                yield name, _WAY_OUT

    def present(self, place: Place, read: Reader) -> bool:
        """Whether one is here."""
        return next(self.found(place, read), None) is not None

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Nothing is edited."""
        del place, url, names, read
        return ()

    def routed(self, place: Place, url: str, read: Reader) -> bool:
        """Never."""
        del place, url, read
        return False

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say which, and the way out."""
        del url
        return [
            Override(self.tool, name, _INSIDE, hint, wins=False)
            for name, hint in self.found(place, read)
        ]
