"""How builders of their own (buildx's docker-container driver) are pointed at the gateway.

``buildkitd.default.toml`` is what buildx gives a new builder. The builder reaches our loopback
only where it was made with ``--driver-opt network=host``; else it asks the registry itself at once.
buildx refuses to make a builder of driver "remote" while the file is there (docker/buildx#2985),
so it is written only for those who have builders of the one kind and none of the other. Builds by
dockerd itself (driver "docker") read dockerd's files. BuildKit names the registry by ``ns=``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import (
    ConfigurationError,
    FileEdit,
    Override,
    Place,
    Reader,
    Scope,
    read_json_or_none,
    read_toml,
)
from headrace.interface.editing import presence
from headrace.interface.editing.toml_text import MARK
from headrace_docker.engines.base import EngineActivation

__all__ = ["PLUGIN_FOLDERS", "BuildkitActivation"]

_PLUGIN = "docker-buildx"
#: Where docker's program looks for its plugins, beside the user's own folder.
PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_OWN, _REMOTE = "docker-container", "remote"
_END = "# end of what `headrace on` wrote\n"


class BuildkitActivation(EngineActivation):
    """Implements `headrace.interface.Activation` for buildx's default configuration."""

    tool = "buildx"
    scopes = (Scope.USER,)

    def folder(self, place: Place) -> Path:
        """Return buildx's folder of the user."""
        env = place.environment
        if named := env.get("BUILDX_CONFIG"):
            return Path(named)
        return Path(env.get("DOCKER_CONFIG") or place.home / ".docker") / "buildx"

    def file(self, place: Place) -> Path:
        """Return what buildx gives a new builder."""
        return self.folder(place) / "buildkitd.default.toml"

    def drivers(self, place: Place, read: Reader) -> set[str]:
        """Return the drivers of the user's builders, as buildx has recorded them."""
        found = set()
        try:
            paths = sorted((self.folder(place) / "instances").iterdir())
        except OSError:
            return set()
        for path in paths:
            try:
                document = read_json_or_none(read(path) or b"")
            except ConfigurationError:
                continue
            if isinstance(document, dict):
                found.add(str(document.get("Driver")))
        return found

    def present(self, place: Place, read: Reader) -> bool:
        """Whether buildx is here, with an engine that is here too."""
        folders = [self.machine.path(name) for name in PLUGIN_FOLDERS]
        folders.append(
            Path(place.environment.get("DOCKER_CONFIG") or place.home / ".docker") / "cli-plugins"
        )
        return place.platform == "linux" and (
            self.machine.program(place, _PLUGIN) is not None
            or any(presence.is_there(folder / _PLUGIN) for folder in folders)
            or read(self.file(place)) is not None
        )

    def activated(self, place: Place, read: Reader) -> bool:
        """Whether the file does good, and no harm."""
        if not super().activated(place, read):
            return False
        drivers = self.drivers(place, read)
        theirs = read(self.file(place)) is not None
        return theirs or (_OWN in drivers and _REMOTE not in drivers)

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one edit."""
        path = self.file(place)
        before = read(path)
        after = _merged(before or b"", names, urlsplit(url).netloc, path)
        if after is None:
            return ()
        reason = "builders made from now on with --driver-opt network=host ask the gateway first"
        return [FileEdit(path, before, after, reason)]

    def routed(self, place: Place, url: str, read: Reader) -> bool:
        """Whether one registry leads to the gateway."""
        authority = urlsplit(url).netloc
        content = read(self.file(place)) or b""
        return any(
            next(iter(_listed(table.get("mirrors"))), "") == authority
            for table in _registries(content, self.file(place)).values()
            if isinstance(table, dict)
        )

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say which builders do not see the gateway."""
        drivers = self.drivers(place, read)
        path = str(self.file(place))
        if self.routed(place, url, read):
            what = "counts for builders that are made from now on"
            hint = (
                "make them anew: docker buildx create --driver docker-container "
                "--driver-opt network=host"
            )
            return [Override(self.tool, path, what, hint, wins=False)]
        if _REMOTE in drivers:
            what = "is not written: buildx would refuse to make another builder of driver remote"
            hint = "give other builders a file of their own: --buildkitd-config FILE"
            return [Override(self.tool, path, what, hint, wins=False)]
        if _OWN not in drivers:
            what = "is not needed: no builder of driver docker-container is here"
            hint = "after `docker buildx create --driver-opt network=host`: `headrace on` again"
            return [Override(self.tool, path, what, hint, wins=False)]
        return ()

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take our block out of a file that somebody rewrote."""
        del path, before, after
        text = now.decode("utf-8", "surrogateescape")
        start, end = text.find(f"# {MARK}\n"), text.find(_END)
        if start < 0 or end < start:
            return None
        rest = text[:start].removesuffix("\n") if text[:start].endswith("\n\n") else text[:start]
        return (rest + text[end + len(_END) :]).encode("utf-8", "surrogateescape")


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _registries(content: bytes, path: Path) -> dict[str, Any]:
    found = read_toml(content, path, hint="mend it; it was not changed").get("registry", {})
    return found if isinstance(found, dict) else {}


def _merged(content: bytes, names: Sequence[str], authority: str, path: Path) -> bytes | None:
    """Append our tables; None: the user has tables for all of these registries.

    A table that he has stays as it is: TOML knows no second one, and BuildKit merges none.
    """
    theirs = _registries(content, path)
    mine = {name: {"mirrors": [authority]} for name in names if name not in theirs}
    if not mine or authority in theirs:
        return None
    lines = [f"# {MARK}\n"]
    for name in mine:
        lines += [f'[registry."{name}"]\n', f'  mirrors = ["{authority}"]\n']
    lines += [f'[registry."{authority}"]\n', "  http = true\n", _END]
    text = content.decode("utf-8")
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    after = text + gap + "".join(lines)
    wanted = read_toml(content, path) | {"registry": {**theirs, **mine, authority: {"http": True}}}
    try:
        same = read_toml(after.encode(), path) == wanted
    except ConfigurationError:
        same = False
    if not same:
        raise ConfigurationError(
            "bad-toml",
            f"{path} has registries in a form that ours cannot be put beside",
            hint='write them as [registry."NAME"] tables, then `headrace on` again',
        )
    return after.encode()
