"""How poetry is pointed at the gateway: the setting of the plugin poetry-plugin-pypi-mirror.

poetry itself has no mirror setting. With the plugin poetry.lock stays clean: hashes, no sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from headrace.interface import FileEdit, GatewayAddress, Origin, Override, Place, Reader, Scope
from headrace.interface.editing import presence, toml_text
from headrace_pip.tools.beside.reasons import Reason, variables
from headrace_pip.tools.gateway_url import leads_to
from headrace_pip.tools.toml_tool import TomlActivation

__all__ = ["PoetryActivation"]

_KEPT_BESIDE = "is for the source PyPI: poetry would use it for the gateway in its place"


class PoetryActivation(TomlActivation):
    """Implements `headrace.interface.Activation` for poetry with its mirror plugin."""

    tool = "poetry"
    keys = ("plugins", "pypi_mirror", "url")
    reason = "poetry's mirror plugin asks the gateway"
    variables = ("POETRY_PYPI_MIRROR_URL",)

    def file(self, place: Place) -> Path | None:
        """Return the user's config.toml; poetry has none for the machine."""
        env = place.environment
        if place.scope is Scope.SYSTEM:
            return None
        if own := env.get("POETRY_CONFIG_DIR"):
            return Path(own) / "config.toml"
        if place.platform == "win32":
            base = Path(env.get("APPDATA") or place.home / "AppData" / "Roaming")
        elif place.platform == "darwin":
            base = place.home / "Library" / "Application Support"
        else:
            base = Path(env.get("XDG_CONFIG_HOME") or place.home / ".config")
        return base / "pypoetry" / "config.toml"

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one edit, where the plugin is there to read it."""
        if not self._has_plugin(place, read):
            return ()
        return super().enable(place, gateway, origins, read)

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Say what is missing, or which variable wins."""
        if not self.present(place, read):
            return ()
        if not self._has_plugin(place, read):
            what = "poetry has no mirror setting of its own"
            hint = "`poetry self add poetry-plugin-pypi-mirror`, then `headrace on`"
            return [Override(self.tool, str(self.file(place)), what, hint)]
        name = self.variables[0]
        url = place.environment.get(name)
        if url and not leads_to(url, gateway):
            return [Override(self.tool, name, "names another mirror", f"unset {name}")]
        return super().overrides(place, gateway, read)

    def beside(
        self, place: Place, read: Reader, origin: Callable[[], str]
    ) -> Iterator[Reason | None]:
        """Give what poetry has for the source that it calls PyPI, which the plugin's mirror stands
        in for (poetry's reference of settings, 2.x): logins and certificates.
        """
        del origin
        for stem in ("POETRY_HTTP_BASIC_PYPI_", "POETRY_CERTIFICATES_PYPI_"):
            names = [name for name in place.environment if name.startswith(stem)]
            yield variables(place.environment, names, _KEPT_BESIDE)
        path = self.file(place)
        for each in (path, path.with_name("auth.toml")) if path else ():
            content = read(each)
            document = toml_text.load(content, each) if content else {}
            for section in ("http-basic", "certificates"):
                table = document.get(section)
                sources = table if isinstance(table, dict) else {}
                if "pypi" in {str(name).lower() for name in sources}:
                    yield Reason(str(each), f"[{section}] {_KEPT_BESIDE}", "take pypi out there")

    def _has_plugin(self, place: Place, read: Reader) -> bool:
        path = self.file(place)
        content = read(path) if path else None
        if path and content and toml_text.get(content, self.keys, path):
            return True
        program = presence.program(place, self.tool)
        return program is not None and presence.has_package(program, "poetry_plugin_pypi_mirror")
