"""Which build of a package for accelerators this host can run, and why: what ``explain`` says."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace

from headrace.cli.context import Context
from headrace.errors import SettingsError, UsageError
from headrace.interface.hookspecs import Explanation, GatewayAddress
from headrace.variants.builds import UNUSED, CudaTables, Decision, FamilyPages, PageEntry
from headrace.variants.hosts import Host, VariantRequest

__all__ = ["explain", "found", "host_for"]

_FOR = "--for"
#: Of the builds that are out, how many are told.
_FEW = 8


def explain(
    what: str,
    specifier: str,
    context: Context,
    address: GatewayAddress | None,
    described: str | None,
    *,
    python: str | None = None,
    companions: Sequence[tuple[str, str]] = (),
) -> Explanation | None:
    """Decide for the host as it is, or as it is described; None: no package with such builds.

    `python` is the interpreter's that installs, where it is known: not our own. `companions` are
    asked for at the same time, each with its specifier.
    """
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - start-up time

    from headrace.cli.explaining.listed import listed  # noqa: PLC0415 - as above
    from headrace.variants import choose  # noqa: PLC0415 - as above
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - as above
    from headrace.variants.pages import serve  # noqa: PLC0415 - as above
    from headrace.variants.taken import taken  # noqa: PLC0415 - as above
    from headrace.variants.target import (  # noqa: PLC0415 - as above
        VariantOverride,
        decided,
        override_from,
        said_in,
    )

    tables = cuda_tables.load()
    project = canonicalize_name(what)
    if project not in tables.family:
        return None
    here = found(context)
    host = _described(described, tables, here)
    python = host.python or python or platform.python_version()
    of_host = f"{host.platform}_{host.machine}"
    request = VariantRequest(
        project,
        python=python,
        specifier=specifier,
        platform=of_host,
        companions=tuple((canonicalize_name(name), text) for name, text in companions),
        # Elsewhere the gateway sees no more of an installer than the page that it asks for.
        known=host.platform == "linux",
    )
    settings = context.settings
    env = {} if described else decided(context.env, settings.variants, settings.target)
    places = said_in(context.env, settings.source)
    override = override_from(env, host, tables, places)
    if not override.build:
        # As the page is arranged: a third party's word comes before the tables'.
        seen = override.host or host
        chosen = context.plugins.choose_variant(request, seen.accelerators)
        if chosen is not None:
            override = VariantOverride(build=chosen.label, source=chosen.reason)
    there = listed(request, tables, context, address, host=host, override=override)
    decision = choose.decide(host, request, there.candidates, tables, override)
    plain = serve(host, request, there.candidates, tables, override)
    if override.build == "off":
        plain = replace(plain, pages={})
    seen = override.host or host
    got = taken(request, plain, there.candidates, host, tables, override=override)
    told = _told(decision, seen, python, tables, there.source)
    if got is None:
        return told
    entry, label = got
    told = _taken(told, decision, plain, entry, label)
    path = there.path_of(entry.candidate, seen, python)
    return replace(told, paths=(path,)) if path else told


def _taken(
    told: Explanation, decision: Decision, served: FamilyPages, entry: PageEntry, label: str
) -> Explanation:
    """Say first what an installer gets of the page, where that is not what would be best here."""
    best, candidate = decision.candidate, entry.candidate
    name = f"{candidate.version}+{label}" if label else candidate.version
    # The default index's own may be the very build that a variant index lists too.
    same = best is not None and decision.name == name
    unused = decision.unused if same or best is None else served.decision.unused
    table = {**told.table, "choice": name, "index": candidate.index, "unused": unused}
    told = replace(told, table=table)
    if not same and best is not None:
        why = entry.note.removeprefix("headrace: ") or served.decision.reason
        first = f"{candidate.project} {name}: {why}"
        told = replace(told, lines=(first, f"best here: {decision.reason}", *told.lines[1:]))
    if not unused:
        return told
    rest = [line for line in told.lines if not line.startswith(UNUSED)]
    cause = "" if any(unused in line for line in rest) else f": {unused}"
    return replace(told, lines=(f"{candidate.project} {name}: {UNUSED}{cause}", *rest))


def host_for(context: Context, described: str | None) -> Host:
    """Return this host, or another as it is described, with the CUDA that its driver is for.

    A library newer than the driver is this system's own: an image brings its own one or none.
    """
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - start-up time
    from headrace.variants.compatibility.drivers import (  # noqa: PLC0415 - as above
        by_library,
        cuda_of,
        own_cuda,
    )

    tables, here = cuda_tables.load(), found(context)
    host = _described(described, tables, here)
    which = own_cuda if by_library(host, tables) else cuda_of
    return replace(host, cuda=which(host, tables))


def _described(text: str | None, tables: CudaTables, here: Host) -> Host:
    """Read ``--for``; UsageError, also for what it leaves out and this host does not tell."""
    from headrace.variants.target import parse_target  # noqa: PLC0415 - start-up time

    if not text:
        return here
    try:
        return parse_target(text, tables, here, where=_FOR)
    except SettingsError as error:
        raise UsageError(error.reference, error.message, hint=error.hint) from error


def found(context: Context) -> Host:
    """Look at this host, or read what was found a while ago."""
    from headrace.system.accelerators import detection  # noqa: PLC0415 - start-up time
    from headrace.system.accelerators.host_view import HostView  # noqa: PLC0415

    detectors = context.plugins.accelerator_detectors()
    return detection.detect(HostView(context.env), detectors=detectors, cache=context.folders.cache)


# ------------------------------------------------------------------ telling


def _told(
    decision: Decision, host: Host, python: str, tables: CudaTables, source: str
) -> Explanation:
    from headrace.variants.compatibility.coverage import gpu_text  # noqa: PLC0415 - start-up time
    from headrace.variants.compatibility.properties import properties  # noqa: PLC0415 - as above

    gpus = ", ".join(gpu_text(gpu) for gpu in host.accelerators) or "no accelerator"
    how = "as described" if host.target else f"found by {host.method or 'looking for its traces'}"
    lines = [
        decision.reason,
        f"host: {gpus}; {host.platform} {host.machine}, Python {python}; {how}",
        *decision.warnings,
        *(note for note in host.notes if note not in decision.warnings),
        *_out(decision),
        source,
    ]
    table = {
        "outcome": str(decision.outcome),
        "choice": decision.name,
        "index": decision.candidate.index if decision.candidate else None,
        "reason": decision.reason,
        "warnings": list(decision.warnings),
        "out": [{"build": r.candidate.name, "why": r.reason} for r in decision.rejections],
        "host": {
            "accelerators": [
                {"maker": gpu.maker, "name": gpu.name, "capability": gpu.capability}
                for gpu in host.accelerators
            ],
            "driver": host.driver,
            "cuda": host.cuda,
            "situation": str(host.situation),
            "method": host.method,
            "tried": [list(each) for each in host.tried],
            "properties": [list(each) for each in properties(host, tables)],
        },
        "listed": source,
    }
    return Explanation("builds", tuple(lines), table=table)


def _out(decision: Decision) -> Sequence[str]:
    from packaging.version import Version  # noqa: PLC0415 - start-up time

    newest = sorted(decision.rejections, key=lambda r: Version(r.candidate.version), reverse=True)
    lines = [f"out: {r.candidate.name}: {r.reason}" for r in newest[:_FEW]]
    more = len(newest) - _FEW
    return [*lines, f"out: {more} more (--json tells them all)"] if more > 0 else lines
