"""headrace's plugin for docker, containerd, podman: hooks only, with the imports inside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from headrace.interface import hookimpl

if TYPE_CHECKING:
    from headrace.interface import (
        Activation,
        AskGateway,
        ContainerNetwork,
        Credential,
        Ecosystem,
        Explanation,
        Finding,
        Host,
        ImageTool,
        LeadsContainers,
        LedTool,
        Mirror,
        Origin,
        Place,
    )

# ruff: noqa: PLC0415 - whoever loads the entry point does not pay for what it does not use


@hookimpl(trylast=True)
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    """Registries, where there is one to ask."""
    from headrace_docker.registry_api.ecosystem import DockerEcosystem

    mine = [origin for origin in origins if origin.ecosystem == DockerEcosystem.name]
    return [DockerEcosystem(mine)] if mine else []


@hookimpl(trylast=True)
def headrace_mirrors(ecosystem: str) -> Iterable[Mirror]:
    """The shipped catalogue."""
    if ecosystem != "docker":
        return []
    from headrace_docker.registry_api.registries import mirrors

    return mirrors()


@hookimpl(trylast=True)
def headrace_login(mirror: Mirror) -> Credential | None:
    """Docker's and podman's logins, as they would find them."""
    if mirror.ecosystem != "docker":
        return None
    from headrace_docker.credentials.logins import login

    return login(mirror)


@hookimpl(trylast=True)
def headrace_explanations(
    what: str, ecosystem: str | None, find_host: Callable[[], Host], ask: AskGateway
) -> Iterable[Explanation]:
    """What an image needs of this machine; only where docker is named."""
    if ecosystem != "docker":
        return []
    from headrace_docker.finding.explaining import explain

    return explain(what, find_host(), ask)


@hookimpl(trylast=True)
def headrace_image_tools() -> Iterable[ImageTool]:
    """Images of every registry that the gateway leads."""
    from headrace_docker.images import Images

    return [Images()]


@hookimpl(trylast=True)
def headrace_checks(place: Place, host: Host) -> Iterable[Finding]:
    """Whether docker's credential helpers are there, and whether containers can use the GPU."""
    from headrace_docker.credentials import missing
    from headrace_docker.gpu import container_toolkit

    return [*missing.check(place), *container_toolkit.check(place, host)]


@hookimpl(trylast=True)
def headrace_activations() -> Iterable[Activation]:
    """Engines of containers; each says itself whether it is here."""
    from headrace_docker.engines.all import every

    return every()


@hookimpl(trylast=True)
def headrace_led_tools() -> Iterable[LedTool]:
    """Engines, by their own settings: a proxy of their client's would get into containers."""
    from headrace_docker.engines.led import every

    return every()


@hookimpl(trylast=True)
def headrace_led_containers() -> Iterable[LeadsContainers]:
    """Builds and single containers, by what each engine offers for that."""
    from headrace_docker.builds.all import Engines

    return [Engines()]


@hookimpl(trylast=True)
def headrace_container_networks(place: Place) -> Iterable[ContainerNetwork]:
    """Bridges of docker and podman."""
    from headrace_docker.builds.bridges import networks
    from headrace_docker.engines.running import Machine

    return networks(Machine(), place)
