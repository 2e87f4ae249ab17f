"""How k3s and rke2 are pointed at the gateway: ``mirrors`` of their registries.yaml.

They make containerd's hosts.toml of it when they start, with the registry itself as the last
resort. So it counts after a restart of k3s, which is left to whoever runs the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headrace.interface import (
    Activation,
    ConfigurationError,
    FileEdit,
    Override,
    Place,
    Reader,
    Scope,
)
from headrace.interface.editing import presence
from headrace_docker.config_files import registries_yaml
from headrace_docker.engines.base import EngineActivation
from headrace_docker.engines.running import Machine
from headrace_docker.registry_api.registries import HUB, known_registries

__all__ = ["K3sActivation"]


class K3sActivation(EngineActivation):
    """Implements `headrace.interface.Activation` for k3s; `Rke2Activation` has another folder."""

    tool = "k3s"
    scopes = (Scope.SYSTEM,)

    def file(self) -> Path:
        """Return the file."""
        return self.machine.path(f"/etc/rancher/{self.tool}/registries.yaml")

    def present(self, place: Place, read: Reader) -> bool:
        """Whether the program is here, or a folder that it configured."""
        del read
        return place.platform == "linux" and (
            self.machine.program(place, self.tool) is not None
            or presence.is_folder(self.file().parent)
        )

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one edit."""
        del place
        before = read(self.file())
        # Lines of ours that nobody recorded are no mirrors of the user's.
        rest = registries_yaml.take_out(before) if before else None
        theirs = before if rest is None else rest
        after = registries_yaml.add(theirs, names, url, self.file())
        if after is None:
            return ()
        reason = f"public registries are asked through the gateway once {self.tool} is restarted"
        return [FileEdit(self.file(), before, after, reason)]

    def routed(self, place: Place, url: str, read: Reader) -> bool:
        """Look at docker.io's endpoints."""
        try:
            document = registries_yaml.load(read(self.file()), self.file())
        except ConfigurationError:
            if place.scope is Scope.USER:
                return False
            raise
        return registries_yaml.endpoints(document, HUB)[:1] == [url]

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say what is the user's own, and that a restart is his."""
        path = str(self.file())
        if place.scope is Scope.USER:
            if self.routed(place, url, read):
                return ()
            what = f"is the system's: only root may point {self.tool} at the gateway"
            return [Override(self.tool, path, what, "`sudo headrace on`", wins=False)]
        document = registries_yaml.load(read(self.file()), self.file())
        found = {
            each.name: registries_yaml.endpoints(document, each.name) for each in known_registries()
        }
        if every := registries_yaml.endpoints(document, registries_yaml.EVERY):
            found["every registry"] = every
        told = [
            Override(
                self.tool,
                path,
                f"has endpoints of yours for {name}",
                "as you wish; they are left alone",
                wins=False,
            )
            for name, urls in found.items()
            if urls and url not in urls
        ]
        if any(url in urls for urls in found.values()):
            what = f"is read when {self.tool} starts"
            hint = f"restart {self.tool} if it has not been since `headrace on`"
            told.append(Override(self.tool, path, what, hint, wins=False))
        return told

    def for_node(self, root: Path, authorities: bytes | None) -> Activation:
        """See `headrace.interface.LeadsNodes`; k3s has its own place for authorities."""
        del authorities
        return type(self)(Machine.below(root))

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take our lines out of a file that somebody rewrote."""
        del path, before, after
        return registries_yaml.take_out(now)


class Rke2Activation(K3sActivation):
    """The same for rke2."""

    tool = "rke2"
