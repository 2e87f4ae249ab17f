"""``headrace doctor``: look at everything that can be wrong, and say what to do about each."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
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
from headrace.cli.mending.fixes import Mended, is_agreed, mend, offered, shown
from headrace.errors import HeadraceError, UnfitError, UsageError
from headrace.interface.hookspecs import Finding, Fix
from headrace.wording import counted, printable

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
        "and in containers can use it. Exit code 3 for warnings, 1 for failures, as they are when "
        "--fix has done what it can.",
    )
    parser.add_argument(
        "--committed",
        nargs="*",
        metavar="FILE",
        help="look only whether files name a gateway: these, else those of the project (git)",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="mend what is safe to mend: shown first, then asked; `headrace off` undoes it",
    )
    parser.add_argument(
        "--report",
        nargs="?",
        const="",
        metavar="FILE",
        help="a report for those who make headrace: shown, and then written to FILE where you say "
        "so; secrets, logins, names of people and private hosts are taken out, nothing is sent",
    )
    parser.add_argument("--yes", action="store_true", help="with --fix and --report: do not ask")
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Run every check; one that breaks is a finding itself. Then mend, where that is wanted."""
    context.strictness = Strictness.NONE
    if args.report is not None:
        return _report(args, context)
    found: dict[Check, list[Finding]] = {}
    for check, findings in _looked(args, context):
        found[check] = findings
        if not context.as_json:
            _tell(context, findings)
    outcomes: Sequence[Mended] | None = None
    if args.fix:
        outcomes = _mended(args, context, found)
    if context.as_json:
        table: dict[str, object] = {"findings": [each.table() for each in _all(found)]}
        context.print_json(table | (_table(found, outcomes) if args.fix else {}))
    levels = {finding.level for finding in _all(found)}
    if "failure" in levels:
        return FAILED
    undone = args.fix and outcomes is None and offered(_all(found))
    return NEEDS_ATTENTION if "warning" in levels or undone else OK


def _looked(args: argparse.Namespace, context: Context) -> Iterator[tuple[Check, list[Finding]]]:
    """Run the checks: first those of this machine, then at once those that ask others, who may
    never answer. A terminal has each when it is there; elsewhere they have one order.
    """
    near, far = _checks(args)
    for check in near:
        yield check, _guarded(check, context)
    ended: SimpleQueue[tuple[Check, list[Finding]]] = SimpleQueue()
    for check in far:
        work = partial(_into, ended, check, context)
        # Not waited for where the user goes before they are through.
        threading.Thread(target=work, name="doctor", daemon=True).start()
    came = (ended.get() for _ in far)
    if context.to_terminal and not context.as_json:
        yield from came
    else:
        yield from sorted(came, key=lambda each: far.index(each[0]))


def _into(ended: SimpleQueue[tuple[Check, list[Finding]]], check: Check, context: Context) -> None:
    try:
        findings = _guarded(check, context)
    except BaseException as error:  # noqa: BLE001 - it would end this thread, and be waited for
        findings = [_broken(check, error)]
    ended.put((check, findings))


def _checks(args: argparse.Namespace) -> tuple[Sequence[Check], Sequence[Check]]:
    """Return those that look at this machine alone, and those that ask others."""
    from headrace.cli.checks import (  # noqa: PLC0415 - start-up time
        accelerators,
        committed,
        containers,
        functions,
        kept_state,
        leading,
        machine,
        mirrors,
        network,
        setting_up,
    )

    if args.committed is not None:
        files = [Path(name) for name in args.committed]
        return (partial(committed.of_files, files=files),) if files else committed.CHECKS, ()
    near = (
        *machine.CHECKS,
        *kept_state.CHECKS,
        *setting_up.CHECKS,
        *functions.CHECKS,
        *network.CHECKS,
        *containers.CHECKS,
        *accelerators.CHECKS,
        *committed.CHECKS,
    )
    return near, (*network.FAR, *leading.FAR, *mirrors.FAR)


def _report(args: argparse.Namespace, context: Context) -> int:
    """Show the report; then write it, where that is wanted."""
    from headrace.cli.mending import report  # noqa: PLC0415 - start-up time

    if args.fix:
        raise UsageError(
            "fix-or-report",
            "--fix and --report do not go together",
            hint="a report of what is wrong comes first; `headrace doctor --help` shows both",
        )
    path = Path(args.report) if args.report else None
    if path is not None and path.exists():
        raise UnfitError("report-there", f"{path} is there already", hint="name another file")
    findings = [each for _, findings in _looked(args, context) for each in findings]
    text = report.compose(context, findings)
    if context.as_json:
        written = path is not None and args.yes
        table = {"report": text, "file": str(path) if written else None}
    else:
        sys.stdout.write(printable(text))
        written = path is not None and (args.yes or is_agreed(context, f"Write this to {path}?"))
    if written and path is not None:
        report.write(path, text)
    if context.as_json:
        context.print_json(table)
    elif written:
        context.say(f"The report is in {path}.")
    elif path is not None:
        context.say("Nothing was written: `--yes` does that.")
    return NEEDS_ATTENTION if path is not None and not written else OK


def _all(found: Mapping[Check, Sequence[Finding]]) -> list[Finding]:
    return [each for findings in found.values() for each in findings]


def _mended(
    args: argparse.Namespace, context: Context, found: dict[Check, list[Finding]]
) -> Sequence[Mended] | None:
    """Show what would be done, and do it where that is wanted; None: it was not. What the checks
    of it say afterwards is in `found`.
    """
    fixes = offered(_all(found))
    if not context.as_json:
        _tell_fixes(context, fixes)
    if not fixes:
        return ()
    if not args.yes and (context.as_json or not is_agreed(context, "Do this?")):
        if not context.as_json:
            context.say("Nothing was changed. `headrace doctor --fix --yes` does it.")
        return None
    outcomes = mend(context, fixes)
    again = {check: _guarded(check, context) for check in found if offered(found[check])}
    found |= again
    if not context.as_json:
        for each in outcomes:
            _tell_outcome(context, each)
        _tell(context, _all(again))
    return outcomes


def _tell_fixes(context: Context, fixes: Sequence[Fix]) -> None:
    if not fixes:
        context.say("Nothing here is safe to mend without a thought; the lines above say what is.")
        return
    context.say(f"--fix would do {counted(len(fixes), 'thing')}:")
    for line in shown(fixes):
        context.say(f"  {line}")


def _tell_outcome(context: Context, outcome: Mended) -> None:
    if outcome.trouble is None:
        context.say_parts((("mended   ", "green"), (outcome.fix.what, "")))
        return
    context.say_parts((("not done ", "yellow"), (f"{outcome.fix.what}: {outcome.trouble}", "")))


def _table(
    found: Mapping[Check, Sequence[Finding]], outcomes: Sequence[Mended] | None
) -> dict[str, object]:
    if outcomes is None:
        rows = [{**fix.table(), "done": False, "error": None} for fix in offered(_all(found))]
        return {"fixes": rows}
    return {
        "fixes": [
            {
                **each.fix.table(),
                "done": each.trouble is None,
                "error": each.trouble and each.trouble.table(),
            }
            for each in outcomes
        ]
    }


def _guarded(check: Check, context: Context) -> list[Finding]:
    name = _name_of(check)
    found: list[Finding] = []
    try:
        found.extend(check(context))
    except HeadraceError as error:
        found.append(Finding(name, "failure", error.message, error.hint))
    except OSError as error:
        found.append(Finding(name, "failure", str(error), ""))
    except Exception as error:  # noqa: BLE001 - the other checks go on
        found.append(_broken(check, error))
    return found


def _broken(check: Check, error: BaseException) -> Finding:
    hint = "this is headrace's own fault or a plugin's; the other checks went on"
    return Finding(_name_of(check), "failure", f"the check failed: {error!r}", hint)


def _name_of(check: Check) -> str:
    return getattr(check, "__name__", "committed")


def _tell(context: Context, findings: list[Finding]) -> None:
    for finding in findings:
        level = (f"{finding.level:<8} ", _STYLES[finding.level])
        context.say_parts((level, (f"{finding.check}: {finding.text}", "")), indent=_INDENT)
        if finding.hint and finding.level != "ok":
            context.say(f"{_INDENT}{finding.hint}", indent=_INDENT)
