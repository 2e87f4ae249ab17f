"""NVIDIA's boards (Jetson), whose vendor has packages of its own."""

from __future__ import annotations

import re

from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.records import text_of
from headrace.values import dataclass

__all__ = ["Board", "board"]

_RELEASE = "/etc/nv_tegra_release"
_MODELS = ("/proc/device-tree/model", "/sys/firmware/devicetree/base/model")
_COMPATIBLE = ("/proc/device-tree/compatible", "/sys/firmware/devicetree/base/compatible")


@dataclass(frozen=True, slots=True)
class Board:
    """Which board, and which release of its system, as far as it tells."""

    model: str
    release: str | None
    """``36.4.3``."""


def board(host_view: HostView) -> Board | None:
    """Return the board that this is, or None."""
    release = host_view.text(_RELEASE)
    named = next((t for place in _MODELS if (t := host_view.text(place))), "")
    fits = next((t for place in _COMPATIBLE if (t := host_view.text(place))), "")
    tegra = "nvidia,tegra" in fits or bool(re.search(r"\b(?:jetson|tegra)\b", named, re.IGNORECASE))
    if release is None and not tegra:
        return None
    found = re.search(r"R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", release or "")
    model = text_of(named.replace("\0", " ")) if tegra else None
    return Board(model or "NVIDIA Jetson", ".".join(found.groups()) if found else None)
