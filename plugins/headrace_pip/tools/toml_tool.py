"""What uv, poetry and pdm have in common: one key of one TOML file leads to the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    ConfigurationError,
    Credential,
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Standing,
    split_credential,
)
from headrace.interface.editing import loopback, presence, toml_text
from headrace_pip.tools import origins
from headrace_pip.tools.beside.reasons import Reason, first, front
from headrace_pip.tools.gateway_url import leads_to

__all__ = ["TomlActivation"]


class TomlActivation:
    """Implements `headrace.interface.Activation`; each tool says where its file is."""

    tool = ""
    keys: tuple[str, ...] = ()
    reason = ""
    no_proxy: tuple[str, ...] = loopback.REQUESTS
    """Which entries of NO_PROXY the tool takes for the gateway's."""
    variables: tuple[str, ...] = ()
    """Environment variables that name the index, strongest first."""

    def is_mine(self, command: Sequence[str]) -> bool:
        """Whether `variables` may be set for a command."""
        return bool(command) and Path(command[0]).stem == self.tool

    def file(self, place: Place) -> Path | None:
        """Return the file of the scope; None: the tool has none at this scope."""
        raise NotImplementedError

    def present(self, place: Place, read: Reader) -> bool:
        """Whether the tool is on this machine: its program, or a folder that it configured."""
        path = self.file(place)
        if path is not None and (read(path) is not None or presence.is_folder(path.parent)):
            return True
        return presence.program(place, self.tool) is not None

    def own_index(self, place: Place, read: Reader) -> tuple[str, str] | None:
        """Return the index that the tool's configuration names apart from us, and where.

        For ``headrace run`` the variables count too, as they do for the tool.
        """
        for name in self.variables if place.command else ():
            if url := place.environment.get(name):
                return url, name
        path = self.file(place)
        content = (read(path) if path else None) or b""
        if path is None or toml_text.is_marked(content, self.keys, path):
            return None
        url = toml_text.get(content, self.keys, path)
        return (url, str(path)) if url else None

    def origin(self, place: Place, read: Reader) -> DiscoveredOrigin:
        """Return what the tool asks now: its own index, else the official one, whatever pip's is.

        These tools do not read pip's configuration, so pip's index is not theirs.
        """
        if (reason := self.left_alone(place, read)) is not None:
            raise reason.error(self.tool)
        own = self.own_index(place, read)
        url, credential = origins.address(*own) if own else ("", None)
        if own is None or origins.is_public(url, place):
            where = own[1] if own else f"{self.tool}'s own default"
            official = Origin("python", origins.default_index(place), name=self.tool)
            return DiscoveredOrigin(official, where, authorities=self.authorities(place, read))
        origin = Origin("python", url, private=True, name=self.tool)
        credential = credential or self.login(place, read)
        return DiscoveredOrigin(
            origin,
            own[1],
            credential and Credential(*credential),
            authorities=self.authorities(place, read),
        )

    def left_alone(self, place: Place, read: Reader) -> Reason | None:
        """Say why the tool's index is not fronted, so that it is not touched; None: it is."""
        own = self.own_index(place, read)
        if own is not None and (reason := front(*own)) is not None:
            return reason
        url = split_credential(own[0])[0] if own else ""

        def origin() -> str:
            public = not url or origins.is_public(url.rstrip("/"), place)
            return origins.default_index(place) if public else url

        return first(self.beside(place, read, origin))

    def beside(
        self, place: Place, read: Reader, origin: Callable[[], str]
    ) -> Iterator[Reason | None]:
        """Give what the tool has beside its index that the gateway cannot take over, if anything.

        `origin` says the URL of the index, and is asked only if need be.
        """
        del place, read, origin
        yield from ()

    def login(self, place: Place, read: Reader) -> tuple[str, str] | None:
        """Return user and password that stand beside the URL of the index and go along."""
        del place, read
        return None

    def authorities(self, place: Place, read: Reader) -> str:
        """Return the file that the tool's own settings have it trust alone; "": none."""
        del place, read
        return ""

    def gateway_url(
        self, place: Place, gateway: GatewayAddress, known: Sequence[Origin], read: Reader
    ) -> str | None:
        """Return the gateway's URL for the tool's origin; None: the gateway does not front it."""
        wanted = self.origin(place, read).origin
        for origin in known:
            if (origin.ecosystem, origin.url) == (wanted.ecosystem, wanted.url):
                path = "" if origin.name == "default" else f"/index/{origin.name}"
                return gateway.url(f"{path}/simple/")
        return None

    # ---------------------------------------------------- the protocol

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Return the tool's index, where the tool is there."""
        return [self.origin(place, read)] if self.present(place, read) else []

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one edit, where the tool is there."""
        path = self.file(place)
        if path is None or not self.present(place, read):
            return ()
        loopback.refuse_proxy(place.environment, self.tool, self.no_proxy)
        url = self.gateway_url(place, gateway, origins, read)
        if url is None:
            return ()
        before = read(path)
        after = toml_text.set_key(before or b"", self.keys, url, path)
        return [FileEdit(path, before, after, self.reason, private=gateway.token is not None)]

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Read the one key."""
        if not self.present(place, read):
            return Standing.NOT_FOUND
        path = self.file(place)
        content = read(path) if path else None
        if path is None or content is None or gateway is None:
            return Standing.NOT_ROUTED
        url = toml_text.get(content, self.keys, path)
        return Standing.ROUTED if url and leads_to(url, gateway) else Standing.NOT_ROUTED

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Say why the tool is left alone; what wins beside that, it says itself."""
        del gateway
        if not self.present(place, read):
            return ()
        reason = self.left_alone(place, read)
        return () if reason is None else [reason.override(self.tool)]

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take our value out of a file that the tool itself rewrote."""
        try:
            if before is None and after == now and not toml_text.is_marked(now, self.keys, path):
                return now
            ours = toml_text.get(after, self.keys, path)
            if toml_text.get(now, self.keys, path) != ours or ours is None:
                return now
            old = toml_text.get(before, self.keys, path) if before else None
            return toml_text.unset_key(now, self.keys, old, path)
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
        """Set the tool's variables for a command of the tool; no other program reads them."""
        del scratch
        if not self.is_mine(place.command):
            return {}, ()
        url = self.gateway_url(place, gateway, origins, read)
        if url is None:
            return {}, ()
        variables: dict[str, str | None] = dict.fromkeys(self.variables, url)
        more = loopback.no_proxy_additions(place.environment, self.no_proxy)
        return {**variables, **more}, ()
