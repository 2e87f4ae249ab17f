"""The doctor's check of the chain by which ``headrace run`` leads: proxy, authority, one page."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import DiscoveredOrigin, Finding

if TYPE_CHECKING:
    from headrace.cli.runs.leading import Lead
    from headrace.system.state import State

__all__ = ["CHECKS"]

_LIMIT = 15.0
_NAME = "leading"


def chain(context: Context) -> Iterator[Finding]:
    """Go the way that a led command goes, to the first public origin; say whose a failure is."""
    from headrace.cli.runs import logins, started  # noqa: PLC0415 - start-up time
    from headrace.cli.runs.leading import begin  # noqa: PLC0415 - as above
    from headrace.cli.status import gateway_of  # noqa: PLC0415 - as above
    from headrace.system.service import health  # noqa: PLC0415 - as above

    address, state = gateway_of(context)
    public = [o for o in _origins(state) if _is_led(o.origin.url, private=o.origin.private)]
    if address is None or not public or not health.look(address, state.expected()).up:
        return
    with contextlib.ExitStack() as clearing_up:
        try:
            scratch, _ = started.scratch_folder(clearing_up)
            found = started.GatewayOfRun(address, state.expected(), scratch)
            lead = begin(found, public, context.env, logins=logins.known(context))
            clearing_up.callback(lead.file.unlink, missing_ok=True)
        except HeadraceError as error:
            hint = "tools that are led by their own settings are not concerned"
            yield Finding(_NAME, "note", f"no command can be led: {error.message}", hint)
            return
        url = public[0].origin.url
        host = urlsplit(url).hostname or ""
        if not any(each.rpartition(":")[0].strip("[]") == host for each in lead.hosts):
            yield Finding(_NAME, "note", f"{host} is tunnelled: you have a login there")
            return
        yield _gone(lead, url)


def _gone(lead: Lead, url: str) -> Finding:
    parts, proxy = urlsplit(url), urlsplit(lead.proxy)
    pair = f"{proxy.username}:{unquote(proxy.password or '')}".encode()
    shown = {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    trust = ssl.create_default_context(cadata=lead.certificate)
    way = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port, timeout=_LIMIT, context=trust
    )
    try:
        way.set_tunnel(parts.hostname or "", parts.port or 443, shown)
        way.request("GET", f"{parts.path}/", headers={"User-Agent": "headrace-doctor"})
        status = way.getresponse().status
    except ssl.SSLError as error:
        hint = "this is headrace's own fault; `headrace run` leads nobody meanwhile"
        return Finding(
            _NAME, "failure", f"the authority of a command is not trusted: {error}", hint
        )
    except (OSError, http.client.HTTPException) as error:
        text = f"{parts.hostname} is not reached through the proxy: {error}"
        hint = "the network's fault, or that of your own proxy (HTTPS_PROXY, NO_PROXY)"
        return Finding(_NAME, "failure", text, hint)
    finally:
        way.close()
    if status >= 500:
        return Finding(_NAME, "warning", f"{parts.hostname} answers {status}", "its own fault")
    return Finding(_NAME, "ok", f"a command is led to {parts.hostname}: proxy, authority, page")


def _origins(state: State) -> list[DiscoveredOrigin]:
    try:
        return list(state.origins())
    except HeadraceError:
        return []


def _is_led(url: str, *, private: bool) -> bool:
    return not private and url.startswith("https://")


CHECKS: tuple[Check, ...] = (chain,)
