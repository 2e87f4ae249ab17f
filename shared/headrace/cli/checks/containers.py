"""The doctor's check of the gateway of containers: does it answer, and is it on every bridge?"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.errors import LocalError
from headrace.interface.hookspecs import Finding, Fix

__all__ = ["CHECKS"]

_NAME = "containers"
_AGAIN = "`headrace on --containers` again"


def inside(context: Context) -> Iterator[Finding]:
    """Look whether it is up, and ask the engines where their bridges are now."""
    from headrace.cli.setup import containers  # noqa: PLC0415 - start-up time

    told = containers.table(context)
    if told is None:
        return
    for line in containers.lines({**told, "files": ()}):
        level = "ok" if told["up"] else "failure"
        yield Finding(_NAME, level, line.removeprefix("inside").strip(), _AGAIN, _again(context))
    there, elsewhere = containers.reachable(context)
    known = {(each.engine, each.name): each for each in containers.state_of(context).networks()}
    fix = _again(context)
    for network in there:
        before = known.pop((network.engine, network.name), None)
        if before is None:
            what = "is new, and nothing listens for its containers"
            yield Finding(_NAME, "warning", f"{containers.called(network)} {what}", _AGAIN, fix)
        elif before != network:
            what = f"is at {network.host} now, on {network.interface}"
            yield Finding(_NAME, "warning", f"{containers.called(network)} {what}", _AGAIN, fix)
    for network in elsewhere:
        text = f"no containers on {containers.called(network)}: {network.why_not}"
        yield Finding(_NAME, "note", text, "`headrace run` or `build` may lead them one by one")


def _again(context: Context) -> Fix:
    """Ask the engines, write what is mounted, and start it on the bridges of now."""

    def perform() -> None:
        from headrace.cli.setup import containers  # noqa: PLC0415 - start-up time

        port = containers.state_of(context).port()
        _, trouble = containers.set_up(context, context.state.origins(), port)
        if trouble:
            raise LocalError("containers", "; ".join(trouble), hint=_AGAIN)

    return Fix(
        "start the gateway of containers on the networks that there are now", perform=perform
    )


CHECKS: tuple[Check, ...] = (inside,)
