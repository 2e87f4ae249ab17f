"""What the gateway did (`activity`), in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headrace.gateway.activity import Activity
from headrace.values import dataclass

__all__ = ["CONTENT_TYPE", "GAUGES", "MetricFamily", "exposition", "families"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

GAUGES: Mapping[str, str] = {
    "uptime_seconds": "Seconds since this gateway began.",
    "read_ahead_waiting": "Documents that wait to be read ahead.",
}
"""What may go up and down, and what it means."""


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """All that is counted under one name."""

    name: str
    """Without ``headrace_`` before it."""
    meaning: str
    samples: Sequence[tuple[Mapping[str, str], float]]
    """Labels and value."""
    counts: bool = True
    """A counter; else it may go up and down."""


def families(activity: Activity, gauges: Mapping[str, float]) -> list[MetricFamily]:
    """Return all counters, and `gauges` by their name in GAUGES."""
    return [
        MetricFamily(
            "documents_total",
            "Documents by how they were served.",
            [({"how": how}, count) for how, count in activity.documents.items()],
        ),
        MetricFamily(
            "answers_total",
            "Answers by ecosystem and status.",
            [
                (_pair(word, "ecosystem", "status"), count)
                for word, count in activity.answers.items()
            ],
        ),
        MetricFamily(
            "source_bytes_total",
            "Bytes of finished transfers by source.",
            [({"source": source}, count) for source, count in activity.bytes_by_source.items()],
        ),
        MetricFamily(
            "source_faults_total",
            "Faults of sources that were survived.",
            [(_pair(word, "source", "fault"), count) for word, count in activity.faults.items()],
        ),
        MetricFamily("transfers_total", "Finished transfers.", [({}, activity.transfers)]),
        MetricFamily("store_hits_total", "Files that the store had.", [({}, activity.from_store)]),
        MetricFamily("served_bytes_total", "Bytes of artifacts.", [({}, activity.bytes_served)]),
        MetricFamily(
            "saved_seconds_total",
            "Seconds saved against the best single source, where both were measured.",
            [({}, round(activity.saved, 3))],
        ),
        *(
            MetricFamily(name, GAUGES[name], [({}, value)], counts=False)
            for name, value in gauges.items()
        ),
    ]


def exposition(activity: Activity, gauges: Mapping[str, float]) -> bytes:
    """Write all counters, and `gauges` by their name in GAUGES."""
    lines: list[str] = []
    for family in families(activity, gauges):
        name = f"headrace_{family.name}"
        kind = "counter" if family.counts else "gauge"
        lines += [f"# HELP {name} {family.meaning}", f"# TYPE {name} {kind}"]
        for labels, value in family.samples:
            inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            told = f"{value}" if family.counts else f"{value:g}"
            lines.append(f"{name}{{{inner}}} {told}" if inner else f"{name} {told}")
    return ("\n".join(lines) + "\n").encode()


def _pair(word: str, first: str, second: str) -> dict[str, str]:
    left, _, right = word.rpartition(":")
    return {first: left, second: right}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
