"""How uv is pointed at the gateway: ``[pip] index-url``, and nothing else.

That key is obeyed by ``uv pip`` alone, so project commands and uv.lock stay as they are. An
unknown key would stop every uv command of an older uv, so nothing is added beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from headrace.interface import FileEdit, GatewayAddress, Origin, Override, Place, Reader
from headrace.interface.editing import loopback
from headrace_pip.tools import uv_config
from headrace_pip.tools.beside.reasons import Reason
from headrace_pip.tools.toml_tool import TomlActivation

__all__ = ["UvActivation"]


class UvActivation(TomlActivation):
    """Implements `headrace.interface.Activation` for ``uv pip``."""

    tool = "uv"
    keys = uv_config.KEYS
    reason = "uv pip asks the gateway; projects and uv.lock are not touched"
    variables = uv_config.VARIABLES
    no_proxy = loopback.REQWEST

    def is_mine(self, command: Sequence[str]) -> bool:
        """Only for ``uv pip``: of other commands the index would end up in uv.lock."""
        return super().is_mine(command) and "pip" in command[1:]

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """As for the others; ``uv pip compile`` may write its index down, so it asks the origin."""
        if not self.is_mine(place.command) or "compile" not in place.command[1:]:
            return super().environment(place, gateway, origins, read, scratch)
        own = self.own_index(place, read)
        if own is None:
            return {self.variables[0]: self.origin(place, read).origin.url}, ()
        # A variable, because the user's uv.toml may lead to the gateway of `headrace on`.
        return dict.fromkeys(self.variables, own[0]), ()

    def file(self, place: Place) -> Path:
        """Return uv.toml of the scope."""
        return uv_config.file(place)

    def own_index(self, place: Place, read: Reader) -> tuple[str, str] | None:
        """Return the index that ``uv pip`` takes by uv's precedence, apart from us.

        For ``headrace run`` the variables and the project count too, as they do for uv.
        """
        documents = list(uv_config.user_settings(place, read))
        if place.command:
            for name in self.variables:
                if url := place.environment.get(name):
                    return url, name
            documents[:0] = uv_config.project_settings(place, read)
        # Tried with uv 0.6 to 0.13: the kind of the setting decides before the level does.
        for pick in (uv_config.default_index, uv_config.pip_index, uv_config.old_index):
            for path, settings in documents:
                if url := pick(settings):
                    return url, str(path)
        return None

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one edit, unless an ``[[index]]`` with ``default = true`` would beat it."""
        mine = uv_config.user_settings(place, read)
        if any(uv_config.default_index(settings) for _, settings in mine):
            return ()
        return super().enable(place, gateway, origins, read)

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what makes ``uv pip`` go past the gateway from here."""
        from headrace_pip.tools import uv_overrides  # noqa: PLC0415 - only status and doctor ask

        told = super().overrides(place, gateway, read)
        return [*told, *uv_overrides.of_uv(place, gateway, read)]

    def beside(
        self, place: Place, read: Reader, origin: Callable[[], str]
    ) -> Iterator[Reason | None]:
        """Give what uv has beside its index that the gateway cannot take over."""
        from headrace_pip.tools.beside import of_uv  # noqa: PLC0415 - a cost of those who have uv

        return of_uv.reasons(place, read, origin)

    def login(self, place: Place, read: Reader) -> tuple[str, str] | None:
        """Return what the variables of a named index say, which `run` takes along."""
        from headrace_pip.tools.beside import of_uv  # noqa: PLC0415 - as above

        return of_uv.login(place, read)
