"""Whether a build that is there uses the accelerators of a host, and why not. Pure."""

from __future__ import annotations

from headrace.variants.builds import Candidate, CudaTables, Decision, Outcome
from headrace.variants.choose import decide
from headrace.variants.compatibility.labels import Kind, kind_of, label_of
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.target import NOTHING

__all__ = ["FOR", "by_itself", "unused", "why_not"]

#: What builds that need no CUDA are for.
FOR = {Kind.CPU: "processors alone", Kind.XPU: "Intel's GPUs", Kind.ROCM: "AMD's GPUs"}


def by_itself(build: Candidate, python: str | None, host: Host, tables: CudaTables) -> Decision:
    """Decide on a build of the lead as if nothing else were listed. One without a label is the
    default index's.
    """
    label = label_of(build, host, tables)
    this = Candidate(build.project, build.version, label, label)
    return decide(host, VariantRequest(build.project, python), [this], tables, NOTHING)


def why_not(decision: Decision, label: str) -> str:
    """Say why a build, decided on by itself, does not use all that is here."""
    kind = kind_of(label)
    if kind is Kind.CPU or (kind in FOR and decision.outcome is not Outcome.CHOSEN):
        return f"it is a build for {FOR[kind]}"
    if decision.warnings:
        return "; ".join(decision.warnings)
    # What becomes of a page is no matter here.
    return decision.reason.partition(": ")[2] or decision.reason


def unused(build: Candidate, python: str | None, host: Host, tables: CudaTables) -> str:
    """Say why a build of the lead uses no accelerator of a host; empty where it does, or none is
    here.
    """
    if not host.accelerators:
        return ""
    decision = by_itself(build, python, host, tables)
    return "" if decision.covered else why_not(decision, label_of(build, host, tables))
