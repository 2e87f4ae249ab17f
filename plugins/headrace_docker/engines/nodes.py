"""Engines of a node, as ``headrace node-agent`` finds them: by their files below another root.

The agent runs in a container on that node. It sees the node's folders of configuration and none of
its programs, so an engine is there where its folder is, and nobody is asked or told: containerd
reads hosts.toml anew for each pull, CRI-O its drop-ins when it is told or watches them, k3s and
rke2 their file when they start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from headrace.interface import Activation, FileEdit, Override, Place, Reader
from headrace.interface.editing import presence
from headrace_docker.config_files import hosts_toml
from headrace_docker.engines.containerd import ContainerdActivation
from headrace_docker.engines.podman import ContainersActivation
from headrace_docker.engines.running import Machine
from headrace_docker.registry_api.registries import Registry

__all__ = ["ContainerdHereOrThere", "ContainersHereOrThere"]

#: What containerd from 2.2 on reads by itself, and what every Kubernetes distribution sets.
_FOLDER = "/etc/containerd/certs.d"
#: In certs.d no folder is free of meaning, so it lies beside.
_AUTHORITY = "/etc/containerd/headrace-ca.crt"
_REASON = "who vouches for the fleet"


class NodeContainerd(ContainerdActivation):
    """Implements `headrace.interface.Activation` for containerd of another root."""

    def __init__(self, root: Path, authorities: bytes | None) -> None:
        """`authorities`: see `headrace.interface.LeadsNodes`."""
        super().__init__(Machine.below(root))
        self._authorities = authorities

    def present(self, place: Place, read: Reader) -> bool:
        """Whether it has a folder of configuration."""
        del place, read
        return presence.is_folder(self.machine.path("/etc/containerd"))

    def folders(self, place: Place, read: Reader) -> list[Path]:
        """Return those that its configuration names, else the one that Kubernetes' part has."""
        named = super().folders(place, read)
        return named or [self.machine.path(_FOLDER)]

    def describe(
        self, base: Path, registry: Registry, url: str, read: Reader
    ) -> FileEdit | Override:
        """Describe a file whose paths are the node's."""
        authority = _AUTHORITY if self._authorities else ""
        root = self.machine.root
        return hosts_toml.describe(
            self.tool, base, registry, url, read, authority=authority, root=root
        )

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe a file for each registry, and the authorities that these name."""
        found = list(super().edits(place, url, names, read))
        if self._authorities and found:
            path = self.machine.path(_AUTHORITY)
            found.insert(0, FileEdit(path, read(path), self._authorities, _REASON))
        return found

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say beside the rest where Kubernetes' part may look for nothing."""
        told = list(super().told(place, url, read))
        if not super().folders(place, read):
            what = "sets no config_path: containerd before 2.2 looks for no mirrors"
            hint = f'set config_path = "{_FOLDER}" of its CRI plugin, and restart containerd'
            told.append(Override(self.tool, str(self.config(place)), what, hint))
        return told

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """The authorities' file has our name, and is ours as a whole."""
        if path.name == Path(_AUTHORITY).name:
            return b""
        return super().withdraw(path, before, after, now)


class NodeContainers(ContainersActivation):
    """Implements `headrace.interface.Activation` for CRI-O of another root."""

    def __init__(self, root: Path, authorities: bytes | None) -> None:
        """`authorities`: see `headrace.interface.LeadsNodes`."""
        super().__init__(Machine.below(root))
        self._authorities = authorities

    def present(self, place: Place, read: Reader) -> bool:
        """Whether registries have a folder of configuration."""
        del place, read
        return presence.is_folder(self.machine.path("/etc/containers"))

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the drop-in, and the authorities where containers-certs.d(5) has them."""
        found = [replace(each, reload=None) for each in super().edits(place, url, names, read)]
        if self._authorities and found:
            host = urlsplit(url).netloc
            path = self.machine.path(f"/etc/containers/certs.d/{host}/headrace-ca.crt")
            found.insert(0, FileEdit(path, read(path), self._authorities, _REASON))
        return found

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """The authorities' file has our name, and is ours as a whole."""
        return b"" if path.suffix == ".crt" else super().withdraw(path, before, after, now)


class ContainerdHereOrThere(ContainerdActivation):
    """This machine's containerd; also implements `headrace.interface.LeadsNodes`."""

    def for_node(self, root: Path, authorities: bytes | None) -> Activation:
        """Return containerd of a node."""
        return NodeContainerd(root, authorities)


class ContainersHereOrThere(ContainersActivation):
    """What reads registries.conf here; also implements `headrace.interface.LeadsNodes`."""

    def for_node(self, root: Path, authorities: bytes | None) -> Activation:
        """Return CRI-O of a node."""
        return NodeContainers(root, authorities)
