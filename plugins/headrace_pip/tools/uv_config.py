"""uv's own configuration: where its files are, and which index they name. Read only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.interface import ConfigurationError, Place, Reader, Scope
from headrace.interface.editing import presence, toml_text

__all__ = [
    "KEYS",
    "VARIABLES",
    "Settings",
    "credentials_file",
    "default_index",
    "default_table",
    "file",
    "old_index",
    "other_indexes",
    "pip_index",
    "project_settings",
    "user_settings",
]

#: A uv.toml, or ``[tool.uv]`` of a pyproject.toml.
Settings = Mapping[str, Any]

#: The key that ``uv pip`` alone obeys.
KEYS = ("pip", "index-url")
#: Variables that name the index. Both, because uv before 0.4.23 knows only the older one.
VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")


def file(place: Place) -> Path:
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
        return next((each for each in files if presence.is_there(each)), files[-1])
    return Path(env.get("XDG_CONFIG_HOME") or place.home / ".config") / "uv" / "uv.toml"


def user_settings(place: Place, read: Reader) -> Iterator[tuple[Path, Settings]]:
    """Yield the settings of the user and of the machine without what headrace wrote."""
    scopes = (Scope.USER, Scope.SYSTEM) if place.scope is Scope.USER else (Scope.SYSTEM,)
    for scope in scopes:
        path = file(replace(place, scope=scope))
        content = read(path)
        if content is None:
            continue
        settings = toml_text.load(content, path)
        if toml_text.is_marked(content, KEYS, path):
            settings["pip"].pop("index-url")
        yield path, settings


def default_table(settings: Settings) -> Mapping[str, Any]:
    """Return the ``[[index]]`` with ``default = true``; empty: there is none."""
    found = settings.get("index")
    for index in found if isinstance(found, list) else ():
        if isinstance(index, dict) and index.get("default") and isinstance(index.get("url"), str):
            return index
    return {}


def default_index(settings: Settings) -> str | None:
    """Return its URL."""
    return default_table(settings).get("url")


def other_indexes(settings: Settings) -> bool:
    """Whether there are ``[[index]]`` beside the default one."""
    found = settings.get("index")
    tables = found if isinstance(found, list) else ()
    return any(isinstance(each, dict) and not each.get("default") for each in tables)


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
        document = toml_text.load(content, path) if content is not None else None
    except ConfigurationError:
        return None
    if document is None or path.name == "uv.toml":
        return document
    tool = document.get("tool")
    own = tool.get("uv") if isinstance(tool, dict) else None
    return own if isinstance(own, dict) else None


def credentials_file(place: Place) -> Path:
    """Return where uv keeps what `uv auth login` was told."""
    env = place.environment
    if own := env.get("UV_CREDENTIALS_DIR"):
        return Path(own) / "credentials.toml"
    if place.platform == "win32":
        base = Path(env.get("APPDATA") or place.home / "AppData" / "Roaming") / "uv" / "data"
    else:
        base = Path(env.get("XDG_DATA_HOME") or place.home / ".local" / "share") / "uv"
    return base / "credentials" / "credentials.toml"
