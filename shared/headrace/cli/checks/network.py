"""The doctor's checks of the gateway, and of the way from here to the origins."""

from __future__ import annotations

import email.utils
import os
import time
from collections.abc import Iterator

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.config import NETWORK_VARIABLES, EnvVars
from headrace.errors import UpstreamError
from headrace.foreign import UnreadableError, foreign
from headrace.interface.hookspecs import CATALOGUE, Finding, Scope
from headrace.redact import for_display
from headrace.wording import counted

__all__ = ["CHECKS", "FAR"]

#: Seconds of difference from which certificates and signatures begin to fail.
_CLOCK = 300.0
#: Seconds for an origin: a failure is said of it afterwards, so it has more than a mirror.
_PATIENCE = 8.0


def gateway(context: Context) -> Iterator[Finding]:
    """Ask the gateway whether it lives, and whether it is ours."""
    from headrace.cli.mending.set_up_again import gateway_again  # noqa: PLC0415 - as below
    from headrace.cli.setup.led import other_version  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.shared_port import ACCEPTED, STRANGER_HINT  # noqa: PLC0415 - as below
    from headrace.cli.status import gateway_of  # noqa: PLC0415 - as below
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    address, state = gateway_of(context)
    if address is None:
        yield Finding("gateway", "note", "off", "`headrace on` starts it")
        return
    where = f"http://{address.host}:{address.port}/"
    there = health.look(address, state.expected())
    if there.who:
        text = f"port {address.port} is held by {there.who}: not your gateway"
        yield Finding("gateway", "failure", text, STRANGER_HINT)
    elif not there.up:
        fix = None
        if there.listening:
            text = f"something that is not headrace answers at {where}"
            hint = "end that program, or set another port in config.toml; then `headrace on`"
        else:
            way = "sudo headrace" if state.scope is Scope.SYSTEM else "headrace"
            text, hint = f"nobody answers at {where}", f"`{way} on` starts it again"
            fix = gateway_again(context) if state is context.state else None
        yield Finding("gateway", "failure", text, hint, fix)
    elif there.redirecting:
        hint = "its log in the state folder says why; installs go to the origin meanwhile"
        yield Finding("gateway", "failure", f"at {where} it cannot start", hint)
    else:
        yield Finding("gateway", "ok", f"up at {where}")
        if other := other_version(there.version, state.scope):
            text, _, hint = other.partition(": ")
            yield Finding("gateway", "note", text, hint)
    if state.shared_port_accepted():
        yield Finding("gateway", "note", ACCEPTED)


def surroundings(context: Context) -> Iterator[Finding]:
    """Compare the CA and proxy settings that were recorded with those of now."""
    recorded = context.state.network()
    if context.state.gateway() is not None:
        now = {name: context.env[name] for name in NETWORK_VARIABLES if context.env.get(name)}
        for name in sorted(recorded.keys() | now.keys()):
            # PIP_CERT may have come from a tool's own file; then nothing of now contradicts it.
            if recorded.get(name) != now.get(name) and (name in now or name != EnvVars.PIP_CERT):
                text = f"{name} is not what it was when `headrace on` ran"
                hint = "`headrace on` records it anew, where the change is to last"
                yield Finding("surroundings", "warning", text, hint)
    for name in (
        EnvVars.SSL_CERT_FILE,
        EnvVars.REQUESTS_CA_BUNDLE,
        EnvVars.CURL_CA_BUNDLE,
        EnvVars.PIP_CERT,
    ):
        path = {**context.env, **recorded}.get(name)
        if path and not os.access(path, os.R_OK):
            text = f"{name} names {path}, which this user cannot read"
            yield Finding("surroundings", "failure", text, f"mend or unset {name}")


def origins(context: Context) -> Iterator[Finding]:
    """Ask the origins for something small, side by side, with the recorded settings."""
    from headrace.upstream import oneshot  # noqa: PLC0415 - start-up time

    env = {**context.env, **context.state.network()}
    found = context.state.origins()
    asked = [oneshot.question_of(each) for each in found]
    answers = oneshot.fetch_each(env, asked, within=_PATIENCE)
    for each, answer in zip(found, answers, strict=True):
        shown = for_display(each.origin.url)
        if isinstance(answer, UpstreamError):
            hint = answer.hint or "check the network, the proxy and the certificate settings"
            # One that no tool names, but that every user could, may well be out of reach.
            level = "note" if each.where == CATALOGUE else "failure"
            yield Finding("origin", level, f"{shown}: {answer.message}", hint)
            continue
        if answer.status >= 500:
            text = f"{shown} answers {answer.status}"
            yield Finding("origin", "warning", text, "its fault; kept pages are served meanwhile")
        else:
            yield Finding("origin", "ok", f"{shown} answers")
        yield from _clock(answer.headers.get("date"), shown)


def _clock(date: str | None, shown: str) -> Iterator[Finding]:
    """Compare this machine's clock with the Date of an answer (RFC 9110 section 6.6.1)."""
    try:
        with foreign("a date"):
            theirs = email.utils.parsedate_to_datetime((date or "")[:100]).timestamp()
    except UnreadableError:
        return
    ahead = time.time() - theirs
    if abs(ahead) > _CLOCK:
        direction = "ahead of" if ahead > 0 else "behind"
        text = f"this machine is {counted(round(abs(ahead) / 60), 'minute')} {direction} {shown}"
        yield Finding(
            "clock",
            "warning",
            text,
            "set the clock (`sudo timedatectl set-ntp true`); certificates depend on it",
        )


CHECKS: tuple[Check, ...] = (gateway, surroundings)
FAR: tuple[Check, ...] = (origins,)
