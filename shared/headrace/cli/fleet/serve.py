"""``headrace serve``: a gateway that other machines reach, one process of a fleet."""

from __future__ import annotations

import argparse
import logging
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.cli import gateway
from headrace.cli.context import FAILED, OK, Context, Strictness, add_json, add_scope
from headrace.errors import LocalError, SettingsError, UsageError
from headrace.serve_settings import ServeSettings, host_and_port

__all__ = ["add", "run"]

_log = logging.getLogger("headrace.serve")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "serve",
        help="serve the gateway to other machines: a lab, a CI, a cluster",
        description="Serve the gateway to other machines, in the foreground. It wants TLS "
        "(--certificate) or a proxy in front that ends it (--behind-proxy), and to be told who may "
        "ask: `tokens`, `networks` or `anonymous` below [serve] in config.toml.",
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="where (default: 0.0.0.0:8443)")
    parser.add_argument("--certificate", metavar="PEM", help="its certificate, with its chain")
    parser.add_argument("--key", metavar="PEM", help="the certificate's key, if not in that file")
    parser.add_argument(
        "--behind-proxy", action="store_true", help="a proxy in front ends TLS and says who asks"
    )
    parser.add_argument("--tokens", metavar="TOML", help="who may ask; read when it changes")
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ECOSYSTEM=URL",
        help="an origin; without any, those that this account's tools use",
    )
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Serve until told to stop."""
    context.strictness = Strictness.SHAPES
    settings = _settings(args, context.settings.serve or ServeSettings())
    name = settings.name or platform.node() or "headrace"
    _check_installation()
    from headrace.gateway import server  # noqa: PLC0415 - start-up time
    from headrace.gateway.app import build_app  # noqa: PLC0415 - as above
    from headrace.gateway.serving.access_log import AccessLog, JSONLines  # noqa: PLC0415 - as above
    from headrace.gateway.serving.certificates import ServerContext  # noqa: PLC0415 - as above
    from headrace.gateway.serving.known_clients import KnownClients  # noqa: PLC0415 - as above
    from headrace.gateway.serving.leaving import Leaving  # noqa: PLC0415 - as above
    from headrace.gateway.serving.metrics import ServeMetrics  # noqa: PLC0415 - as above
    from headrace.gateway.serving.sharing import Sharing  # noqa: PLC0415 - as above
    from headrace.gateway.serving.visits import Serving  # noqa: PLC0415 - as above
    from headrace.gateway.wiring import assemble  # noqa: PLC0415 - as above
    from headrace.system.service import listeners  # noqa: PLC0415 - as above

    _log_in_lines(JSONLines(name))
    gateway.check_folders(context)
    origins = gateway.origins_of(args, context)
    state = gateway.state_of(args, context)
    tls = None if settings.behind_proxy else ServerContext.of(settings)
    sharing = Sharing.of(settings)
    known = KnownClients(settings, replica_token=sharing.token)
    log = AccessLog(settings.access_log)
    leaving = Leaving(settings.drain_delay)
    where = host_and_port(settings.listen)
    assert where is not None  # `_settings` has seen to it
    sockets = [listeners.bind_anywhere(*where)]
    host, port = listeners.address_of(sockets[0])
    env = {**state.network(), **context.env}

    def build() -> Any:
        parts = assemble(
            context.settings,
            context.folders,
            origins,
            env,
            context.plugins,
            sharing=sharing,
        )
        metrics = ServeMetrics(
            parts.activity,
            lambda: {
                "uptime_seconds": time.time() - parts.activity.began,
                "read_ahead_waiting": float(parts.read_ahead.waiting),
            },
        )
        serving = Serving(settings, known, log, metrics, leaving, name=name)
        serving.tell_of(parts.uploads, sharing.state, parts.leases)
        return build_app(parts, None, None, state=state.folder, serving=serving)

    def ready() -> None:
        scheme = "http" if tls is None else "https"
        shown = f"[{host}]" if ":" in host else host
        ecosystems = ", ".join(sorted({found.origin.ecosystem for found in origins})) or "nothing"
        _log.info("%s serves %s at %s://%s:%d", name, ecosystems, scheme, shown, port)
        if context.as_json:
            context.print_json({"name": name, "url": f"{scheme}://{shown}:{port}"})
        sys.stdout.flush()

    end = server.serve(
        build,
        sockets,
        grace=settings.drain,
        watcher=gateway.watcher(context.env, ready),
        tls=tls,
        leaving=leaving,
    )
    return FAILED if end is server.ExitReason.FAILED else OK


def _check_installation() -> None:
    try:
        import prometheus_client  # noqa: F401, PLC0415 - start-up time
    except ImportError as error:
        raise LocalError(
            "incomplete",
            f"this installation has not what a fleet needs: {error}",
            hint="install it with what a fleet needs: headrace[fleet]",
        ) from error


def _log_in_lines(formatter: logging.Formatter) -> None:
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)
    _log.setLevel(logging.INFO)


def _settings(args: argparse.Namespace, settings: ServeSettings) -> ServeSettings:
    """Return the settings with what the command line says before them; refuse what is open to all
    by mistake.
    """
    told = {
        name: getattr(args, name)
        for name in ("listen", "certificate", "key", "tokens")
        if getattr(args, name) is not None
    }
    settings = replace(settings, **told)
    if args.behind_proxy:
        settings = replace(settings, behind_proxy=True)
    if host_and_port(settings.listen) is None:
        raise UsageError(
            "bad-listen",
            f"--listen: {settings.listen} is no address with a port",
            hint="as 0.0.0.0:8443, or [::]:8443",
        )
    if settings.behind_proxy and settings.certificate:
        raise SettingsError(
            "two-ends-of-tls",
            "it has a certificate, and a proxy in front ends TLS: only one of them can be",
            hint="leave out `certificate` or `behind_proxy`",
        )
    if not settings.behind_proxy and not settings.certificate:
        raise SettingsError(
            "no-tls",
            "headrace serve wants TLS: tokens would be sent as they are",
            hint="give --certificate and --key, or --behind-proxy where a proxy ends TLS in front",
        )
    known = settings.tokens or settings.networks or settings.anonymous
    if not known and not settings.client_authorities:
        raise SettingsError(
            "nobody-known",
            "nobody may ask: neither tokens nor networks nor client authorities are set",
            hint="`headrace fleet token NAME --file TOKENS` makes a token, and `serve.tokens` names"
            " that file; `serve.networks` lets networks in, `serve.anonymous` everybody",
        )
    return settings
