"""How pixi is pointed at the gateway: ``[mirrors]`` of its own configuration.

The mirror is put in below everything else, so pixi.toml, pixi.lock and conda-meta go on naming
the origin. pixi asks the next mirror after a connection that fails or a 5xx, so a gateway that is
down costs one retry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.interface import FileEdit, GatewayAddress, Origin, Override, Place, Reader, Scope
from headrace.interface.editing import loopback
from headrace_conda.tools import mirror_table
from headrace_conda.tools.mirror_table import Layer, table_at
from headrace_conda.tools.rattler import RattlerActivation
from headrace_conda.tools.rattler_paths import config_folders, system_folder

__all__ = ["PixiActivation"]

#: pixi takes these for "yes", and whatever else is no "no".
_NO = ("", "0", "n", "no", "f", "false", "off")


class PixiActivation(RattlerActivation):
    """Implements `headrace.interface.Activation` for pixi."""

    tool = "pixi"
    reason = "pixi asks the gateway; pixi.lock goes on naming the origin"

    def user_files(self, place: Place) -> list[Path]:
        """Return the user's files, weakest first."""
        folders = [folder / "pixi" for folder in config_folders(place)]
        folders.append(Path(place.environment.get("PIXI_HOME") or place.home / ".pixi"))
        return [folder / "config.toml" for folder in folders]

    def system_files(self, place: Place) -> list[Path]:
        """Return the machine's file."""
        return [system_folder(place) / "pixi" / "config.toml"]

    def file(self, place: Place, read: Reader) -> Path:
        """Return the file that ``pixi config set --global`` (``--system``) edits."""
        if place.scope is Scope.SYSTEM:
            return self.system_files(place)[0]
        *others, last = self.user_files(place)
        return next((path for path in others if read(path) is not None), last)

    def project_channels(self, place: Place, read: Reader) -> tuple[list[str], Path] | None:
        """Return the channels of the nearest pixi.toml, or pyproject.toml that has some."""
        here = place.working_directory
        for folder in (here, *here.parents):
            for path, settings in mirror_table.read_all(
                [folder / "pixi.toml", folder / "pyproject.toml"], read
            ):
                root = settings if path.name == "pixi.toml" else table_at(settings, "tool", "pixi")
                workspace = table_at(root, "workspace") or table_at(root, "project")
                if isinstance(channels := workspace.get("channels"), list):
                    return [_channel(channel) for channel in channels], path
        return None

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what takes pixi past the gateway from here."""
        from headrace_conda.tools import rattler_overrides  # noqa: PLC0415 - only status asks

        if not self.present(place, read):
            return ()
        here = place.working_directory
        projects = [folder / ".pixi" / "config.toml" for folder in (here, *here.parents)]
        # In the home folder that is the user's own file, not a project's.
        projects = [path for path in projects if path not in self.user_files(place)]
        found = rattler_overrides.of(self, place, gateway, read, projects)
        for name in _instead(place.environment):
            what = "keeps pixi from reading the file that names the gateway"
            found.append(Override(self.tool, name, what, f"unset {name}"))
        return found

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """Give a pixi command one file that says all that the user's files say, and our mirrors.

        pixi has no variable for mirrors; with PIXI_CONFIG_FILE it reads that file in place of the
        others. One before 0.70 does not know the variable and asks the origin.
        """
        env = place.environment
        if not self.is_mine(place.command) or "PIXI_NO_CONFIG" in _instead(env):
            return {}, ()
        named = env.get("PIXI_CONFIG_FILE")
        layers = mirror_table.read_all([Path(named)] if named else self.files(place), read)
        self.refuse_proxy(place, layers)
        mirrors = self.mirrors_for(place, gateway, origins, read, layers)
        if not mirrors:
            return {}, ()
        path = scratch / "pixi.toml"
        content = mirror_table.add(_as_one(layers, read), mirrors, path)
        edit = FileEdit(path, None, content, self.reason, private=True)
        variables: dict[str, str | None] = {"PIXI_CONFIG_FILE": str(path)}
        return {**variables, **loopback.no_proxy_additions(env, loopback.REQWEST)}, [edit]


def _instead(env: Mapping[str, str]) -> list[str]:
    """Return the variables that keep pixi from its usual files."""
    set_to_yes = env.get("PIXI_NO_CONFIG", "").lower() not in _NO
    names = ["PIXI_NO_CONFIG"] if set_to_yes else []
    return [*names, *(["PIXI_CONFIG_FILE"] if env.get("PIXI_CONFIG_FILE") else [])]


def _as_one(layers: Sequence[Layer], read: Reader) -> bytes:
    """Put files together as pixi does; a single one stays as it is written."""
    if len(layers) == 1:
        return read(layers[0][0]) or b""
    import tomlkit  # noqa: PLC0415 - only `headrace run` writes a file anew

    whole: dict[str, Any] = {}
    for _, settings in layers:
        whole = _over(whole, settings)
    return tomlkit.dumps(whole).encode()


def _over(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    both = {key for key in low if isinstance(low[key], dict) and isinstance(high.get(key), dict)}
    return {**low, **high, **{key: _over(low[key], high[key]) for key in both}}


def _channel(written: Any) -> str:
    """Return a channel as text; pixi also writes ``{ channel = "…", priority = 1 }``."""
    return str(written.get("channel", "") if isinstance(written, dict) else written)
