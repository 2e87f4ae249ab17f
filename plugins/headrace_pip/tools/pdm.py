"""How pdm is pointed at the gateway: its setting ``pypi.url``.

pdm.lock stays clean, unless the project chose the strategy ``static_urls``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headrace.interface import GatewayAddress, Override, Place, Reader, Scope
from headrace_pip.tools.gateway_url import leads_to
from headrace_pip.tools.toml_tool import TomlActivation

__all__ = ["PdmActivation"]


class PdmActivation(TomlActivation):
    """Implements `headrace.interface.Activation` for pdm."""

    tool = "pdm"
    keys = ("pypi", "url")
    reason = "pdm asks the gateway"
    variables = ("PDM_PYPI_URL",)

    def file(self, place: Place) -> Path:
        """Return config.toml of the scope."""
        env = place.environment
        if place.scope is Scope.SYSTEM:
            if place.platform == "win32":
                return Path(env.get("PROGRAMDATA") or "C:\\ProgramData") / "pdm" / "config.toml"
            if place.platform == "darwin":
                return Path("/Library/Application Support/pdm/config.toml")
            first = (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")[0]
            return Path(first) / "pdm" / "config.toml"
        if own := env.get("PDM_CONFIG_FILE"):
            return Path(own)
        if place.platform == "win32":
            base = Path(env.get("LOCALAPPDATA") or place.home / "AppData" / "Local") / "pdm"
        elif place.platform == "darwin":
            base = place.home / "Library" / "Application Support"
        else:
            base = Path(env.get("XDG_CONFIG_HOME") or place.home / ".config")
        return base / "pdm" / "config.toml"

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Say which variable wins."""
        url = place.environment.get("PDM_PYPI_URL")
        if url and not leads_to(url, gateway) and self.present(place, read):
            return [
                Override(self.tool, "PDM_PYPI_URL", "names another index", "unset PDM_PYPI_URL")
            ]
        return ()
