"""Whether what is installed of a family of projects runs here, and goes together. Pure.

Installers look at versions alone: a project that was built for another CUDA than the lead passes
their checks, and ends at import or in the middle of the work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.cli.checks.installed import Installed, InstalledFamily
from headrace.interface.hookspecs import Finding
from headrace.variants.builds import Candidate, CudaTables, Decision, Outcome
from headrace.variants.choose import decide
from headrace.variants.compatibility.labels import (
    Kind,
    belongs,
    kind_of,
    label_of,
    same_stack,
    toolkit_of,
)
from headrace.variants.compatibility.unused import FOR, by_itself, why_not
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.listing import listing
from headrace.variants.target import NOTHING, VariantOverride
from headrace.wording import listed

__all__ = ["cure", "judged"]

#: What projects with channels of their own write into their local versions: ``cu12torch2.8``.
_MAJOR = re.compile(r"cu(\d\d)(?!\d{2})")
_MOST_TOLD = 6


def judged(there: InstalledFamily, host: Host, tables: CudaTables) -> Iterator[Finding]:
    """Say whether the lead can use the accelerators of a host, and whether the others are of its
    stack and release; of what is not right, what to install.
    """
    lead = there.lead
    if lead is None:
        yield _headless(there, host, tables)
        return
    build = Candidate(lead.project, lead.version, lead.label)
    alone = by_itself(build, there.python, host, tables)
    apart = [text for each in there.others if (text := _apart(each, lead, host, tables))]
    what = f"{lead.project} {_named(lead, host, tables)} in {there.prefix}"
    fine = _is_fine(alone)
    if host.accelerators and not fine:
        text = f"{what} cannot use all that is here: {why_not(alone, _label(lead, host, tables))}"
        yield Finding(tables.lead, "warning", text, cure(there, host, tables))
    elif not host.accelerators:
        text = f"{what}; no accelerator was found for it here"
        yield Finding(tables.lead, "note", text)
    else:
        yield Finding(tables.lead, "ok", f"{what} runs on what is here")
    if apart:
        right = fine or not host.accelerators
        hint = cure(there, host, tables, kept=lead) if right else "what is said above mends it, too"
        text = f"{there.prefix}: {listed(apart, most=_MOST_TOLD)}"
        yield Finding("family", "warning", text, hint)
    elif there.others:
        named = listed([f"{each.project} {each.name}" for each in there.others], most=_MOST_TOLD)
        goes = "goes" if len(there.others) == 1 else "go"
        yield Finding("family", "ok", f"{named} {goes} with {lead.project} {lead.version}")


def _headless(there: InstalledFamily, host: Host, tables: CudaTables) -> Finding:
    named = listed([f"{each.project} {each.name}" for each in there.others], most=_MOST_TOLD)
    text = f"{named} in {there.prefix}, and no {tables.lead}"
    return Finding("family", "note", text, cure(there, host, tables))


def _is_fine(alone: Decision) -> bool:
    return alone.outcome is Outcome.CHOSEN and bool(alone.covered) and not alone.warnings


def _label(each: Installed, host: Host, tables: CudaTables) -> str:
    """Return what a project was built for; where nothing says so, what the tables know."""
    if each.label or each.plain:
        return each.label
    return label_of(Candidate(each.project, each.version), host, tables)


def _named(each: Installed, host: Host, tables: CudaTables) -> str:
    label = _label(each, host, tables)
    return f"{each.version}+{label}" if label else each.version


# ------------------------------------------------------------------ what does not go together


def _apart(each: Installed, lead: Installed, host: Host, tables: CudaTables) -> str:
    """Say why a project does not go with the lead; empty where it does, or nothing is known."""
    name = f"{each.project} {_named(each, host, tables)}"
    with_lead = f"{lead.project} {_named(lead, host, tables)}"
    label, leads = _label(each, host, tables), _label(lead, host, tables)
    if kind_of(leads) is Kind.OTHER:
        return ""
    this = Candidate(each.project, each.version, label, requires=each.requires)
    version = lead.recorded or lead.name if each.requires else lead.version
    if belongs(tables, this, version) is False:
        made = f"{lead.project}{each.requires}" if each.requires else f"another {lead.project}"
        return f"{name} was made for {made}, not for {with_lead}"
    if each.plain or _kind(label) is Kind.OTHER:
        return ""
    if each.project in tables.same_major:
        # These bring what they need of a processor themselves.
        major = _major(label)
        wrong = kind_of(leads) is Kind.CUDA and major not in (0, toolkit_of(leads)[0])
    else:
        wrong = not same_stack(label, leads)
    return f"{name} is built for {_stack(label)}, {with_lead} for {_stack(leads)}" if wrong else ""


def _kind(label: str) -> Kind:
    return Kind.CUDA if _MAJOR.match(label) else kind_of(label)


def _major(label: str) -> int:
    found = _MAJOR.match(label)
    return toolkit_of(label)[0] or (int(found[1]) if found else 0)


def _stack(label: str) -> str:
    """Name what a build is for: ``CUDA 12``, ``AMD's GPUs (rocm6.4)``."""
    kind = _kind(label)
    if kind is Kind.CUDA:
        return f"CUDA {_major(label)}"
    return f"{FOR[kind]} ({label})" if kind is Kind.ROCM else FOR.get(kind, label)


# ------------------------------------------------------------------ what to do


def cure(
    there: InstalledFamily, host: Host, tables: CudaTables, *, kept: Installed | None = None
) -> str:
    """Say what to install, all at once. `kept`: the lead as it is, where it may stay."""
    names = {tables.lead, *_followers(there, tables)}
    every = [each for each in listing(tables) if each.project in names]
    best = None
    if kept is not None:
        label = _label(kept, host, tables)
        mine = [e for e in every if e.project != tables.lead or e.version == kept.version]
        as_it_is = VariantOverride(build=label, source="what is installed")
        best = _best(there, mine, host, tables, as_it_is)
    best = best or _best(there, every, host, tables, NOTHING)
    return best or "no build that the tables know is for this host; update the driver"


def _followers(there: InstalledFamily, tables: CudaTables) -> list[str]:
    return [each.project for each in there.others if each.project in tables.followers]


def _best(
    there: InstalledFamily,
    candidates: list[Candidate],
    host: Host,
    tables: CudaTables,
    override: VariantOverride,
) -> str | None:
    followers = _followers(there, tables)
    companions = tuple((project, "") for project in followers)
    request = VariantRequest(tables.lead, there.python, companions=companions)
    best = decide(host, request, candidates, tables, override)
    if best.candidate is None:
        return None
    installed = {each.project: each for each in (*there.others, there.lead) if each is not None}
    wanted = (best.candidate, *best.companions)
    words = [_pinned(each, installed.get(each.project)) for each in wanted]
    left = sorted(set(followers) - {each.project for each in wanted})
    rest = f"; nothing that goes with it is known of {listed(left)}" if left else ""
    return f"install in one command, through headrace: {' '.join(words)}{rest}"


def _pinned(candidate: Candidate, there: Installed | None) -> str:
    """Write a requirement that no other build meets that is there already."""
    # `==2.15.0` is met by 2.15.0+cu126, `===2.15.0` is not.
    met = there is not None and (there.recorded or there.name).startswith(f"{candidate.name}+")
    return f"{candidate.project}{'===' if met else '=='}{candidate.name}"
