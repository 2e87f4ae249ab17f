"""``headrace status``: what is routed, by what, what wins over it, and what came through lately."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.cli.context import (
    NEEDS_ATTENTION,
    OK,
    Context,
    Strictness,
    add_json,
    add_scope,
)
from headrace.cli.explaining import functions, led
from headrace.cli.explaining.verdict import verdict
from headrace.cli.setup.led import other_version
from headrace.cli.setup.planned_edits import in_use
from headrace.cli.setup.shared_port import ACCEPTED, STRANGER_HINT
from headrace.cli.setup.standing import rows
from headrace.cli.summary import bytes_text, failures_text, under_way
from headrace.errors import HeadraceError, UnfitError
from headrace.interface.editing.presence import is_there
from headrace.interface.hookspecs import GatewayAddress, Scope
from headrace.wording import counted, noun

if TYPE_CHECKING:
    from headrace.system.service.health import Contact

__all__ = ["add", "gateway_of", "run"]

#: Seconds between two looks at the tools with ``--watch``.
_TOOLS_EVERY = 30.0


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "status",
        help="what is routed, and what came through",
        description="Show each tool, what it asks now, and what the gateway did lately. Exit code "
        "3 when something is routed and does not work as it should.",
    )
    parser.add_argument(
        "--watch", "-w", action="store_true", help="go on, and draw it again each second"
    )
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Look, and tell."""
    context.strictness = Strictness.NONE
    if args.watch:
        _watch(context)
    address, state = gateway_of(context)
    there, told = _asked(address, state) if address else (None, None)
    table = _beginning(context, address, state, there)
    # Whoever sits there sees each tool as it answers; what is read by a program keeps its order.
    at_once = context.to_terminal and not context.as_json
    if at_once:
        width = _width(each.tool for each in in_use(context))
        _tell_beginning(context, table, width)
    table["tools"] = rows(context, address, partial(_tell_row, context, width) if at_once else None)
    table |= _rest(context, table, there, told)
    table["verdict"] = verdict(table)[2]
    if context.as_json:
        context.print_json(table)
    elif at_once:
        _tell_rest(context, table)
    else:
        _tell(context, table)
    return NEEDS_ATTENTION if table["attention"] else OK


def _watch(context: Context) -> None:
    """Draw it again and again until KeyboardInterrupt; UnfitError where nobody would see it."""
    from headrace.cli.explaining.watching import watch  # noqa: PLC0415 - start-up time

    if context.as_json or not context.to_terminal:
        raise UnfitError(
            "no-terminal",
            "--watch draws on a terminal, which standard output is not here",
            hint="`headrace logs --follow --json` tells each file as it comes; `headrace status "
            "--json` tells how all stands now",
        )
    asked, tools = 0.0, list[dict[str, Any]]()

    def tell() -> None:
        nonlocal asked, tools
        address, state = gateway_of(context)
        there, told = _asked(address, state) if address else (None, None)
        table = _beginning(context, address, state, there)
        # How a tool stands changes seldom, and some take seconds to tell it.
        if not asked or time.monotonic() - asked > _TOOLS_EVERY:
            tools, asked = rows(context, address, None), time.monotonic()
        table["tools"] = tools
        table |= _rest(context, table, there, told)
        _tell(context, table)

    watch(tell)


def gateway_of(context: Context) -> tuple[GatewayAddress | None, Any]:
    """Return the scope's own gateway, else the machine's, which serves users as well."""
    address = context.state.gateway()
    if address is not None or context.scope is Scope.SYSTEM:
        return address, context.state
    from headrace.config import EnvVars, Folders  # noqa: PLC0415 - start-up time
    from headrace.system.state import State  # noqa: PLC0415 - as above

    if context.env.get(EnvVars.HEADRACE_HOME):
        return None, context.state
    machine = State(Folders.of_system(), Scope.SYSTEM)
    try:
        return machine.gateway(), machine
    except HeadraceError:
        return None, context.state


def _beginning(
    context: Context, address: GatewayAddress | None, state: Any, there: Contact | None
) -> dict[str, Any]:
    """Return what is known before any tool is asked."""
    from headrace.redact import for_display  # noqa: PLC0415 - start-up time

    return {
        "scope": context.scope,
        "gateway": address
        and there
        and {
            "host": address.host,
            "port": address.port,
            "scope": state.scope,
            "kept_up_by": state.kept_up_by(),
            "up": there.up,
            "version": (there.up and there.version) or None,
            "redirecting": there.up and there.redirecting,
            "held_by": there.who or None,
            "shared_port": state.shared_port_accepted(),
        },
        "origins": [
            {
                "ecosystem": each.origin.ecosystem,
                "name": each.origin.name,
                "url": for_display(each.origin.url),
                "private": each.origin.private,
                "where": each.where,
            }
            for each in _origins(state)
        ],
    }


def _rest(
    context: Context, table: dict[str, Any], there: Contact | None, told: Any
) -> dict[str, Any]:
    """Return what is known when all tools have answered."""
    inside = _inside(context)
    tools = table["tools"]
    routed = any(tool["state"] in ("routed", "overridden") for tool in tools)
    serves = there is not None and there.up and not there.redirecting
    trouble = bool(there and there.who) or (routed and not serves)
    overridden = any(tool["state"] == "overridden" for tool in tools)
    return {
        "led_by_run": led.table(context),
        "functions": functions.table(context),
        "containers": inside,
        "transfers": (told or {}).get("transfers"),
        "under_way": (told or {}).get("under_way"),
        "documents": (told or {}).get("documents"),
        "faults_survived": (told or {}).get("faults_survived"),
        "incidents": (told or {}).get("incidents"),
        "builds": (told or {}).get("builds"),
        "mirrors": (told or {}).get("mirrors"),
        "settings": context.settings_table(),
        "attention": trouble
        or overridden
        or bool(inside and not inside["up"])
        or bool(context.mistakes)
        or _own_in_trouble((told or {}).get("mirrors")),
    }


def _inside(context: Context) -> dict[str, Any] | None:
    """Return what is known of the gateway of containers; None where it was never set up."""
    if not is_there(context.folders.state / "containers"):
        return None
    from headrace.cli.setup import containers  # noqa: PLC0415 - start-up time

    return containers.table(context)


def _asked(address: GatewayAddress, state: Any) -> tuple[Contact, Any]:
    """Return who has the port, and what that says of itself."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    return health.look_and_ask(address, state.expected(), "/status")


def _own_in_trouble(mirrors: Any) -> bool:
    if not mirrors:
        return False
    from headrace.cli.explaining import mirrors_told  # noqa: PLC0415 - start-up time

    return bool(mirrors_told.first_in_trouble(mirrors))


def _of_mirrors(mirrors: Any) -> list[tuple[str, bool]]:
    if not mirrors:
        return []
    from headrace.cli.explaining import mirrors_told  # noqa: PLC0415 - start-up time

    return mirrors_told.lines(mirrors)


def _origins(state: Any) -> Any:
    try:
        return state.origins()
    except HeadraceError:
        return []  # the machine's, with a secret in it: not for this user's eyes


# ------------------------------------------------------------------ telling

_STYLES = {"routed": "green", "overridden": "yellow", "broken": "red"}
_WIDEST_STATE = len("overridden")
_NOT_HERE = "not found"
#: Where what is said begins, behind a word of up to eight letters.
_BELOW = " " * 9


def _tell(context: Context, table: dict[str, Any]) -> None:
    width = _width(tool["tool"] for tool in table["tools"])
    _tell_beginning(context, table, width)
    for tool in table["tools"]:
        _tell_row(context, width, tool)
    _tell_rest(context, table)


def _tell_beginning(context: Context, table: dict[str, Any], width: int) -> None:
    context.say(_gateway_line(table["gateway"]))
    for line in _port_lines(table):
        context.say(line)
    for origin in table["origins"]:
        kind = ", your own: no mirror is asked" if origin["private"] else ""
        context.say(f"origin   {origin['url']} ({origin['where']}{kind})")
    context.say(f"{'tool':<{width}}  {'state':<{_WIDEST_STATE}}  by")


def _width(tools: Iterable[str]) -> int:
    return max((len(tool) for tool in ("tool", *tools)), default=0)


def _tell_row(context: Context, width: int, tool: dict[str, Any]) -> None:
    if tool["state"] == _NOT_HERE:
        return  # they are named together, below those that matter
    why = [] if tool["state"] == "overridden" else list(tool["files"])
    if tool["state"] == "routed" and not why:
        why = ["set up for the whole machine"]  # its journal is not this user's
    for each in tool["overrides"]:
        hint = f"; {each['hint']}" if each["hint"] else ""
        why.append(f"{each['where']} {each['what']}{hint}")
    first, *others = "\n".join(why).split("\n")
    state = f"{tool['state']:<{_WIDEST_STATE}}"
    row = ((f"{tool['tool']:<{width}}  ", ""), (state, _STYLES.get(tool["state"], "")))
    context.say_parts((*row, (f"  {first}", "")))
    for line in others:
        context.say(f"{'':<{width + 2 + _WIDEST_STATE}}  {line}")


def _tell_rest(context: Context, table: dict[str, Any]) -> None:
    if absent := [tool["tool"] for tool in table["tools"] if tool["state"] == _NOT_HERE]:
        context.say(f"not here {', '.join(absent)}", "dim", indent=_BELOW)
    for mistake in (table.get("settings") or {}).get("mistakes", ()):
        context.say(f"settings {mistake['message']}", "yellow")
        context.say(f"         {mistake['hint']}")
    for line, warning in _of_mirrors(table.get("mirrors")):
        context.say(line, "yellow" if warning else "")
    now = [f"now      {line}" for line in under_way(table)]
    for line in (*_led(table), *_builds(table), *now, *_lately(table), *_mirrors(table)):
        context.say(line)
    well, leads, text = verdict(table)
    word, style = ("ok", "green") if well and leads else ("next" if well else "do first", "yellow")
    context.say_parts(((f"{word:<9}", style if not well or leads else ""), (text, "")))


def _led(table: dict[str, Any]) -> list[str]:
    inside = table.get("containers")
    typed = table.get("functions")
    lines = [f"run      {line}" for line in led.lines(table.get("led_by_run") or ())]
    if inside:
        from headrace.cli.setup import containers  # noqa: PLC0415 - start-up time

        lines += containers.lines(inside)
    return [*lines, *(f"typed    {line}" for line in (functions.lines(typed) if typed else ()))]


def _gateway_line(gateway: dict[str, Any] | None) -> str:
    if gateway is None:
        return "gateway  off (`headrace on` starts it)"
    how = f", kept up by {gateway['kept_up_by']}" if gateway["kept_up_by"] else ""
    whose = "the machine's" if gateway["scope"] == Scope.SYSTEM else "yours"
    where = f"http://{gateway['host']}:{gateway['port']}/"
    if gateway["held_by"]:
        return f"gateway  port {gateway['port']} is held by {gateway['held_by']}: not your gateway"
    if not gateway["up"]:
        return f"gateway  DOWN at {where} ({whose}{how}); `headrace doctor` says why"
    if gateway["redirecting"]:
        return f"gateway  sends everybody to the origin, at {where} ({whose}{how}): it cannot start"
    return f"gateway  up at {where} ({whose}{how})"


def _port_lines(table: dict[str, Any]) -> list[str]:
    """Say what is to be done about the port, what was accepted, and who answers there."""
    gateway = table["gateway"]
    if gateway is None:
        return []
    if gateway["held_by"]:
        return [f"         {STRANGER_HINT}"]
    other = other_version(gateway["version"] or "", gateway["scope"])
    accepted = ACCEPTED if gateway["shared_port"] and gateway["up"] else ""
    return [f"         {text}" for text in (other, accepted) if text]


def _builds(table: dict[str, Any]) -> list[str]:
    """Say which builds installers get here, and why."""
    lines: list[str] = []
    builds = table.get("builds") or []
    if not builds:
        return lines
    from headrace.variants.builds import UNUSED  # noqa: PLC0415 - start-up time

    for each in builds:
        why = each["trouble"] or each["reason"]
        what = f"{each['project']} as the index lists it: " if each["trouble"] else ""
        lines.append(f"builds   {what}{why}")
        # A gateway of the version before says neither.
        warnings = each.get("warnings", ())
        if each.get("unused") and not any(text.startswith(UNUSED) for text in warnings):
            lines.append(f"         {UNUSED}")
        lines += [f"         {warning}" for warning in warnings]
    return lines


def _mirrors(table: dict[str, Any]) -> list[str]:
    """Say how many mirrors are used on old evidence: weaker trust is said to be weaker."""
    told = (table.get("mirrors") or {}).values()
    old = sum(len(each["evidence_old"]) for each in told)
    if not old:
        return []
    every = sum(len(each["in_use"]) for each in told)
    what = f"what is known of {old} of {counted(every, 'mirror')} is old"
    return [f"trust    {what}: each is sampled here first, and its pages are checked before use"]


def _lately(table: dict[str, Any]) -> list[str]:
    transfers = table["transfers"]
    if not isinstance(transfers, dict):
        return []
    count = transfers.get("finished", 0) + transfers.get("from_store", 0)
    lines = []
    if count:
        text = f"lately   {bytes_text(transfers.get('bytes', 0))} in {counted(count, 'file')}"
        saved = transfers.get("saved_seconds") or 0
        text += f", about {saved:.1f} s less than from the best single source" if saved else ""
        lines.append(text)
        by_source = transfers.get("bytes_by_source") or {}
        ranked = sorted(by_source.items(), key=lambda item: -item[1])
        lines += [f"         {bytes_text(size):>10}  {source}" for source, size in ranked[:6]]
    if failed := failures_text(None, table["faults_survived"]):
        lines.append(f"         {failed}")
    documents = table["documents"] or {}
    # Weaker trust is said to be weaker.
    if stale := documents.get("stale"):
        what = counted(stale, "page or tag was the last", "pages or tags were the last")
        lines.append(f"trust    {what} known {noun(stale, 'one')}: the origin did not answer")
    if provisional := documents.get("provisional"):
        lines.append(
            f"trust    {counted(provisional, 'page')} came from a mirror first; each file that "
            f"{noun(provisional, 'it', 'they')} named was confirmed at the origin"
        )
    lines += [f"incident {each.get('what')}" for each in (table["incidents"] or [])[:3]]
    return lines
