"""Detectors of plugins, each in a child process with its own time limit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headrace.interface.hookspecs import AcceleratorDetector
from headrace.system.accelerators.child import resolve
from headrace.system.accelerators.child_query import ask_plugin
from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.results import ProbeOutcome, VendorResult
from headrace.variants.hosts import Accelerator

__all__ = ["ask"]

_CUDA = re.compile(r"(\d{1,2})\.(\d{1,2})")


def ask(host_view: HostView, detectors: Sequence[AcceleratorDetector]) -> VendorResult:
    """Ask all of them in their order; of each maker the first answer counts."""
    found: list[Accelerator] = []
    tried: list[tuple[str, str]] = []
    notes: list[str] = []
    passing = False
    for detector in detectors:
        answer = ask_plugin(_reference(detector), host_view, host_view.patience(detector.timeout))
        tried.append((detector.name, answer.said))
        if answer.outcome is not ProbeOutcome.ANSWERED:
            passing = True
            notes.append(
                f"the detector {detector.name} of a plugin did not answer: {answer.said};"
                " tell whoever wrote it"
            )
        taken = {gpu.maker for gpu in found}
        found += [gpu for gpu in answer.accelerators if gpu.maker not in taken]
    green = next((gpu for gpu in found if gpu.maker == "nvidia"), None)
    runtime = _CUDA.fullmatch(green.runtime or "") if green else None
    return VendorResult(
        tuple(found),
        driver=green.driver if green else None,
        cuda=(int(runtime.group(1)), int(runtime.group(2))) if runtime else None,
        method=found[0].method or "plugin" if found else "",
        tried=tuple(tried),
        notes=tuple(notes),
        passing=passing,
    )


def _reference(detector: AcceleratorDetector) -> str:
    """Name the function so that a child finds it: by its module, else by the detector's name."""
    function = detector.detect
    module = getattr(function, "__module__", None)
    reference = f"{module}:{getattr(function, '__qualname__', '')}"
    try:
        if module != "__main__" and resolve(reference) is function:
            return reference
    except (ImportError, AttributeError, ValueError):
        pass
    return detector.name
