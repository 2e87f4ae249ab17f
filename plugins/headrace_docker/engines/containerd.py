"""How containerd is pointed at the gateway: one ``hosts.toml`` for each public registry.

Kubernetes pulls (CRI) read them from `config_path` of containerd's configuration, in the first of
its folders that has one for the registry, at once. Which that is containerd is asked
(``containerd config dump``: files that it imports and its own defaults included); from 2.2 on it
has folders where nothing is set. `config_path` itself is read when containerd starts: to set it is
left to the user, because it needs a restart. nerdctl reads /etc/containerd/certs.d by itself;
``ctr`` where ``--hosts-dir`` names the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.interface import (
    ConfigurationError,
    FileEdit,
    Override,
    Place,
    Reader,
    Scope,
    read_toml,
)
from headrace.interface.editing import presence
from headrace_docker.config_files import hosts_toml
from headrace_docker.engines.base import EngineActivation
from headrace_docker.registry_api.registries import HUB, Registry, known, known_registries

__all__ = ["ContainerdActivation"]

#: The plugin that has `config_path`, by the version of the configuration.
_PLUGINS = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images"}
#: What it comes to where nothing is set, and the first containerd that has it so.
_UNSET = "/etc/containerd/certs.d:/etc/docker/certs.d"
_WITH_DEFAULT = (2, 2)
_DISABLED = {"cri", *_PLUGINS.values()}
#: Where one of these is, containerd has more to do than to run dockerd's containers.
_KUBERNETES = ("kubelet", "crictl", "kubeadm")
_DEFAULT = "/etc/containerd/certs.d"


class ContainerdActivation(EngineActivation):
    """Implements `headrace.interface.Activation` for the system's containerd."""

    tool = "containerd"
    scopes = (Scope.SYSTEM,)

    def config(self, place: Place) -> Path:
        """Return the configuration of the one that runs, else the default one."""
        running = [d for d in self.machine.daemons("containerd") if d.here and d.same_files]
        named = [path for daemon in running for path in daemon.flags("--config", "-c")]
        # The one that dockerd starts for itself is none of ours.
        own = [path for path in named if "/docker/" not in path]
        del place
        return Path(own[0]) if own else self.machine.path("/etc/containerd/config.toml")

    def present(self, place: Place, read: Reader) -> bool:
        """Whether containerd is here for more than dockerd, which has it to run containers."""
        if place.platform != "linux" or self.machine.program(place, "containerd") is None:
            return False
        if self._named(place, read) not in ("", _UNSET) or self.machine.program(place, "nerdctl"):
            return True
        kubernetes = any(self.machine.program(place, name) for name in _KUBERNETES)
        dockers = self.machine.program(place, "dockerd") is not None and not kubernetes
        return not dockers and not self._without_cri(place, read)

    def folders(self, place: Place, read: Reader) -> list[Path]:
        """Return where hosts.toml files are looked for, in this order."""
        named = self._named(place, read)
        if not named and self.machine.program(place, "nerdctl"):
            named = _DEFAULT
        return [self.machine.path(each) for each in named.split(":") if each]

    def _named(self, place: Place, read: Reader) -> str:
        """Return `config_path` as it counts; empty: Kubernetes' part looks for nothing."""
        said = _setting(self._effective(place, read) or self._document(place, read))
        return said or ("" if self._without_cri(place, read) else self._unset(place))

    def _unset(self, place: Place) -> str:
        if place.scope is Scope.USER:
            there = any(presence.is_folder(self.machine.path(each)) for each in _UNSET.split(":"))
            return _UNSET if there else ""
        program = self.machine.program(place, "containerd")
        version = self.machine.version(program) if program else ()
        return _UNSET if version >= _WITH_DEFAULT else ""

    def _effective(self, place: Place, read: Reader) -> dict[str, Any]:
        """Return the configuration as containerd itself has it; empty where it does not say.

        Only where files of the system may be edited: a user's `status` starts no program.
        """
        program, path = self.machine.program(place, "containerd"), self.config(place)
        if program is None or place.scope is Scope.USER:
            return {}
        try:
            named = () if read(path) is None else ("--config", str(path))
            said = self.machine.said(str(program), *named, "config", "dump")
            document = read_toml(said.encode(), "what containerd says")
        except ConfigurationError:  # not for this user's eyes: `_document` says it
            return {}
        # An older one prints something of a version that it does not know, and no plugins.
        return document if isinstance(document.get("plugins"), dict) else {}

    def folder(self, place: Place, name: str, read: Reader) -> Path:
        """Return the one that counts for a registry: the first that knows it."""
        found = self.folders(place, read)
        known = (each for each in found if presence.is_folder(hosts_toml.folder(each, name)))
        return next(known, found[0])

    def activated(self, place: Place, read: Reader) -> bool:
        """Whether hosts.toml files are looked for."""
        return super().activated(place, read) and bool(self.folders(place, read))

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe one file for each registry."""
        described = self._described(place, url, names, read)
        return [each for each in described if isinstance(each, FileEdit)]

    def routed(self, place: Place, url: str, read: Reader) -> bool:
        """Look at docker.io's."""
        if not self.folders(place, read):
            return False
        path = hosts_toml.folder(self.folder(place, HUB, read), HUB) / hosts_toml.NAME
        return hosts_toml.leads_to(read(path), url)

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say why nothing is looked for, or what is left alone."""
        config = self.config(place)
        if not self.folders(place, read):
            version = _version(self._document(place, read))
            what = "sets no config_path: containerd looks for no mirrors"
            hint = (
                f'add [plugins."{_PLUGINS[version]}".registry] config_path = "{_DEFAULT}" '
                "there, restart containerd, then `sudo headrace on`"
            )
            return [Override(self.tool, str(config), what, hint, wins=False)]
        if place.scope is Scope.USER:
            if self.routed(place, url, read):
                return ()
            what = "is the system's: only root may point it at the gateway"
            return [Override(self.tool, str(config), what, "`sudo headrace on`", wins=False)]
        names = [registry.name for registry in known_registries()]
        described = self._described(place, url, names, read)
        return [each for each in described if isinstance(each, Override)]

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take our host out of a file that somebody rewrote."""
        del path, before, after
        return hosts_toml.take_out(now)

    def _described(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> list[FileEdit | Override]:
        return [
            self.describe(self.folder(place, name, read), known(name), url, read) for name in names
        ]

    def describe(
        self, base: Path, registry: Registry, url: str, read: Reader
    ) -> FileEdit | Override:
        """Describe the edit for a registry below a folder, or say why there is none."""
        return hosts_toml.describe(self.tool, base, registry, url, read)

    def _document(self, place: Place, read: Reader) -> dict[str, Any]:
        path = self.config(place)
        try:
            content = read(path) or b""
        except ConfigurationError:
            if place.scope is Scope.USER:  # not for this user's eyes
                return {}
            raise
        hint = "containerd does not start with it either; mend it, then `headrace on` again"
        return read_toml(content, path, hint=hint)

    def _without_cri(self, place: Place, read: Reader) -> bool:
        """Whether Kubernetes' part is switched off, as where containerd came with docker."""
        document = self._effective(place, read) or self._document(place, read)
        disabled = document.get("disabled_plugins")
        return isinstance(disabled, list) and bool(_DISABLED & {str(each) for each in disabled})


def _version(document: dict[str, Any]) -> int:
    version = document.get("version", 2)
    return 3 if isinstance(version, int) and version > 2 else 2


def _setting(document: dict[str, Any]) -> str | None:
    """Return `config_path`, as it stands in configurations of version 2 and 3."""
    for plugin in _PLUGINS.values():
        value: Any = document
        for key in ("plugins", plugin, "registry", "config_path"):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value
    return None
