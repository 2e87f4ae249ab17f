"""A lab of uneven mirrors that builds and removes itself.

>>> with open_lab(UNEVEN, root, wrong) as lab:
...     subprocess.run(lab.command(["curl", "-O", lab.url("b") + "/packages/..."]))
...     lab.fail("b", LabFault.DEAD)
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.lab import namespaces
from benchmarks.lab.base import Lab, Traffic
from benchmarks.lab.faults import LabFault
from benchmarks.lab.topology import ORIGIN, UNEVEN, Line, Topology

__all__ = ["ORIGIN", "UNEVEN", "Lab", "LabFault", "Line", "Topology", "Traffic", "open_lab"]


def open_lab(topology: Topology, root: Path, wrong: Path) -> Lab:
    """Build the best lab that this machine allows: namespaces, else loopback servers."""
    if reason := namespaces.missing():
        from benchmarks.lab.loopback_lab import LoopbackLab  # noqa: PLC0415 - rarely needed

        return LoopbackLab(topology, root, wrong, reason=reason)
    from benchmarks.lab.namespace_lab import NamespaceLab  # noqa: PLC0415 - Linux only

    return NamespaceLab(topology, root, wrong)
