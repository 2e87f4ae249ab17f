"""``headrace doctor``: look at everything that can be wrong, and say what to do about each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from headrace.cli.context import (
    FAILED,
    NEEDS_ATTENTION,
    OK,
    Context,
    Strictness,
    add_json,
    add_scope,
)
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import Finding

__all__ = ["add", "run"]

#: A check of this machine.
Check = Callable[[Context], Iterator[Finding]]

_STYLES = {"ok": "green", "note": "", "warning": "yellow", "failure": "red"}
#: Below what is found.
_INDENT = " " * 9


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "doctor",
        help="check everything, with a hint for each thing that is wrong",
        description="Check the gateway, the way to the origins, the disk, the files that were "
        "edited and whatever wins over them; the GPU's driver, and whether what is installed here "
        "and in containers can use it. Exit code 3 for warnings, 1 for failures.",
    )
    parser.add_argument(
        "--committed",
        nargs="*",
        metavar="FILE",
        help="look only whether files name a gateway: these, else those of the project (git)",
    )
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Run every check; one that breaks is a finding itself."""
    from headrace.cli.checks import (  # noqa: PLC0415 - start-up time
        accelerators,
        committed,
        containers,
        functions,
        leading,
        machine,
        mirrors,
        network,
        setting_up,
    )

    context.strictness = Strictness.NONE
    findings: list[Finding] = []
    checks: Sequence[Check] = (
        *machine.CHECKS,
        *setting_up.CHECKS,
        *functions.CHECKS,
        *network.CHECKS,
        *leading.CHECKS,
        *containers.CHECKS,
        *mirrors.CHECKS,
        *accelerators.CHECKS,
        *committed.CHECKS,
    )
    if args.committed is not None:
        files = [Path(name) for name in args.committed]
        checks = (partial(committed.of_files, files=files),) if files else committed.CHECKS
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


def _guarded(check: Check, context: Context) -> list[Finding]:
    name = getattr(check, "__name__", "committed")
    found: list[Finding] = []
    try:
        found.extend(check(context))
    except HeadraceError as error:
        found.append(Finding(name, "failure", error.message, error.hint))
    except OSError as error:
        found.append(Finding(name, "failure", str(error), ""))
    except Exception as error:  # noqa: BLE001 - the other checks go on
        hint = "this is headrace's own fault or a plugin's; the other checks went on"
        found.append(Finding(name, "failure", f"the check failed: {error!r}", hint))
    return found


def _tell(context: Context, findings: list[Finding]) -> None:
    for finding in findings:
        level = (f"{finding.level:<8} ", _STYLES[finding.level])
        context.say_parts((level, (f"{finding.check}: {finding.text}", "")), indent=_INDENT)
        if finding.hint and finding.level != "ok":
            context.say(f"{_INDENT}{finding.hint}", indent=_INDENT)
