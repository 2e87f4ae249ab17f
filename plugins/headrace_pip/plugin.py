"""headrace's door for pip, uv, poetry and pdm: hooks only, imports inside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from headrace.hookspecs import hookimpl

if TYPE_CHECKING:
    from headrace.hookspecs import Ecosystem
    from headrace.models import Origin


@hookimpl(trylast=True)
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    """Python packages, when there is an index to ask."""
    from headrace_pip.adapter import PythonEcosystem  # noqa: PLC0415 - light at start-up

    mine = [origin for origin in origins if origin.ecosystem == PythonEcosystem.name]
    return [PythonEcosystem(mine)] if mine else []
