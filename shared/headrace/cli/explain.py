"""``headrace explain WHAT``: which origin names it, and where its bytes would come from."""

from __future__ import annotations

import argparse
import re
from typing import Any
from urllib.parse import quote

from headrace.cli.context import FAILED, OK, Context, add_json, add_scope
from headrace.cli.summary import bytes_text
from headrace.errors import LocalError
from headrace.interface.hookspecs import Explanation, GatewayAddress

__all__ = ["add", "run"]

#: Where a version, an extra or a marker begins (PEP 508).
#: Seconds for what a plugin asks of the gateway; bytes of an answer.
_PATIENCE = 15.0
_LONGEST = 8 << 20
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "explain",
        help="where something would come from, and why",
        description="Show the origin that names something, and the sources of its bytes in the "
        "order in which they would be asked.",
    )
    parser.add_argument("what", metavar="WHAT", help="[ECOSYSTEM:]NAME[==VERSION], or a file name")
    parser.add_argument(
        "--for",
        dest="described",
        metavar="FACTS",
        help="for another host: driver=550,gpu=V100,python=3.12",
    )
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask the gateway, which knows its statistics."""
    from headrace.cli.explaining import builds as explain_builds  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.shared_port import STRANGER_HINT  # noqa: PLC0415 - as above
    from headrace.cli.status import gateway_of  # noqa: PLC0415 - as above
    from headrace.system.service import health  # noqa: PLC0415 - as above

    address, state = gateway_of(context)
    expected = state.expected()
    ecosystem, what, version = _parse(args.what)
    query = f"what={quote(what)}&version={quote(version or '')}"
    builds = _builds(what, version, ecosystem, context, address=address, described=args.described)
    told = address and health.ask(address, expected, f"/explain?{query}", 10.0)
    if not isinstance(told, dict) and builds:
        told = {}
    if not isinstance(told, dict):
        if address and (who := health.look(address, expected).who):
            raise LocalError(
                "port-taken",
                f"port {address.port} is held by {who}: not your gateway, and it is asked nothing",
                hint=STRANGER_HINT,
            )
        raise LocalError(
            "gateway-silent",
            "the gateway does not answer, and it alone knows the sources",
            hint="`headrace on` starts it",
        )
    documents = [d for d in told.get("documents", []) if ecosystem in (None, d["ecosystem"])]
    artifacts = [a for a in told.get("artifacts", []) if ecosystem in (None, a["ecosystem"])]
    explanations = [
        *builds,
        *context.plugins.explanations(
            what,
            version,
            ecosystem,
            place=context.place(),
            find_host=lambda: explain_builds.host_for(context, args.described),
            ask=lambda path, accept: (
                health.content(address, expected, path, _PATIENCE, accept=accept, limit=_LONGEST)
                if address
                else None
            ),
        ),
    ]
    for path in (path for each in explanations for path in each.paths):
        more = address and health.ask(address, expected, f"/explain?what={quote(path)}", 10.0)
        artifacts += more.get("artifacts", []) if isinstance(more, dict) else []
    if context.as_json:
        context.print_json(
            {
                "what": args.what,
                "documents": documents,
                "artifacts": artifacts,
                "tools": {each.tool: each.table for each in explanations},
            }
        )
    else:
        for each in explanations:
            for number, line in enumerate(each.lines):
                start = each.tool if number == 0 else ""
                context.console.print(f"{start:<8} {line}", markup=False)
        _tell(context, documents, artifacts, quiet=bool(explanations))
    return OK if documents or artifacts or explanations else FAILED


def _builds(
    what: str,
    version: str | None,
    ecosystem: str | None,
    context: Context,
    *,
    address: GatewayAddress | None,
    described: str | None,
) -> list[Explanation]:
    """Say which build of a package for accelerators this host can run, where it has such builds."""
    from headrace.cli.explaining import builds as explain_builds  # noqa: PLC0415 - start-up time

    if what.startswith("/") or ecosystem not in (None, "python"):
        return []
    specifier = f"=={version}" if version else ""
    told = explain_builds.explain(what, specifier, context, address, described)
    return [told] if told else []


def _parse(text: str) -> tuple[str | None, str, str | None]:
    """Split ``python:requests==2.32`` into ecosystem, name and version."""
    ecosystem: str | None = None
    if re.match(r"^[a-z]+:(?!//)", text):
        ecosystem, _, text = text.partition(":")
    if text.startswith("/") or "/" in text or ":" in text or "@" in text:
        return ecosystem, text, None
    name, _, version = text.partition("==")
    match = _NAME.match(name.strip())
    return ecosystem, match[0] if match else name.strip(), version.strip() or None


def _tell(
    context: Context,
    documents: list[dict[str, Any]],
    artifacts: list[dict[str, Any]],
    *,
    quiet: bool,
) -> None:
    out = context.console
    for each in documents:
        kind = "your own index: no mirror is asked for it" if each["private"] else "public"
        out.print(f"named by {each['origin']} ({each['ecosystem']}, {kind})", markup=False)
        if each["kept"]:
            lifetime = f" of {each['lifetime']:.0f}" if each.get("lifetime") else ""
            out.print(f"         page kept, {each['age']:.0f} s{lifetime} old", markup=False)
        else:
            out.print("         page not here yet; the origin is asked for it")
    for each in artifacts:
        size = f", {bytes_text(each['size'])}" if each["size"] else ""
        stored = ", in the store" if each["stored"] else ""
        weaker = f", provisional: named by {each['provisional']}" if each["provisional"] else ""
        out.print(f"file     {each['name']}{size}{stored}{weaker}", markup=False)
        out.print(f"         {each['digest'] or 'no digest: the origin alone may supply it'}")
        for number, source in enumerate(each["sources"], 1):
            rate = f"{bytes_text(source['rate'])}/s" if source["rate"] else "not measured"
            rtt = f", {source['rtt'] * 1000:.0f} ms" if source["rtt"] else ""
            # A gateway of the version before does not say.
            old = ", what is known of it is old" if source.get("evidence_old") else ""
            out.print(f"         {number}. {source['id']} ({rate}{rtt}{old})", markup=False)
    if not documents and not artifacts and not quiet:
        out.print("Nothing is known by that name.")
    elif not artifacts and any(each["kept"] for each in documents):
        out.print("         no such file on that page")
