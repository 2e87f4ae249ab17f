"""The doctor's check of the functions that lead tools in a person's shells."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from headrace.cli.context import Context
from headrace.cli.explaining.functions import here
from headrace.interface.hookspecs import Finding, Scope
from headrace.wording import listed

__all__ = ["CHECKS"]

_HINT = (
    "open a new shell; where that does not help, something in that file ends before the line. In "
    "scripts `headrace run -- COMMAND` is the way"
)


def functions(context: Context) -> Iterator[Finding]:
    """See whether the shell that asks has what its files bring."""
    from headrace.system.service import has_functions  # noqa: PLC0415 - start-up time

    files = has_functions(context.env) if context.scope is Scope.USER else []
    if not files:
        return
    told = listed([str(each) for each in files])
    if here(context) is not False:
        yield Finding("functions", "ok", f"{told}: this shell leads the tools that are typed")
        return
    # A script has none, and needs none.
    level = "warning" if sys.stdin is not None and sys.stdin.isatty() else "note"
    text = f"{told} would lead tools that are typed, and this shell does not have the functions"
    yield Finding("functions", level, text, _HINT)


CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (functions,)
