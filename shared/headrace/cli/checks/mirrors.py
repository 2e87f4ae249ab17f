"""The doctor's checks of mirrors: whether those that matter answer from here, asked politely.

Each of the user's own is asked, of the catalogue's a few of the best, once, for a head; nobody
whose operator forbids requests that no user waits for, and nobody before a time that it named. A
gateway that runs knows who wants to be left alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.errors import UpstreamError
from headrace.interface.hookspecs import Finding
from headrace.models import Fault, Mirror
from headrace.policy import evidence
from headrace.policy.destinations import of_mirror
from headrace.policy.reputation import EVERYTHING
from headrace.policy.source_conditions import DOES
from headrace.redact import for_display
from headrace.upstream.responses import UpstreamResponse
from headrace.wording import counted, listed, noun

__all__ = ["FAR"]

#: Of the user's own, and of the catalogue's for one ecosystem, so many are asked.
_MOST_OWN = 24
_MOST_OTHERS = 4

_OWN_HINT = (
    "the fault is its own or that of the way there, unless its address in your settings is wrong: "
    "ask whoever runs it; everything comes from elsewhere meanwhile"
)
_Pauses = Mapping[str, float]


def reachable(context: Context) -> Iterator[Finding]:
    """Ask the mirrors that matter whether they are there."""
    from headrace.upstream import oneshot  # noqa: PLC0415 - start-up time

    own, others = _chosen(context)
    pauses = _pauses(context)
    asked = [m for m in (*own[:_MOST_OWN], *others) if m.id not in pauses]
    env = {**context.env, **context.state.network()}
    answers = oneshot.fetch_each(env, [oneshot.Question(f"{m.url}/", of_mirror(m)) for m in asked])
    said = dict(zip([(m.ecosystem, m.id) for m in asked], answers, strict=True))
    for mirror in own[:_MOST_OWN]:
        yield _of_own(mirror, said.get((mirror.ecosystem, mirror.id)), pauses)
    left = len(own) - _MOST_OWN
    if left > 0:
        text = f"{counted(left, 'more mirror')} of yours {noun(left, 'was', 'were')} not asked"
        yield Finding("mirror", "note", text)
    yield from _of_others(others, said, pauses)


def _chosen(context: Context) -> tuple[list[Mirror], list[Mirror]]:
    """Return the user's own mirrors, and the best of the catalogue that may be asked."""
    from headrace.sources.candidates import mirrors_in_use  # noqa: PLC0415 - start-up time

    today = evidence.day(time.time())
    settings = context.settings
    public = {o.origin.ecosystem for o in context.state.origins() if not o.origin.private}
    own = [mirror for mirror in settings.mirrors if mirror.id not in settings.disabled_mirrors]
    others: list[Mirror] = []
    for ecosystem in sorted(public):
        used = mirrors_in_use(context.plugins, settings, ecosystem, today)
        free = [m for m in used if not m.own and m.limits.probe]
        others += sorted(free, key=lambda mirror: mirror.rank)[:_MOST_OTHERS]
    return own, others


def _pauses(context: Context) -> _Pauses:
    """Return who is not to be asked now, and for how many seconds more: what the gateway knows.

    A source that could not be reached has named no time, so it is asked.
    """
    from headrace.cli.status import gateway_of  # noqa: PLC0415 - as below
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    address, state = gateway_of(context)
    if address is None:
        return {}
    told = health.ask(address, state.expected(), "/status")
    rows: Any = told.get("sources") if isinstance(told, dict) else None
    found: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else ():
        paused = row.get("paused_for", 0)
        if row.get("class") != EVERYTHING and paused > 0:
            found[row["source"]] = max(found.get(row["source"], 0.0), paused)
    return found


def _of_own(
    mirror: Mirror, said: UpstreamResponse | UpstreamError | None, pauses: _Pauses
) -> Finding:
    name = f"{mirror.id} ({for_display(mirror.url)}, yours)"
    if said is None:
        text = (
            f"{name} is left alone for {pauses[mirror.id]:.0f} s more: it failed, or asked for it"
        )
        return Finding("mirror", "warning", text, _OWN_HINT)
    if isinstance(said, UpstreamError):
        text = f"{name} {DOES.get(said.fault, 'fails')}: {said.message}"
        return Finding("mirror", "warning", text, _OWN_HINT)
    if said.status >= 500 or said.status == 429:
        return Finding("mirror", "warning", f"{name} answers {said.status}", _OWN_HINT)
    if said.status == 404:
        hint = "that may be as it should be; if nothing comes from it, look at the path of its url"
        return Finding("mirror", "ok", f"{name} answers, and has nothing at its address", hint)
    return Finding("mirror", "ok", f"{name} answers")


def _of_others(
    others: Sequence[Mirror],
    said: Mapping[tuple[str, str], UpstreamResponse | UpstreamError],
    pauses: _Pauses,
) -> Iterator[Finding]:
    for ecosystem in dict.fromkeys(mirror.ecosystem for mirror in others):
        mine = [mirror for mirror in others if mirror.ecosystem == ecosystem]
        told = [f"{m.id} {_what(m, said, pauses)}" for m in mine if _what(m, said, pauses)]
        number = len(mine)
        if told:
            failed = listed(told)
            text = f"{counted(number, 'mirror')} of the catalogue asked for {ecosystem}: {failed}"
            hint = "theirs to mend; others are used, and the origin"
            yield Finding("mirror", "note", text, hint)
        else:
            text = (
                f"{counted(number, 'mirror')} of the catalogue asked for {ecosystem}, "
                "and each answers"
            )
            yield Finding("mirror", "ok", text)


def _what(
    mirror: Mirror,
    said: Mapping[tuple[str, str], UpstreamResponse | UpstreamError],
    pauses: _Pauses,
) -> str:
    """Say what is wrong with one; "" where it answers."""
    answer = said.get((mirror.ecosystem, mirror.id))
    if answer is None:
        return f"is left alone for {pauses[mirror.id]:.0f} s more"
    if isinstance(answer, UpstreamError):
        return DOES.get(answer.fault, "fails")
    return DOES[Fault.SERVER_ERROR] if answer.status >= 500 else ""


FAR: tuple[Check, ...] = (reachable,)
