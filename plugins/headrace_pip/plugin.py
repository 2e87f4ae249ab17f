"""headrace's plugin for pip, uv, poetry and pdm: hooks only, with the imports inside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headrace.interface import (
    Activation,
    AskGateway,
    Credential,
    Ecosystem,
    Explanation,
    Mirror,
    Origin,
    Place,
    hookimpl,
)

# ruff: noqa: PLC0415 - whoever loads the entry point does not pay for what it does not use


@hookimpl(trylast=True)
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    """Python packages, where there is an index to ask."""
    from headrace_pip.pytorch.ecosystem import PythonWithBuilds

    mine = [origin for origin in origins if origin.ecosystem == PythonWithBuilds.name]
    return [PythonWithBuilds(mine)] if mine else []


@hookimpl(trylast=True)
def headrace_mirrors(ecosystem: str) -> Iterable[Mirror]:
    """The shipped catalogue."""
    from headrace_pip.index.layouts import mirrors

    return mirrors() if ecosystem == "python" else []


@hookimpl(trylast=True)
def headrace_explanations(
    what: str, version: str | None, ecosystem: str | None, place: Place, ask: AskGateway
) -> Iterable[Explanation]:
    """Say which file of a project would be taken here."""
    if ecosystem not in (None, "python") or "/" in what:
        return []
    from headrace_pip.explaining.files import explain

    specifier = version or ""
    if specifier and specifier[0] not in "=<>!~":
        specifier = f"=={specifier}"
    return explain(what, specifier, place, ask)


@hookimpl(trylast=True)
def headrace_activations() -> Iterable[Activation]:
    """The four tools."""
    from headrace_pip.tools.all import every

    return every()


@hookimpl(trylast=True)
def headrace_credential(origin: Origin) -> Credential | None:
    """Netrc and keyring, as pip would ask them."""
    from headrace_pip.credentials.netrc_and_keyring import credential

    return credential(origin) if origin.ecosystem == "python" else None


@hookimpl(trylast=True)
def headrace_login(mirror: Mirror) -> Credential | None:
    """As above."""
    from headrace_pip.credentials.netrc_and_keyring import login

    return login(mirror) if mirror.ecosystem == "python" else None
