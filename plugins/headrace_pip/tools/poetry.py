"""How poetry is pointed at the gateway: the setting of the plugin poetry-plugin-pypi-mirror.

poetry itself has no mirror setting. With the plugin poetry.lock stays clean: hashes, no sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Scope,
    for_display,
)
from headrace.interface.editing import presence, toml_text
from headrace_pip.tools.beside.reasons import Reason, is_false, variables
from headrace_pip.tools.gateway_url import leads_to
from headrace_pip.tools.toml_tool import TomlActivation

__all__ = ["PoetryActivation"]

#: As poetry calls it, and so the sections for it.
_SOURCE = "PyPI"
_HTTP_BASIC = "POETRY_HTTP_BASIC_PYPI_"
_CERT, _CLIENT_CERT = "POETRY_CERTIFICATES_PYPI_CERT", "POETRY_CERTIFICATES_PYPI_CLIENT_CERT"
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
        path = _project(place)
        content = read(path) if not url else None
        own = toml_text.get(content, self.keys, path) if content else None
        if own and not leads_to(own, gateway):
            what = f"sets the mirror to {for_display(own)}"
            return [Override(self.tool, str(path), what, "the project's own wish; kept")]
        return super().overrides(place, gateway, read)

    def beside(
        self, place: Place, read: Reader, origin: Callable[[], str]
    ) -> Iterator[Reason | None]:
        """Give what poetry has for the source that it calls PyPI, which the plugin's mirror stands
        in for (poetry's reference of settings, 2.x): logins and certificates.
        """
        del origin
        names = [name for name in place.environment if name.startswith(_HTTP_BASIC)]
        yield variables(place.environment, [*names, _CLIENT_CERT], _KEPT_BESIDE)
        for path, section, table in self._of_the_source(place, read):
            cert = table.get("cert")
            if section == "http-basic" or table.get("client-cert") or is_false(cert):
                what = f"[{section}.{_SOURCE}] {_KEPT_BESIDE}"
                yield Reason(str(path), what, f"take {_SOURCE} out there")

    def authorities(self, place: Place, read: Reader) -> str:
        """Return the file that poetry trusts for that source."""
        named = place.environment.get(_CERT, "")
        for _, section, table in self._of_the_source(place, read):
            if section == "certificates" and not named:
                named = str(table.get("cert") or "")
        return str(place.working_directory / named) if named else ""

    def _of_the_source(
        self, place: Place, read: Reader
    ) -> Iterator[tuple[Path, str, Mapping[str, object]]]:
        """Yield what the user's files have for it: under that very spelling, others are nothing to
        poetry (tried with 2.5.1).
        """
        path = self.file(place)
        for each in (path, path.with_name("auth.toml")) if path else ():
            content = read(each)
            document = toml_text.load(content, each) if content else {}
            for section in ("http-basic", "certificates"):
                table = document.get(section)
                found = table.get(_SOURCE) if isinstance(table, dict) else None
                if isinstance(found, dict):
                    yield each, section, found

    def own_index(self, place: Place, read: Reader) -> tuple[str, str] | None:
        """Return what the plugin asks; for ``headrace run`` the project's file counts too, because
        the variable that we set beats it.
        """
        if place.command and not place.environment.get(self.variables[0]):
            path = _project(place)
            content = read(path)
            if content and (url := toml_text.get(content, self.keys, path)):
                return url, str(path)
        return super().own_index(place, read)

    def _has_plugin(self, place: Place, read: Reader) -> bool:
        path = self.file(place)
        content = read(path) if path else None
        if path and content and toml_text.get(content, self.keys, path):
            return True
        program = presence.program(place, self.tool)
        return program is not None and presence.has_package(program, "poetry_plugin_pypi_mirror")


def _project(place: Place) -> Path:
    """Return poetry.toml of the project here: beside the nearest pyproject.toml."""
    here = place.working_directory
    folders = (each for each in (here, *here.parents) if presence.is_there(each / "pyproject.toml"))
    return next(folders, here) / "poetry.toml"
