"""headrace's plugin for conda, mamba, pixi: hooks only, with the imports inside them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from headrace.interface import hookimpl

if TYPE_CHECKING:
    from headrace.interface import (
        Activation,
        AskGateway,
        Ecosystem,
        Explanation,
        Host,
        LedTool,
        Mirror,
        Origin,
        Place,
    )

# ruff: noqa: PLC0415 - whoever loads the entry point does not pay for what it does not use


@hookimpl(trylast=True)
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    """Channels, where there is a host to ask."""
    import platform

    from headrace_conda.channels.ecosystem import CondaEcosystem
    from headrace_conda.subdirs import subdir_of

    mine = [origin for origin in origins if origin.ecosystem == CondaEcosystem.name]
    here = subdir_of(sys.platform, platform.machine())
    return [CondaEcosystem(mine, subdir=here)] if mine else []


@hookimpl(trylast=True)
def headrace_mirrors(ecosystem: str) -> Iterable[Mirror]:
    """The shipped catalogue."""
    if ecosystem != "conda":
        return []
    from headrace_conda.channels.known import mirrors

    return mirrors()


@hookimpl(trylast=True)
def headrace_explanations(  # noqa: PLR0917 - pluggy gives arguments by name
    what: str,
    version: str | None,
    ecosystem: str | None,
    place: Place,
    find_host: Callable[[], Host],
    ask: AskGateway,
) -> Iterable[Explanation]:
    """What conda would install here; only where conda is named, for it takes seconds."""
    if ecosystem != "conda" or what.startswith("/"):
        return []
    from headrace_conda.builds.explaining import explain

    return explain(what, version, place, find_host, ask)


@hookimpl(trylast=True)
def headrace_activations() -> Iterable[Activation]:
    """Conda first: its channels are what the others fall back to."""
    from headrace_conda.tools.conda import CondaActivation
    from headrace_conda.tools.mamba import MambaActivation
    from headrace_conda.tools.pixi import PixiActivation
    from headrace_conda.tools.rattler import RattlerActivation

    return [CondaActivation(), MambaActivation(), PixiActivation(), RattlerActivation()]


@hookimpl(trylast=True)
def headrace_led_tools() -> Iterable[LedTool]:
    """Conda by its plugin, the others through the proxy."""
    from headrace_conda.tools.led import every

    return every()
