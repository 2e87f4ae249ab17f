"""``headrace open``: the live page, in a browser.

The address that a browser is given opens the page once, and is worth nothing afterwards
(`gateway.live.keys`): it may stay in a history, and whoever reads it in a list of processes is
another user, whom the gateway does not let in.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from headrace.cli.context import OK, Context, Strictness, add_json, add_scope
from headrace.cli.setup.shared_port import STRANGER_HINT
from headrace.cli.status import gateway_of
from headrace.errors import ConflictError, LocalError
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.service.own_pages import LIVE, LIVE_CODES, OPENS

__all__ = ["add", "run"]

#: What says that this is another machine's terminal, and that there is a screen here.
_REMOTE = ("SSH_CONNECTION", "SSH_TTY")
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "open",
        help="the live page of what the gateway does, in a browser",
        description="Open the gateway's live page in a browser: what is coming and from where, how "
        "the sources stand, what was taken over and refused, what the store takes. The address "
        "opens it once, within five minutes.",
    )
    parser.add_argument("--url", action="store_true", help="print the address, and open nothing")
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask the gateway for the way in, and open it."""
    context.strictness = Strictness.NONE
    address, state = gateway_of(context)
    if address is None:
        raise LocalError(
            "no-gateway",
            "there is no gateway whose page could be opened",
            hint="`headrace on` starts one; `headrace run` tells at its end what came from where",
        )
    url = _url(address, _code(address, state))
    remote = _remote(context.env)
    opened = not (args.url or remote or context.as_json) and _open(url)
    if context.as_json:
        table = {"url": url, "opened": opened, "tunnel": _tunnel(address) if remote else None}
        context.print_json(table)
        return OK
    if args.url:
        context.write(url)
        return OK
    if opened:
        context.say("the live page is open in your browser")
        return OK
    if remote:
        context.say("this terminal is on another machine than your browser; there, run")
        context.write(f"    {_tunnel(address)}")
        context.say("and, while it runs, open this within five minutes:")
    else:
        context.say("no browser could be started here; open this within five minutes:")
    context.write(f"    {url}")
    return OK


def _code(address: GatewayAddress, state: Any) -> str | None:
    """Return what opens the page once; None: it opens for everybody here, as far as it does."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    there, told = health.look_and_post(address, state.expected(), LIVE_CODES, OPENS)
    where = f"port {address.port}"
    if there.who:
        raise ConflictError(
            "port-taken", f"{where} is held by {there.who}: not your gateway", hint=STRANGER_HINT
        )
    if not there.up or there.redirecting:
        what = "sends everybody to the origin, it cannot start" if there.redirecting else "is down"
        raise LocalError(
            "gateway-down",
            f"the gateway at {where} {what}",
            hint="`headrace doctor` says why; `headrace on` starts it again",
        )
    if not isinstance(told, Mapping) or "code" not in told:
        raise LocalError(
            "no-page",
            f"the gateway at {where} has no live page: it is of another version, or another user's",
            hint="`headrace on` starts the one that is installed",
        )
    code = told["code"]
    return str(code) if code else None


def _url(address: GatewayAddress, code: str | None) -> str:
    # The token is no part of it: it is lasting.
    page = GatewayAddress(address.host, address.port).url(LIVE)
    return f"{page}#code={code}" if code else page


def _remote(env: Mapping[str, str]) -> bool:
    return any(env.get(each) for each in _REMOTE) and not any(env.get(each) for each in _SCREENS)


def _tunnel(address: GatewayAddress) -> str:
    """Return the command that brings the page's port to the machine with the browser. The port is
    the same there: a page that names another host or port is answered to nobody.
    """
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"ssh -N -L {address.port}:{host}:{address.port} {_here()}"


def _here() -> str:
    import getpass  # noqa: PLC0415 - start-up time
    import socket  # noqa: PLC0415 - as above

    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        return socket.gethostname()
    return f"{user}@{socket.gethostname()}"


def _open(url: str) -> bool:
    import webbrowser  # noqa: PLC0415 - start-up time

    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
