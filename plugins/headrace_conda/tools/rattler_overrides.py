"""What takes pixi and rattler-build past the gateway from where the user stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from headrace.interface import (
    ConfigurationError,
    DiscoveredOrigin,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    for_display,
)
from headrace.interface.editing import loopback
from headrace_conda.tools import mirror_table
from headrace_conda.tools.mirror_table import Layer, normal

__all__ = ["RattlerTool", "of"]


class RattlerTool(Protocol):
    """What is needed of an activation."""

    tool: str

    def files(self, place: Place) -> list[Path]:
        """Return the files that count, weakest first."""

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Return the origins in use."""

    def proxy_file(self, place: Place, layers: Sequence[Layer]) -> Path | None:
        """Return the file whose proxy gets loopback requests."""

    def untouchable(
        self, origin: Origin, place: Place, read: Reader, layers: Sequence[Layer]
    ) -> Override | None:
        """Say why an origin is left as it is."""


def of(
    tool: RattlerTool,
    place: Place,
    gateway: GatewayAddress,
    read: Reader,
    further: Sequence[Path] = (),
) -> list[Override]:
    """Find everything; of `further` the first that is there wins over what we edit."""
    if gateway.token is not None:
        what = "sends no user name to a mirror, and the gateway wants its token"
        hint = f"nothing to do: {tool.tool} asks the origin as before"
        return [Override(tool.tool, "the gateway's token", what, hint)]
    layers = mirror_table.read_all(tool.files(place), read)
    origins = [found.origin for found in tool.discover(place, read)]
    told = [tool.untouchable(origin, place, read, layers) for origin in origins]
    written = mirror_table.merged(layers).items()
    hosts = {normal(origin.url) for origin in origins}
    hosts |= {prefix for prefix, (_, urls) in written if mirror_table.is_ours(prefix, urls)}
    return [
        *_proxies(tool, place, layers),
        *(override for override in told if override is not None),
        *_narrower(tool, mirror_table.without_us(layers), hosts),
        *_stronger(tool, mirror_table.without_us(_readable(further, read)[:1]), hosts),
    ]


def _proxies(tool: RattlerTool, place: Place, layers: Sequence[Layer]) -> Iterator[Override]:
    what = "takes requests for 127.0.0.1 to the proxy"
    if name := loopback.proxy_in_the_way(place.environment, loopback.REQWEST):
        yield Override(tool.tool, name, what, f"set NO_PROXY={','.join(loopback.HOSTS)}")
    elif (path := tool.proxy_file(place, layers)) is not None:
        hint = "add 127.0.0.1 to proxy-config.non-proxy-hosts there"
        yield Override(tool.tool, str(path), what, hint)


def _narrower(tool: RattlerTool, layers: Sequence[Layer], hosts: set[str]) -> Iterator[Override]:
    """A longer prefix decides before ours does, for the channels below it."""
    for prefix, (path, _) in mirror_table.merged(layers).items():
        if prefix not in hosts and _host(prefix) in hosts:
            what = f"names other mirrors for {for_display(prefix)}"
            yield Override(tool.tool, str(path), what, "take it out of [mirrors]", wins=False)


def _stronger(tool: RattlerTool, layers: Sequence[Layer], hosts: set[str]) -> Iterator[Override]:
    for prefix, (path, _) in mirror_table.merged(layers).items():
        if _host(prefix) in hosts:
            what = f"names other mirrors for {for_display(prefix)}"
            hint = "take it out of [mirrors] there"
            yield Override(tool.tool, str(path), what, hint, wins=prefix in hosts)


def _host(prefix: str) -> str:
    try:
        parts = urlsplit(prefix)
    except ValueError:  # no address, so no host's
        return ""
    return normal(f"{parts.scheme}://{parts.netloc}")


def _readable(paths: Sequence[Path], read: Reader) -> list[Layer]:
    found: list[Layer] = []
    for path in paths:
        try:
            found += mirror_table.read_all([path], read)
        except ConfigurationError:
            continue
    return found
