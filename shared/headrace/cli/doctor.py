"""``headrace doctor``: look at everything that can be wrong, and say what to do about each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from headrace.cli.context import FAILED, NEEDS_ATTENTION, OK, Context, add_json, add_scope
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import Finding

__all__ = ["add", "run"]

_STYLES = {"ok": "green", "note": "", "warning": "yellow", "failure": "red"}


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "doctor",
        help="check everything, with a hint for each thing that is wrong",
        description="Check the gateway, the way to the origins, the disk, the files that were "
        "edited and whatever wins over them; the GPU's driver, and whether what is installed here "
        "and in containers can use it. Exit code 3 for warnings, 1 for failures.",
    )
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Run every check; one that breaks is a finding itself."""
    del args
    from headrace.cli.checks import accelerators, machine, network  # noqa: PLC0415 - start-up time

    findings: list[Finding] = []
    checks = (*machine.CHECKS, *network.CHECKS, *accelerators.CHECKS)
    for check in checks:
        findings += _guarded(check, context)
    if context.as_json:
        context.print_json({"findings": [finding.table() for finding in findings]})
    else:
        _tell(context, findings)
    levels = {finding.level for finding in findings}
    if "failure" in levels:
        return FAILED
    return NEEDS_ATTENTION if "warning" in levels else OK


def _guarded(check: Callable[[Context], Iterator[Finding]], context: Context) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(context))
    except HeadraceError as error:
        found.append(Finding(check.__name__, "failure", error.message, error.hint))
    except OSError as error:
        found.append(Finding(check.__name__, "failure", str(error), ""))
    except Exception as error:  # noqa: BLE001 - the other checks go on
        hint = "this is headrace's own fault or a plugin's; the other checks went on"
        found.append(Finding(check.__name__, "failure", f"the check failed: {error!r}", hint))
    return found


def _tell(context: Context, findings: list[Finding]) -> None:
    from rich.text import Text  # noqa: PLC0415 - start-up time

    for finding in findings:
        line = Text(f"{finding.level:<8} ", style=_STYLES[finding.level])
        line.append(f"{finding.check}: {finding.text}", style="")
        context.console.print(line)
        if finding.hint and finding.level != "ok":
            context.console.print(Text(f"         {finding.hint}"))
