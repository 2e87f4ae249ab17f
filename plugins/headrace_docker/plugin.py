"""headrace's door for docker, containerd, podman: hooks only, with the imports inside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headrace.hookspecs import Activation, Ecosystem, Explanation, Place, hookimpl
from headrace.models import Mirror, Origin


@hookimpl(trylast=True)
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    """Registries, where there is one to ask."""
    del origins
    return []


@hookimpl(trylast=True)
def headrace_mirrors(ecosystem: str) -> Iterable[Mirror]:
    """The shipped catalogue."""
    del ecosystem
    return []


@hookimpl(trylast=True)
def headrace_explanations(
    what: str, version: str | None, ecosystem: str | None, place: Place
) -> Iterable[Explanation]:
    """What an image needs of this machine; only where docker is named."""
    del what, version, ecosystem, place
    return []


@hookimpl(trylast=True)
def headrace_activations() -> Iterable[Activation]:
    """Engines of containers; each says itself whether it is here."""
    from headrace_docker.activations import every  # noqa: PLC0415 - start-up time

    return every()
