"""How pdm is pointed at the gateway: its setting ``pypi.url``.

pdm.lock stays clean, unless the project chose the strategy ``static_urls``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from headrace.interface import GatewayAddress, Override, Place, Reader, Scope, for_display
from headrace.interface.editing import loopback, toml_text
from headrace_pip.tools.beside.reasons import Reason, is_false
from headrace_pip.tools.gateway_url import leads_to
from headrace_pip.tools.toml_tool import TomlActivation

__all__ = ["PdmActivation"]

_KEPT_BESIDE = {
    "username": "pdm would send that login to the gateway",
    "password": "pdm would send that login to the gateway",
    "verify_ssl": "pdm does not check the index's certificate, and the gateway does",
    "client_cert": "the gateway has no client certificate",
    "client_key": "the gateway has no client certificate",
}
_WAY_OUT = "put a login into the URL, netrc or keyring"
_AUTHORITIES = "ca_certs"
#: The others have no variable (tried with pdm 2.29).
_VARIABLES = ("username", "password", "verify_ssl")


class PdmActivation(TomlActivation):
    """Implements `headrace.interface.Activation` for pdm."""

    tool = "pdm"
    keys = ("pypi", "url")
    reason = "pdm asks the gateway"
    variables = ("PDM_PYPI_URL",)
    no_proxy = loopback.HTTPX

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

    def own_index(self, place: Place, read: Reader) -> tuple[str, str] | None:
        """Return what pdm asks. The machine's file counts where the user's says nothing; for
        ``headrace run`` a project's counts before both, because the variable that we set beats it.
        """
        if place.command and not place.environment.get(self.variables[0]):
            for path in _projects(place):
                content = read(path)
                if content and (url := toml_text.get(content, self.keys, path)):
                    return url, str(path)
        own = super().own_index(place, read)
        if own is None and place.scope is Scope.USER:
            return super().own_index(replace(place, scope=Scope.SYSTEM, command=()), read)
        return own

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Say why pdm is left alone, or which variable wins."""
        if told := super().overrides(place, gateway, read):
            return told
        if not self.present(place, read):
            return ()
        name = self.variables[0]
        url = place.environment.get(name)
        if url and not leads_to(url, gateway):
            return [Override(self.tool, name, "names another index", f"unset {name}")]
        for path in () if url else _projects(place):
            content = read(path)
            own = toml_text.get(content, self.keys, path) if content else None
            if own and not leads_to(own, gateway):
                what = f"sets the index to {for_display(own)}"
                return [Override(self.tool, str(path), what, "the project's own wish; kept")]
        return ()

    def beside(
        self, place: Place, read: Reader, origin: Callable[[], str]
    ) -> Iterator[Reason | None]:
        """Give what stands beside ``pypi.url`` (pdm's reference of settings, 2.25): pdm would send
        that login to the gateway, and the gateway has none of the rest.
        """
        del origin
        for where, key, value in self._settings(place, read):
            if key in _KEPT_BESIDE and value and (key != "verify_ssl" or is_false(value)):
                yield Reason(where, f"sets pypi.{key}: {_KEPT_BESIDE[key]}", _WAY_OUT)

    def authorities(self, place: Place, read: Reader) -> str:
        """Return ``pypi.ca_certs``."""
        named = (str(value) for _, key, value in self._settings(place, read) if key == _AUTHORITIES)
        path = next(filter(None, named), "")
        return str(place.working_directory / path) if path else ""

    def _settings(self, place: Place, read: Reader) -> Iterator[tuple[str, str, object]]:
        """Yield what stands beside the URL, the strongest first."""
        for key in _VARIABLES:
            name = f"PDM_PYPI_{key.upper()}"
            if value := place.environment.get(name):
                yield name, key, value
        files = [*(_projects(place) if place.command else ()), self.file(place)]
        if place.scope is Scope.USER:
            files.append(self.file(replace(place, scope=Scope.SYSTEM)))
        for path in files:
            content = read(path)
            table = toml_text.load(content, path).get("pypi") if content else None
            for key, value in table.items() if isinstance(table, Mapping) else ():
                yield str(path), str(key), value if isinstance(value, str) else repr(value)


def _projects(place: Place) -> list[Path]:
    """Return the configuration of the project here; pdm reads the first that is there."""
    return [place.working_directory / name for name in ("pdm.toml", ".pdm.toml")]
