"""headrace's plugin for pip, uv, poetry and pdm: hooks only, with the imports inside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import headrace.interface as api
from headrace_pip.credentials.hooks import headrace_credential, headrace_login

__all__ = ["headrace_credential", "headrace_login"]
# ruff: noqa: PLC0415 - whoever loads the entry point does not pay for what it does not use


@api.hookimpl(trylast=True)
def headrace_ecosystems(origins: Sequence[api.Origin]) -> Iterable[api.Ecosystem]:
    """Python packages, where there is an index to ask."""
    from headrace_pip.pytorch.ecosystem import of_origins

    return of_origins(origins)


@api.hookimpl(trylast=True)
def headrace_mirrors(ecosystem: str) -> Iterable[api.Mirror]:
    """The shipped catalogue."""
    from headrace_pip.index.layouts import mirrors

    return mirrors() if ecosystem == "python" else []


@api.hookimpl(trylast=True)
def headrace_explanations(  # noqa: PLR0917 - pluggy gives arguments by name
    what: str,
    version: str | None,
    ecosystem: str | None,
    place: api.Place,
    find_host: Callable[[], api.Host],
    ask: api.AskGateway,
) -> Iterable[api.Explanation]:
    """Say which file of a project would be taken here."""
    from headrace_pip.explaining.files import explain

    return explain(what, version, place, ask, find_host) if ecosystem in (None, "python") else []


@api.hookimpl(trylast=True)
def headrace_activations() -> Iterable[api.Activation]:
    """The four tools."""
    from headrace_pip.tools.all import every

    return every()


@api.hookimpl(trylast=True)
def headrace_led_tools() -> Iterable[api.LedTool]:
    """Every tool of Python's, and whatever an interpreter is told to run."""
    from headrace_pip.led.table import every

    return every()
