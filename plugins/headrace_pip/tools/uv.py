"""How uv is pointed at the gateway: ``[pip] index-url``, and nothing else.

That key is obeyed by ``uv pip`` alone, so project commands and uv.lock stay as they are. An
unknown key would stop every uv command of an older uv, so nothing is added beside it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.errors import ConfigurationError
from headrace.interface.editing import toml_text
from headrace.interface.hookspecs import FileEdit, GatewayAddress, Override, Place, Reader, Scope
from headrace.models import Origin
from headrace_pip.tools.toml_tool import TomlActivation

__all__ = ["UvActivation"]

#: A uv.toml, or ``[tool.uv]`` of a pyproject.toml.
Settings = Mapping[str, Any]


class UvActivation(TomlActivation):
    """Implements `headrace.interface.Activation` for ``uv pip``."""

    tool = "uv"
    keys = ("pip", "index-url")
    reason = "uv pip asks the gateway; projects and uv.lock are not touched"
    #: Both, because uv before 0.4.23 knows only the older one.
    variables = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")

    def is_mine(self, command: Sequence[str]) -> bool:
        """Only for ``uv pip``: of other commands the index would end up in uv.lock."""
        return super().is_mine(command) and "pip" in command[1:]

    def file(self, place: Place) -> Path:
        """Return uv.toml of the scope."""
        env = place.environment
        if place.platform == "win32":
            if place.scope is Scope.SYSTEM:
                return Path(env.get("PROGRAMDATA") or "C:\\ProgramData") / "uv" / "uv.toml"
            roaming = env.get("APPDATA") or place.home / "AppData" / "Roaming"
            return Path(roaming) / "uv" / "uv.toml"
        if place.scope is Scope.SYSTEM:
            folders = [*(env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"), "/etc"]
            files = [Path(folder, "uv", "uv.toml") for folder in folders if folder]
            return next((file for file in files if file.exists()), files[-1])
        return Path(env.get("XDG_CONFIG_HOME") or place.home / ".config") / "uv" / "uv.toml"

    def own_index(self, place: Place, read: Reader) -> tuple[str, str] | None:
        """Return the index that ``uv pip`` takes by uv's precedence, apart from us.

        For ``headrace run`` the variables and the project count too, as they do for uv.
        """
        documents = list(self.user_settings(place, read))
        if place.command:
            for name in self.variables:
                if url := place.environment.get(name):
                    return url, name
            documents[:0] = project_settings(place, read)
        # Tried with uv 0.6 to 0.13: the kind of the setting decides before the level does.
        for pick in (default_index, pip_index, old_index):
            for path, settings in documents:
                if url := pick(settings):
                    return url, str(path)
        return None

    def user_settings(self, place: Place, read: Reader) -> Iterator[tuple[Path, Settings]]:
        """Yield the settings of the user and of the machine without what headrace wrote."""
        scopes = (Scope.USER, Scope.SYSTEM) if place.scope is Scope.USER else (Scope.SYSTEM,)
        for scope in scopes:
            path = self.file(replace(place, scope=scope))
            content = read(path)
            if content is None:
                continue
            settings = toml_text.load(content, path)
            if toml_text.is_marked(content, self.keys, path):
                settings["pip"].pop("index-url")
            yield path, settings

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one edit, unless an ``[[index]]`` with ``default = true`` would beat it."""
        if any(default_index(settings) for _, settings in self.user_settings(place, read)):
            return ()
        return super().enable(place, gateway, origins, read)

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what makes ``uv pip`` go past the gateway from here."""
        from headrace_pip.tools import pip_overrides  # noqa: PLC0415 - only status and doctor ask

        return pip_overrides.of_uv(place, gateway, read)


def default_index(settings: Settings) -> str | None:
    """Return the URL of an ``[[index]]`` with ``default = true``."""
    for index in settings.get("index") or ():
        if isinstance(index, dict) and index.get("default") and isinstance(index.get("url"), str):
            return str(index["url"])
    return None


def pip_index(settings: Settings) -> str | None:
    """Return ``[pip] index-url``."""
    pip = settings.get("pip")
    url = pip.get("index-url") if isinstance(pip, dict) else None
    return url if isinstance(url, str) else None


def old_index(settings: Settings) -> str | None:
    """Return ``index-url`` outside of ``[pip]``, the older spelling of the default index."""
    url = settings.get("index-url")
    return url if isinstance(url, str) else None


def project_settings(place: Place, read: Reader) -> Iterator[tuple[Path, Settings]]:
    """Yield the project's uv settings: the nearest uv.toml, else pyproject.toml with [tool.uv]."""
    here = place.working_directory
    for folder in (here, *here.parents):
        for name in ("uv.toml", "pyproject.toml"):
            settings = _settings(folder / name, read)
            if settings is not None:
                yield folder / name, settings
                return


def _settings(path: Path, read: Reader) -> Settings | None:
    try:
        content = read(path)
        document = tomllib.loads(content.decode("utf-8")) if content is not None else None
    except (ConfigurationError, ValueError):
        return None
    if document is None or path.name == "uv.toml":
        return document
    tool = document.get("tool", {}).get("uv")
    return tool if isinstance(tool, dict) else None
