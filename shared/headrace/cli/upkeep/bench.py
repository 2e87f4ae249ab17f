"""``headrace bench``: what your lines give now, source by source, alone and all together."""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from headrace.cli.context import FAILED, OK, Context, Strictness, add_json, add_scope
from headrace.cli.known_words import Words
from headrace.cli.language.spoken import translated
from headrace.cli.upkeep import asking
from headrace.cli.upkeep.shown import picture
from headrace.cli.upkeep.shown.folding import cut
from headrace.cli.upkeep.shown.picture import TOGETHER, Bar, Chart
from headrace.cli.upkeep.shown.speaking import terminal_width
from headrace.errors import HeadraceError, LocalError, UsageError
from headrace.models import Fault
from headrace.policy.source_conditions import DOES
from headrace.system import atomic
from headrace.wording import listed, meant, shown

__all__ = ["add", "run"]

#: Mirrors that are asked unless all are wanted: the user's own and the best of the others. Each
#: takes some seconds, and somebody waits.
_MOST = 10
#: Of those that deliver, so many are read from at the same time.
_TOGETHER = 6
_ORIGIN = "origin"
#: Bytes below which a rate is mostly slow start.
_TELLING = 4_000_000


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "bench",
        help="what your lines give now: each source, the origin, all together",
        description="Read a part of a real file from each usable source, one after the other, some "
        "seconds or megabytes each, then from the best at the same time. Who forbids that or "
        "wants to be left alone is not asked. What is measured counts for the next download.",
    )
    parser.add_argument(
        "what",
        metavar="WHAT",
        nargs="?",
        help="[ECOSYSTEM:]FILE or project to measure with (default: one that every mirror has)",
    )
    parser.add_argument("--ecosystem", metavar="NAME", help="of one ecosystem alone")
    parser.add_argument("--all", action="store_true", help=f"more mirrors than the best {_MOST}")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the picture there")
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Measure, and show."""
    context.strictness = Strictness.NONE
    known = Words(context.plugins).ecosystems
    named, what = _split(args.what or "")
    wanted = args.ecosystem or named
    if wanted is not None and wanted not in known:
        raise UsageError(
            "no-ecosystem",
            f"there is no ecosystem {shown(wanted)}{meant(wanted, known)}",
            hint=f"there are {listed(known)}",
        )
    if args.svg is not None:
        _check_place(args.svg)
    charts: list[Chart] = []
    tables: list[dict[str, Any]] = []
    missed: list[tuple[str, HeadraceError]] = []
    with ExitStack() as clearing_up:
        ask = asking.gateway_asked(context, clearing_up)
        for ecosystem in [wanted] if wanted else known:
            try:
                table = _measured(ask, ecosystem, what, context, everything=args.all)
            except HeadraceError as error:
                missed.append((ecosystem, error))
                continue
            tables.append(table)
            charts.append(_chart(table))
            if not context.as_json:
                _show(context, charts[-1])
    if args.svg is not None and charts:
        _write(args.svg, charts)
    return _end(context, args, charts, tables, missed)


def _end(
    context: Context,
    args: argparse.Namespace,
    charts: Sequence[Chart],
    tables: Sequence[Mapping[str, Any]],
    missed: Sequence[tuple[str, HeadraceError]],
) -> int:
    if not charts:
        raise missed[0][1]
    good = any(each.rate for chart in charts for each in chart.bars)
    if context.as_json:
        context.print_json(
            {
                "results": tables,
                "not_measured": [{"ecosystem": name, **e.table()} for name, e in missed],
                "svg": str(args.svg) if args.svg else None,
            }
        )
        return OK if good else FAILED
    for ecosystem, error in missed:
        _say(context, f"{ecosystem}: not measured: {error}")
    if args.svg is not None:
        _say(context, f"The picture is in {args.svg}.")
    _say(context, "What was measured counts for the next download; `headrace mirrors` shows it.")
    return OK if good else FAILED


def _split(text: str) -> tuple[str | None, str]:
    named = re.match(r"([a-z]+):(?!//)", text)
    return (named[1], text[named.end() :]) if named else (None, text)


def _say(context: Context, text: str) -> None:
    context.say(text, indent="  ")


# ------------------------------------------------------------------ measuring


def _measured(
    ask: asking.Asks, ecosystem: str, what: str, context: Context, *, everything: bool
) -> dict[str, Any]:
    """Ask for each source in turn, then for all that deliver; HeadraceError where there is no
    file to measure with.
    """
    query = {"ecosystem": ecosystem} | ({"what": what} if what else {})
    plan = asking.measurements(ask, query)
    query["what"] = plan["what"]
    rows: list[dict[str, Any]] = plan["sources"]
    mirrors = [each for each in rows if each["asked"] and each["id"] != _ORIGIN]
    # Who was fast lately is worth the time of somebody who waits.
    mirrors.sort(key=lambda each: (not each["own"], -(each["rate"] or 0.0)))
    chosen = mirrors if everything else mirrors[:_MOST]
    asked = {*(each["id"] for each in chosen), _ORIGIN}
    found: list[dict[str, Any]] = []
    for number, each in enumerate(rows, 1):
        if each["id"] not in asked:
            why = each["why_not"] or "was not asked: --all asks everybody"
            found.append({**each, "measured": None, "why": why})
            continue
        _progress(context, f"{ecosystem}: {each['id']} ({number} of {len(rows)})")
        told = asking.measurements(ask, {**query, "source": each["id"]})["measured"]
        found.append({**each, "measured": told, "why": _why(told)})
    _progress(context, "")
    deliver = [each for each in found if each["measured"] and each["measured"]["rate"]]
    deliver.sort(key=lambda each: -each["measured"]["rate"])
    together = None
    if len(deliver) > 1:
        _progress(context, f"{ecosystem}: together")
        among = ",".join(each["id"] for each in deliver[:_TOGETHER])
        together = asking.measurements(ask, {**query, "source": "*", "among": among})["measured"]
        _progress(context, "")
    return {**plan, "sources": found, "together": together}


def _why(told: Mapping[str, Any]) -> str:
    if told["rate"]:
        return ""
    return DOES.get(Fault(told["fault"]), "fails") if told["fault"] else "gave nothing"


def _progress(context: Context, text: str) -> None:
    if context.as_json or not sys.stderr.isatty():
        return
    sys.stderr.write(f"\r\x1b[K{cut(translated(text), (terminal_width(sys.stderr) or 80) - 1)}")
    sys.stderr.flush()


# ------------------------------------------------------------------ showing


def _chart(table: Mapping[str, Any]) -> Chart:
    bars = [
        Bar(
            each["id"],
            each["measured"]["rate"] if each["measured"] else None,
            each["measured"]["rtt"] if each["measured"] else None,
            each["why"],
        )
        for each in table["sources"]
    ]
    together = table["together"]
    if together and together["rate"]:
        bars.append(Bar(TOGETHER, together["rate"]))
    return Chart(table["ecosystem"], table["name"], table["size"], bars)


def _show(context: Context, chart: Chart) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "█▏".encode(encoding)
        plain = False
    except (UnicodeEncodeError, LookupError):
        plain = True
    # What gave nothing because nobody asked it is counted, not listed.
    listed_ones = [each for each in chart.bars if each.rate or "--all" not in each.why]
    left = len(chart.bars) - len(listed_ones)
    smaller = Chart(chart.ecosystem, chart.file, chart.size, listed_ones)
    for line, style in picture.terminal(smaller, context.width, plain=plain):
        context.say(line, style)
    if left:
        _say(context, f"  {left} more not asked: --all asks everybody")
    if text := picture.meaning(chart):
        _say(context, text)
    if chart.size is not None and chart.size < _TELLING:
        _say(context, "A file of this size tells little of a rate: name a larger one.")
    context.say("")


def _check_place(path: Path) -> None:
    """Raise LocalError where a picture surely cannot be written: before anybody has waited for it.

    Something else than a file (a pipe, /dev/null) is not looked into.
    """
    real = path.resolve()
    if real.is_dir():
        raise _unwritable(path, "it is a folder")
    if not real.parent.is_dir():
        raise _unwritable(path, "there is no such folder")
    if not os.access(real if real.exists() and not real.is_file() else real.parent, os.W_OK):
        raise _unwritable(path, "it is not yours to write")


def _write(path: Path, charts: Sequence[Chart]) -> None:
    content = picture.svg(charts, time.strftime("%Y-%m-%d %H:%M")).encode("utf-8", "replace")
    real = path.resolve()
    try:
        if real.exists() and not real.is_file():
            # A pipe or a device is written to: root could put a file in the place of /dev/null.
            with real.open("wb") as file:
                file.write(content)
        else:
            mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o644
            atomic.replace(real, content, mode=mode)
    except OSError as error:
        raise _unwritable(path, str(error.strerror or error)) from error


def _unwritable(path: Path, why: str) -> LocalError:
    return LocalError(
        "picture-unwritable",
        f"{path} cannot be written: {why}",
        hint="name a file in a folder that is there and that you can write",
    )
