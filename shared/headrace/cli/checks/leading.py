"""The doctor's check of the chain by which ``headrace run`` leads: proxy, authority, one page."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.config import EnvVars
from headrace.errors import HeadraceError, UpstreamError
from headrace.interface.hookspecs import DiscoveredOrigin, Finding
from headrace.interface.leading import has_login

if TYPE_CHECKING:
    from headrace.cli.runs.leading import Lead
    from headrace.system.state import State

__all__ = ["FAR", "gone"]

#: Seconds for what comes through the gateway, which has said something by then, and past it.
_LIMIT = 10.0
_PAST = 8.0
_NAME = "leading"
_OURS = "this is headrace's own fault; by `headrace run` the tool then asks its origin itself"
_NETWORKS = "the network's fault, or that of your own proxy (HTTPS_PROXY, NO_PROXY)"


def chain(context: Context) -> Iterator[Finding]:
    """Go the way that a led command goes, to the first public origin; say whose a failure is."""
    from headrace.cli.runs import leading, logins, started  # noqa: PLC0415 - start-up time
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
            own = logins.known(context)
            lead = leading.begin(found, public, context.env, logins=own)
            clearing_up.callback(lead.file.unlink, missing_ok=True)
            told = leading.variables(lead, context.env, scratch)
        except HeadraceError as error:
            hint = "tools that are led by their own settings are not concerned"
            text = f"no command can be led: {error.message}"
            yield Finding(_NAME, "note", text, error.hint or hint)
            return
        env, bundle = {**context.env, **state.network()}, Path(str(told[EnvVars.SSL_CERT_FILE]))
        there = [each for each in public if _place_of(each.origin.url) in lead.hosts]
        # Of the others some are of tools that need not be led.
        hosts = {urlsplit(each.origin.url).hostname or "" for each in public if each not in there}
        for host in sorted(hosts):
            if has_login(host, own):
                yield Finding(_NAME, "note", f"{host} is tunnelled: you have a login there")
        for each in there[:1]:
            yield gone(lead, each, bundle, env)


def gone(lead: Lead, origin: DiscoveredOrigin, bundle: Path, env: Mapping[str, str]) -> Finding:
    """Go there once. `bundle` is what the command would trust, `env` what the gateway goes by."""
    url = urlsplit(origin.origin.url)
    host, proxy = url.hostname or "", urlsplit(lead.proxy)
    pair = f"{proxy.username}:{unquote(proxy.password or '')}".encode()
    shown = {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    trust = ssl.create_default_context(cafile=bundle)
    way = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port, timeout=_LIMIT, context=trust
    )
    way.set_tunnel(host, url.port or 443, shown)
    with contextlib.closing(way):
        try:
            way.connect()
        except ssl.SSLError as error:
            text = f"the authority of a command is not trusted: {error}"
            return Finding(_NAME, "failure", text, _OURS)
        except OSError as error:
            return Finding(_NAME, "failure", f"the gateway is no proxy to {host}: {error}", _OURS)
        # Side by side: where no network is, neither answers, and the user has waited once.
        past = _asked_past(origin, env)
        try:
            way.request("GET", f"{url.path}/", headers={"User-Agent": "headrace-doctor"})
            status = way.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return _without_us(host, past, error)
    if status >= 500:
        return Finding(_NAME, "warning", f"{host} answers {status}", "its own fault")
    return Finding(_NAME, "ok", f"a command is led to {host}: proxy, authority, page")


def _asked_past(origin: DiscoveredOrigin, env: Mapping[str, str]) -> Future[object]:
    """Ask an origin past the proxy, in a thread that nobody has to wait for."""
    from headrace.upstream import oneshot  # noqa: PLC0415 - start-up time

    said: Future[object] = Future()

    def ask() -> None:
        try:
            url = f"{origin.origin.url}/"
            said.set_result(oneshot.fetch_once(env, origin, url, within=_PAST))
        except Exception as error:  # noqa: BLE001 - whoever wants the answer has it then
            said.set_exception(error)

    threading.Thread(target=ask, name="past", daemon=True).start()
    return said


def _without_us(host: str, past: Future[object], error: Exception) -> Finding:
    """Tell whose fault it is that no page came, by what its origin said past the proxy."""
    try:
        past.result()
    except UpstreamError as direct:
        text = f"{host} is reached neither through headrace nor without: {direct.message}"
        return Finding(_NAME, "failure", text, direct.hint or _NETWORKS)
    text = f"{host} answers, and through the proxy it does not: {error}"
    return Finding(_NAME, "failure", text, _OURS)


def _place_of(url: str) -> str:
    """Write where a URL of https leads as `Lead.hosts` does: host:port."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}"


def _origins(state: State) -> list[DiscoveredOrigin]:
    try:
        return list(state.origins())
    except HeadraceError:
        return []


def _is_led(url: str, *, private: bool) -> bool:
    return not private and url.startswith("https://")


FAR: tuple[Check, ...] = (chain,)
