"""How rattler-build is pointed at the gateway: ``[mirrors]`` of the files that it shares.

The mirror is put in below everything else, so recipes, lock files and conda-meta go on naming the
origin. rattler-build reads the shared files since 0.74; an older one is not affected. Its own
files come after them, and what they say wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    ConfigurationError,
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Scope,
    Standing,
)
from headrace.interface.editing import loopback, presence
from headrace_conda.tools import mirror_table, rattler_settings
from headrace_conda.tools.mirror_table import Layer, normal
from headrace_conda.tools.rattler_paths import config_folders, system_folder

__all__ = ["RattlerActivation"]


class RattlerActivation:
    """Implements `headrace.interface.Activation`; `PixiActivation` has other files."""

    tool = "rattler-build"
    reason = "rattler-build asks the gateway; recipes and packages go on naming the origin"

    def user_files(self, place: Place) -> list[Path]:
        """Return the user's files, weakest first."""
        env = place.environment
        shared = [folder / "rattler" for folder in config_folders(place)]
        if env.get("RATTLER_HOME"):
            shared.append(Path(env["RATTLER_HOME"]))
        own = [folder / "rattler-build" for folder in config_folders(place)]
        own.append(Path(env.get("RATTLER_BUILD_HOME") or place.home / ".rattler-build"))
        return [folder / "config.toml" for folder in (*shared, *own)]

    def system_files(self, place: Place) -> list[Path]:
        """Return the machine's files, weakest first."""
        base = system_folder(place)
        return [base / name / "config.toml" for name in ("rattler", "rattler-build")]

    def file(self, place: Place, read: Reader) -> Path:
        """Return the file to be edited."""
        del read
        if place.scope is Scope.SYSTEM:
            return self.system_files(place)[0]
        return config_folders(place)[-1] / "rattler" / "config.toml"

    def files(self, place: Place) -> list[Path]:
        """Return what counts for the scope, weakest first."""
        user = self.user_files(place) if place.scope is Scope.USER else []
        return [*self.system_files(place), *user]

    def present(self, place: Place, read: Reader) -> bool:
        """Whether the tool is on this machine: its program, or a folder that it configured."""
        user = place.scope is Scope.USER
        files = self.user_files(place) if user else self.system_files(place)
        return presence.program(place, self.tool) is not None or any(
            read(path) is not None or presence.is_folder(path.parent) for path in files
        )

    def project_channels(self, place: Place, read: Reader) -> tuple[list[str], Path] | None:
        """Return the channels that the project here names, for ``headrace run``."""
        del place, read
        return None

    def untouchable(
        self, origin: Origin, place: Place, read: Reader, layers: Sequence[Layer]
    ) -> Override | None:
        """Say why an origin is left as it is: the user's own mirror, or a credential."""
        theirs = mirror_table.merged(mirror_table.without_us(layers)).get(normal(origin.url))
        if theirs is not None:
            what = f"names other mirrors for {origin.url}"
            hint = "take the entry out of [mirrors], then `headrace on`"
            return Override(self.tool, str(theirs[0]), what, hint)
        if (path := rattler_settings.kept_beside(layers)) is not None:
            what = "sets tls-no-verify: no certificate is checked, and the gateway does check"
            return Override(self.tool, str(path), what, "the origin is asked as before")
        store = rattler_settings.credential_for(origin.url, place, read, layers)
        if store is None:
            return None
        what = f"has a credential for {origin.url}, which {self.tool} sends to no mirror"
        return Override(self.tool, str(store), what, "nothing to do: the origin is asked as before")

    def mirrors_for(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        layers: Sequence[Layer],
    ) -> dict[str, list[str]]:
        """Return the entries to be written, by prefix.

        There are none where the gateway wants its token: these tools leave the user part of a
        mirror's URL out of their requests, and take the 401 that follows for the origin's word.
        """
        if gateway.token is not None:
            return {}
        return dict(
            mirror_table.entry_for(origin, gateway)
            for origin in origins
            if origin.ecosystem == "conda" and self.untouchable(origin, place, read, layers) is None
        )

    def proxy_file(self, place: Place, layers: Sequence[Layer]) -> Path | None:
        """Return the file whose ``proxy-config`` would get loopback requests."""
        return rattler_settings.proxy_in_files(layers, place.environment)

    def refuse_proxy(self, place: Place, layers: Sequence[Layer]) -> None:
        """ConfigurationError where a file's proxy would get the requests for the gateway."""
        if (path := self.proxy_file(place, layers)) is not None:
            raise ConfigurationError(
                "proxy-takes-loopback",
                f"{path} sets a proxy that would get {self.tool}'s requests for the gateway",
                hint="add 127.0.0.1 to its non-proxy-hosts, then `headrace on` again",
            )

    # ---------------------------------------------------- the protocol

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Return the hosts of the default channels and, for a command, of the project's."""
        from headrace_conda.channels.known import is_public  # noqa: PLC0415 - reads the catalogue

        if not self.present(place, read):
            return []
        layers = mirror_table.without_us(mirror_table.read_all(self.files(place), read))
        said = rattler_settings.default_channels(layers)
        channels, where = said or (["conda-forge"], f"{self.tool}'s own default")
        found = dict.fromkeys(rattler_settings.origins_of(channels), str(where))
        if place.command and (project := self.project_channels(place, read)):
            for url in rattler_settings.origins_of(project[0]):
                found.setdefault(url, str(project[1]))
        return [
            DiscoveredOrigin(Origin("conda", url, private=not is_public(url)), named)
            for url, named in found.items()
        ]

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one edit, where the tool is there."""
        if not self.present(place, read):
            return ()
        loopback.refuse_proxy(place.environment, self.tool, loopback.REQWEST)
        layers = mirror_table.read_all(self.files(place), read)
        self.refuse_proxy(place, layers)
        mirrors = self.mirrors_for(place, gateway, origins, read, layers)
        if not mirrors:
            return ()
        path = self.file(place, read)
        before = read(path)
        return [FileEdit(path, before, mirror_table.add(before or b"", mirrors, path), self.reason)]

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Look at the mirrors that count in the end."""
        if not self.present(place, read):
            return Standing.NOT_FOUND
        counts = mirror_table.merged(mirror_table.read_all(self.files(place), read))
        routed = gateway is not None and any(
            mirror_table.leads_to(mirrors, gateway) for _, mirrors in counts.values()
        )
        return Standing.ROUTED if routed else Standing.NOT_ROUTED

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what takes the tool past the gateway from here."""
        from headrace_conda.tools import rattler_overrides  # noqa: PLC0415 - only status asks

        if not self.present(place, read):
            return ()
        return rattler_overrides.of(self, place, gateway, read)

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take our entries out of a file that the tool itself rewrote."""
        try:
            return mirror_table.take_out(path, before, after, now)
        except (ConfigurationError, ValueError, KeyError):
            return None

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """Give a command of the tool one more shared file."""
        if not self.is_mine(place.command):
            return {}, ()
        layers = mirror_table.read_all(self.files(place), read)
        self.refuse_proxy(place, layers)
        mirrors = self.mirrors_for(place, gateway, origins, read, layers)
        if not mirrors:
            return {}, ()
        home = place.environment.get("RATTLER_HOME")
        theirs = read(Path(home) / "config.toml") if home else None
        path = scratch / "rattler" / "config.toml"
        edit = FileEdit(
            path, None, mirror_table.add(theirs or b"", mirrors, path), self.reason, private=True
        )
        variables: dict[str, str | None] = {"RATTLER_HOME": str(path.parent)}
        more = loopback.no_proxy_additions(place.environment, loopback.REQWEST)
        return {**variables, **more}, [edit]

    def is_mine(self, command: Sequence[str]) -> bool:
        """Whether a command is the tool's, and reads its files."""
        return (
            bool(command)
            and Path(command[0]).stem == self.tool
            and not {"--no-config", "--config-file"} & {word.split("=")[0] for word in command}
        )
