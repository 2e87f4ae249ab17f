"""What ``/metrics`` counts, read from what it answers."""

from __future__ import annotations

import dataclasses
from collections import Counter

from headrace.gateway.activity import Activity
from headrace.gateway.metrics import GAUGES, exposition

__all__ = ["metrics"]


def metrics() -> list[tuple[str, str, str, str]]:
    """Return name, type, labels and meaning of each."""
    one = Activity()
    for field in dataclasses.fields(one):
        counter = getattr(one, field.name)
        if isinstance(counter, Counter):
            counter["left:right"] = 1  # what has labels is told where there is one
    meanings: dict[str, str] = {}
    types: dict[str, str] = {}
    labels: dict[str, str] = {}
    for line in exposition(one, dict.fromkeys(GAUGES, 1.0)).decode().splitlines():
        if line.startswith("# HELP "):
            _, _, name, meaning = line.split(" ", 3)
            meanings[name] = meaning
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        elif "{" in line:
            name, _, inner = line.partition("{")
            words = [pair.partition("=")[0] for pair in inner.rpartition("}")[0].split(",")]
            labels[name] = ", ".join(words)
    return [
        (f"`{name}`", kind, labels.get(name, ""), meanings.get(name, ""))
        for name, kind in types.items()
    ]
