"""How conda is pointed at the gateway: a drop-in condarc, and our plugin where conda finds it.

The plugin changes the requests of public channels and nothing else, so channel names, conda-meta,
explicit lists and exported environments stay as they are. No file of the user's is edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.interface import (
    ConfigurationError,
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    LocalError,
    Origin,
    Override,
    Place,
    Reader,
    Scope,
    Standing,
)
from headrace.interface.editing import loopback, presence
from headrace_conda.tools import bases, bridge, condarc
from headrace_conda.tools.bases import OLDEST, Base

__all__ = ["CondaActivation", "named_files"]

#: Programs that run no conda: `headrace run` does not wait for conda's own words before these.
_OTHERS = re.compile(r"(pip|python|uv|uvx|pipx|poetry|pdm|pixi|rattler)[0-9.]*(-build)?")

#: The first conda that matches URLs by patterns.
WITH_PATTERNS = (24, 5)


class CondaActivation:
    """Implements `headrace.interface.Activation` for conda."""

    tool = "conda"

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Return the hosts of the channels that conda uses, and those that everybody's are on.

        A host that is not publicly known is somebody's own: it is told, and conda goes there by
        itself.
        """
        del read
        from headrace_conda.channels import configured  # noqa: PLC0415 - other commands need not pay

        found = bases.find(place)
        if not found:
            return ()
        if _runs_no_conda(place):
            # Should it start a conda all the same, that has the origins that everybody has.
            return configured.known_origins()
        settings = bases.configuration_before(found[0], place)
        _refuse_kept_beside(settings)
        return configured.origins(settings)

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the drop-in, and the way to the plugin for each base that lacks it."""
        found = [base for base in bases.find(place) if base.version >= OLDEST]
        mine = [origin for origin in origins if origin.ecosystem == "conda"]
        if not found or not mine:
            return ()
        _refuse_kept_beside(_settings(found[0], place))
        able = [base for base in found if base.has_headrace or base.writable]
        if not able:
            raise ConfigurationError(
                "conda-base-read-only",
                f"the plugin cannot be put into {found[0].prefix}, where you may not write",
                hint=f"`{found[0].prefix}/bin/python -m pip install headrace` by whoever owns it, "
                "or `sudo headrace on`; conda goes on as before",
            )
        edits = [self._drop_in(place, gateway, mine, able, read)]
        without = [base for base in able if not base.has_headrace]
        if without:
            packed = bridge.archive(place)
            ways = [bridge.pth(base, packed) for base in without]
            for path, content in ((packed, bridge.content()), *ways):
                edits.append(FileEdit(path, read(path), content, "the plugin, for conda's base"))
        return edits

    def _drop_in(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        able: Sequence[Base],
        read: Reader,
    ) -> FileEdit:
        path = condarc.file(place)
        by_name = any(base.version < WITH_PATTERNS for base in able)
        content = condarc.render(origins, gateway, bases.command(place), by_name=by_name)
        return FileEdit(
            path,
            read(path),
            content,
            "conda's requests for public channels go to the gateway",
            private=gateway.token is not None,
        )

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Look for the drop-in, and for the plugin in the base that comes first."""
        found = bases.find(place)
        if not found:
            return Standing.NOT_FOUND
        if gateway is None:
            return Standing.NOT_ROUTED
        first, scopes = found[0], (replace(place, scope=Scope.SYSTEM), place)
        drop_ins = [file for scope in scopes if (file := read(condarc.file(scope))) is not None]
        if not drop_ins and first.has_headrace:
            # The file that is installed with headrace: the plugin reads where the gateway is.
            led = read(first.prefix / "condarc.d" / "headrace.yml") is not None
        else:
            led = any(condarc.leads_to(file, gateway) for file in drop_ins)
        there = first.has_headrace or any(_has_plugin(first, scope, read) for scope in scopes)
        return Standing.ROUTED if led and there else Standing.NOT_ROUTED

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what takes conda past the gateway from here."""
        from headrace_conda.tools import conda_overrides  # noqa: PLC0415 - only status asks

        del gateway, read
        return conda_overrides.of(place)

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """All files are ours alone; one that somebody wrote in, or that is none of ours, stays."""
        if now != after or not _is_ours(path, now):
            return None
        return before or b""

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """Give any conda that the command runs a condarc more, and the plugin by PYTHONPATH."""
        found = [base for base in bases.find(place) if base.version >= OLDEST]
        mine = [origin for origin in origins if origin.ecosystem == "conda"]
        if not found or not mine:
            return {}, ()
        if not _runs_no_conda(place):
            _refuse_kept_beside(_settings(found[0], place))
        env, folder = place.environment, scratch / "condarc.d"
        by_name = any(base.version < WITH_PATTERNS for base in found)
        content = condarc.render(mine, None, (), by_name=by_name)
        edits = [FileEdit(folder / "headrace.yml", None, content, "for this command alone")]
        # The variable names one place: the user's own comes along. The last one read wins.
        for number, path in enumerate(named_files(place)):
            users = read(path)
            if users is not None:
                edits.append(FileEdit(folder / f"users-{number:02}.yml", None, users, "as it is"))
        variables: dict[str, str | None] = {
            "CONDARC": str(folder),
            "HEADRACE_CONDA_GATEWAY": gateway.url("").rstrip("/"),
            **loopback.no_proxy_additions(env),
        }
        if not all(base.has_headrace for base in found):
            packed = scratch / bridge.NAME
            edits.append(FileEdit(packed, None, bridge.content(), "the plugin"))
            separator = ";" if place.platform == "win32" else ":"
            known = [part for part in env.get("PYTHONPATH", "").split(separator) if part]
            variables["PYTHONPATH"] = separator.join([*known, str(packed)])
        return variables, edits


def _runs_no_conda(place: Place) -> bool:
    program = Path(place.command[0]).name if place.command else ""
    return _OTHERS.fullmatch(program.removesuffix(".exe")) is not None


def _settings(base: Base, place: Place) -> Mapping[str, Any]:
    """Return what conda says of itself; empty where it cannot: `discover` has told that."""
    try:
        return bases.configuration_before(base, place)
    except LocalError:
        return {}


def _refuse_kept_beside(settings: Mapping[str, Any]) -> None:
    """Refuse where the gateway could not ask the channels as conda does."""
    from headrace_conda.channels import configured  # noqa: PLC0415 - other commands need not pay

    if kept := configured.kept_beside(settings):
        raise ConfigurationError(
            "left-alone", f"conda's {kept[0]} {kept[1]}", hint="conda goes on as before"
        )


def _has_plugin(base: Base, place: Place, read: Reader) -> bool:
    packed = bridge.archive(place)
    path, line = bridge.pth(base, packed)
    return read(path) == line and read(packed) is not None


def _is_ours(path: Path, content: bytes) -> bool:
    if path.suffix == ".pth":
        return content.endswith(f"{bridge.NAME}\n".encode())
    return path.name == bridge.NAME or content.startswith(condarc.MARK.encode())


def named_files(place: Place) -> Iterator[Path]:
    """Give the files that CONDARC means, as conda reads it: a file or a folder of them."""
    named = place.environment.get("CONDARC", "")
    if not named:
        return
    path = place.home / named[2:] if named.startswith("~/") else place.working_directory / named
    if presence.is_folder(path):
        yield from sorted(p for p in path.iterdir() if p.suffix in (".yml", ".yaml"))
    else:
        yield path
