"""Which build of a package for accelerators this host can run, and why: what ``explain`` says."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace

from headrace.cli.context import Context
from headrace.interface.hookspecs import Explanation, GatewayAddress
from headrace.variants.builds import CudaTables, Decision
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
) -> Explanation | None:
    """Decide for the host as it is, or as it is described; None: no package with such builds."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - start-up time

    from headrace.cli.explaining.listed import listed  # noqa: PLC0415 - as above
    from headrace.variants import choose  # noqa: PLC0415 - as above
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - as above
    from headrace.variants.pages import serve  # noqa: PLC0415 - as above
    from headrace.variants.target import (  # noqa: PLC0415 - as above
        decided,
        override_from,
        parse_target,
        said_in,
    )

    tables = cuda_tables.load()
    project = canonicalize_name(what)
    if project not in tables.family:
        return None
    here = found(context)
    host = parse_target(described, tables, here, where=_FOR) if described else here
    python = host.python or platform.python_version()
    request = VariantRequest(project, python=python, specifier=specifier)
    settings = context.settings
    env = {} if described else decided(context.env, settings.variants, settings.target)
    places = said_in(context.env, settings.source)
    override = override_from(env, host, tables, places)
    there = listed(project, tables, context, address, host=host, python=python, override=override)
    decision = choose.decide(host, request, there.candidates, tables, override)
    told = _told(decision, override.host or host, python, tables, there.source)
    plain = serve(host, python, there.candidates, tables, override)
    chosen = decision.candidate
    if not specifier and not plain.pages and chosen is not None and chosen.index:
        told = replace(told, lines=(*told.lines, f"a plain install: {plain.decision.reason}"))
    path = there.path_of(chosen, override.host or host, python) if chosen else None
    return replace(told, paths=(path,)) if path else told


def host_for(context: Context, described: str | None) -> Host:
    """Return this host, or another as it is described, with the CUDA that its driver is for."""
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - start-up time
    from headrace.variants.compatibility.drivers import cuda_of  # noqa: PLC0415 - as above
    from headrace.variants.target import parse_target  # noqa: PLC0415 - as above

    tables, here = cuda_tables.load(), found(context)
    host = parse_target(described, tables, here, where=_FOR) if described else here
    return replace(host, cuda=cuda_of(host, tables))


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
