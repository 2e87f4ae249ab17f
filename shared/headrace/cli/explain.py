"""``headrace explain WHAT``: which origin names it, and where its bytes would come from."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from headrace.cli.context import FAILED, OK, Context, add_json, add_scope
from headrace.cli.summary import bytes_text
from headrace.cli.upkeep.shown.times import ago
from headrace.errors import LocalError, SettingsError, UsageError
from headrace.interface.hookspecs import Explanation, GatewayAddress

if TYPE_CHECKING:
    from headrace.system.service.identity import Expected

__all__ = ["add", "check_described", "run", "tell_artifacts"]

#: Where a version, an extra or a marker begins (PEP 508).
#: Seconds for what a plugin asks of the gateway; bytes of an answer.
_PATIENCE = 15.0
_LONGEST = 8 << 20
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


class _Finds(NamedTuple):
    explanations: list[Explanation]
    documents: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "explain",
        help="where something would come from, and why",
        description="Show the origin that names something, and the sources of its bytes in the "
        "order in which they would be asked.",
    )
    parser.add_argument(
        "what",
        metavar="WHAT",
        nargs="+",
        help="[ECOSYSTEM:]NAME[SPECIFIER], or a file name; several are asked for at the same time",
    )
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
    if args.described is not None:
        check_described(args.described)
    from headrace.cli.explaining.at_hand import at_hand  # noqa: PLC0415 - start-up time

    # What is known of builds is told without any gateway too.
    with at_hand(context) as (address, expected, runs, who):
        found = [
            _found(each, args, context, address, expected, own=runs, who=who) for each in args.what
        ]
    return _told(args, context, found)


def check_described(text: str) -> None:
    """Refuse a description that makes no sense before anything is asked; UsageError."""
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - start-up time
    from headrace.variants.hosts import Host  # noqa: PLC0415 - as above
    from headrace.variants.target import parse_target  # noqa: PLC0415 - as above

    try:
        # What the description leaves out, the host tells on which it is used.
        parse_target(text, cuda_tables.load(), Host(driver="1"), where="--for")
    except SettingsError as error:
        raise UsageError(error.reference, error.message, hint=error.hint) from error


def _found(
    asked: str,
    args: argparse.Namespace,
    context: Context,
    address: GatewayAddress | None,
    expected: Expected,
    *,
    own: bool = True,
    who: str = "",
) -> _Finds:
    from headrace.cli.explaining import builds as explain_builds  # noqa: PLC0415 - start-up time
    from headrace.cli.explaining import led  # noqa: PLC0415 - as above
    from headrace.cli.setup.shared_port import STRANGER_HINT  # noqa: PLC0415 - as above
    from headrace.system.service import health  # noqa: PLC0415 - as above

    ecosystem, what, version = _parse(asked)
    companions = [(name, _specifier(text)) for _, name, text in map(_parse, args.what)]

    def ask(path: str) -> dict[str, Any]:
        query = f"/explain?what={quote(path)}"
        told = health.ask(address, expected, query, 10.0) if address else None
        return told if isinstance(told, dict) else {}

    tools = context.plugins.explanations(
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
    )
    running = address if own else None
    python = next((str(each.table["python"]) for each in tools if each.table.get("python")), None)
    builds = _builds(
        what,
        version,
        ecosystem,
        context,
        address=running,
        described=args.described,
        python=python,
        companions=[each for each in companions if each[0] != what],
    )
    # A name may be a tool's, and its package's.
    led_ones = list(led.explanations(what, context)) if (ecosystem, version) == (None, None) else []
    # Which build is taken decides which file is.
    explanations = [
        *led_ones,
        *builds,
        *(each for each in tools if not builds or each.tool != "python"),
    ]
    # Asked now, because pages that were not here have been fetched meanwhile.
    told = ask(what)
    if not told and not builds and not led_ones:
        if who:
            raise LocalError(
                "port-taken",
                f"the gateway's port is held by {who}: not your gateway, and it is asked nothing",
                hint=STRANGER_HINT,
            )
        raise LocalError(
            "gateway-silent",
            "no gateway answers, and it alone knows the sources",
            hint="`headrace on` starts it",
        )
    mine = [each for each in told.get("artifacts", []) if ecosystem in (None, each["ecosystem"])]
    artifacts = [each for each in mine if what in (each["name"], each["path"])]
    for path in (path for each in explanations for path in each.paths):
        known = [each["path"] for each in artifacts]
        artifacts += [each for each in ask(path).get("artifacts", []) if each["path"] not in known]
    documents = [
        each
        for each in told.get("documents", [])
        if ecosystem in (None, each["ecosystem"]) and each["kept"]
    ]
    return _Finds(explanations, documents, artifacts)


def _told(args: argparse.Namespace, context: Context, found: list[_Finds]) -> int:
    """Print what was found; return the exit code."""
    tables = [
        {
            "what": what,
            "documents": documents,
            "artifacts": artifacts,
            "tools": {each.tool: each.table for each in explanations},
        }
        for what, (explanations, documents, artifacts) in zip(args.what, found, strict=True)
    ]
    if context.as_json:
        context.print_json(tables[0] if len(tables) == 1 else {"answers": tables})
    else:
        for each in found:
            _print(context, each)
    return OK if all(map(_answers, found)) else FAILED


def _print(context: Context, found: _Finds) -> None:
    for each in found.explanations:
        for number, line in enumerate(each.lines):
            start = each.tool if number == 0 else ""
            context.say(f"{start:<8} {line}", indent=" " * 9)
    _tell(context, found.documents, found.artifacts, quiet=bool(found.explanations))


def _answers(found: _Finds) -> bool:
    answers = any(each.answers for each in found.explanations)
    return bool(found.artifacts or answers or (found.documents and not found.explanations))


def _builds(
    what: str,
    version: str | None,
    ecosystem: str | None,
    context: Context,
    *,
    address: GatewayAddress | None,
    described: str | None,
    python: str | None,
    companions: list[tuple[str, str]],
) -> list[Explanation]:
    """Say which build of a package for accelerators this host can run, where it has such builds."""
    from headrace.cli.explaining import builds as explain_builds  # noqa: PLC0415 - start-up time

    if what.startswith("/") or ecosystem not in (None, "python"):
        return []
    told = explain_builds.explain(
        what,
        _specifier(version),
        context,
        address,
        described,
        python=python,
        companions=companions,
    )
    return [told] if told else []


def _specifier(version: str | None) -> str:
    """Return what `_parse` gave as a specifier."""
    return f"=={version}" if version and version[0] not in "=<>!~" else version or ""


def _parse(text: str) -> tuple[str | None, str, str | None]:
    """Split ``python:requests==2.32`` into ecosystem, name and version."""
    ecosystem: str | None = None
    if re.match(r"^[a-z]+:(?!//)", text):
        ecosystem, _, text = text.partition(":")
    if text.startswith("/") or "/" in text or ":" in text or "@" in text:
        return ecosystem, text, None
    name = _NAME.match(text.strip())
    if name is None:
        return ecosystem, text.strip(), None
    rest = text.strip()[name.end() :].strip()
    if ecosystem in (None, "python"):
        # Without extras and markers (PEP 508): neither decides which file it is.
        rest = re.sub(r"^\[[^\]]*\]", "", rest).partition(";")[0].strip()
    exact = re.fullmatch(r"==(?!=)\s*([^,*]+)", rest)
    return ecosystem, name[0], (exact[1].strip() if exact else rest) or None


def _tell(
    context: Context,
    documents: list[dict[str, Any]],
    artifacts: list[dict[str, Any]],
    *,
    quiet: bool,
) -> None:
    for each in documents:
        kind = "your own index: no mirror is asked for it" if each["private"] else "public"
        context.say(f"named by {each['origin']} ({each['ecosystem']}, {kind})")
        if each["kept"]:
            lifetime = f" of {each['lifetime']:.0f}" if each.get("lifetime") else ""
            context.say(f"         page kept, {each['age']:.0f} s{lifetime} old")
        else:
            context.say("         page not here yet; the origin is asked for it")
    tell_artifacts(context, artifacts)
    if not documents and not artifacts and not quiet:
        context.say("Nothing is known by that name.")


def tell_artifacts(context: Context, artifacts: list[dict[str, Any]]) -> None:
    """Say of each the sources that would be asked, in their order, and how fast they were."""
    for each in artifacts:
        size = f", {bytes_text(each['size'])}" if each["size"] else ""
        stored = ", in the store" if each["stored"] else ""
        weaker = f", provisional: named by {each['provisional']}" if each["provisional"] else ""
        context.say(f"file     {each['name']}{size}{stored}{weaker}")
        context.say(f"         {each['digest'] or 'no digest: the origin alone may supply it'}")
        for number, source in enumerate(each["sources"], 1):
            rate = f"{bytes_text(source['rate'])}/s" if source["rate"] else "not measured"
            rtt = f", {source['rtt'] * 1000:.0f} ms" if source["rtt"] else ""
            # A gateway of the version before does not say.
            old = ", what is known of it is old" if source.get("evidence_old") else ""
            age = source.get("measured")
            seen = f", measured {ago(age)} ago" if age is not None and source["rate"] else ""
            why = f": {source['reason']}" if source.get("reason") else ""
            shown = f"{number}. {source['id']} ({rate}{rtt}{seen}{old}){why}"
            context.say(f"         {shown}")
