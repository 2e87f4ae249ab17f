"""Where pixi and rattler-build look for their files."""

from __future__ import annotations

from pathlib import Path

from headrace.interface import Place

__all__ = ["config_folders", "system_folder"]


def system_folder(place: Place) -> Path:
    """Return where the machine's folders of these tools lie; they know no other."""
    return Path("C:\\ProgramData" if place.platform == "win32" else "/etc")


def config_folders(place: Place) -> list[Path]:
    """Return the user's configuration folders, weakest first."""
    env = place.environment
    xdg = [Path(env["XDG_CONFIG_HOME"])] if env.get("XDG_CONFIG_HOME") else []
    if place.platform == "win32":
        return [Path(env.get("APPDATA") or place.home / "AppData" / "Roaming")]
    if place.platform == "darwin":
        return [*xdg, place.home / "Library" / "Application Support"]
    return xdg or [place.home / ".config"]
