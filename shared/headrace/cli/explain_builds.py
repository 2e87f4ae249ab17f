"""Which build of a package for accelerators this host can run, and why: for ``headrace explain``.

The default index is asked through the gateway. What the variant indexes list is told by the shipped
tables, and so is everything when nobody can be asked; the answer says which.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from headrace.builds import Candidate, CudaTables, Decision
from headrace.cli.context import Context
from headrace.hookspecs import Explanation, GatewayAddress
from headrace.hosts import Host, VariantRequest

__all__ = ["explain"]

#: Seconds for the default index's page; its longest in bytes.
_PATIENCE = 15.0
_LONGEST = 32 << 20
#: Of the builds that are out, how many are told.
_FEW = 8
_JSON = "application/vnd.pypi.simple.v1+json"


def explain(
    what: str,
    specifier: str,
    context: Context,
    address: GatewayAddress | None,
    described: str | None,
) -> Explanation | None:
    """Decide for the host as it is, or as it is described; None: no package with such builds."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - start-up time

    from headrace import cuda_tables  # noqa: PLC0415 - as above
    from headrace.policy import variants  # noqa: PLC0415 - as above
    from headrace.policy.variant_target import override_from, parse_target  # noqa: PLC0415

    tables = cuda_tables.load()
    project = canonicalize_name(what)
    if project not in tables.family:
        return None
    found = _found(context)
    host = parse_target(described, tables, found) if described else found
    python = host.python or platform.python_version()
    request = VariantRequest(project, python=python, specifier=specifier)
    candidates, source = _listed(project, tables, context, address)
    override = override_from({} if described else context.env, host, tables)
    decision = variants.decide(host, request, candidates, tables, override)
    return _told(decision, override.host or host, python, tables, source)


def _found(context: Context) -> Host:
    from headrace.system.accelerators import detection  # noqa: PLC0415 - start-up time
    from headrace.system.accelerators.surroundings import Surroundings  # noqa: PLC0415

    detectors = context.plugins.accelerator_detectors()
    return detection.detect(
        Surroundings(context.env), detectors=detectors, cache=context.folders.cache
    )


# ------------------------------------------------------------------ what is listed


def _listed(
    project: str, tables: CudaTables, context: Context, address: GatewayAddress | None
) -> tuple[list[Candidate], str]:
    """Return the candidates, and where they are from."""
    from headrace.policy import variant_listing  # noqa: PLC0415 - start-up time
    from headrace.policy.variant_wheels import candidates_from  # noqa: PLC0415 - as above

    by_tables = variant_listing.listing(tables)
    live: list[Candidate] = []
    for each in sorted({project, tables.lead}):
        page = _page(each, context, address) if address else None
        if page is None:
            return by_tables, "what is listed is told by headrace's tables: no index answers here"
        files = [file for file in page.get("files", []) if isinstance(file, dict)]
        names = [str(file.get("filename", "")) for file in files]
        yanked = [str(file.get("filename", "")) for file in files if file.get("yanked")]
        live += candidates_from(each, names, yanked=yanked)
    seen = {each.project for each in live}
    others = [each for each in by_tables if each.index or each.project not in seen]
    return [*live, *others], (
        "the default index is as it is now; which variants there are is told by headrace's tables"
    )


def _page(project: str, context: Context, address: GatewayAddress) -> dict[str, Any] | None:
    """Ask the gateway for a project's page in the JSON form of the Simple API (PEP 691)."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    origins = [found.origin for found in context.state.origins()]
    served = [each for each in context.plugins.ecosystems(origins) if each.name == "python"]
    if not served:
        return None
    path = f"{served[0].prefixes[0]}{quote(project)}/"
    table = health.ask(address, path, _PATIENCE, accept=_JSON, limit=_LONGEST)
    return table if isinstance(table, dict) else None


# ------------------------------------------------------------------ telling


def _told(
    decision: Decision, host: Host, python: str, tables: CudaTables, source: str
) -> Explanation:
    from headrace.policy.variant_coverage import gpu_text  # noqa: PLC0415 - start-up time
    from headrace.policy.variant_properties import properties  # noqa: PLC0415 - as above

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
