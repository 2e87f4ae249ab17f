"""What the gateway did (`activity`), in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.gateway.activity import Activity

__all__ = ["CONTENT_TYPE", "GAUGES", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

GAUGES: Mapping[str, str] = {
    "uptime_seconds": "Seconds since this gateway began.",
    "read_ahead_waiting": "Documents that wait to be read ahead.",
}
"""What may go up and down, and what it means."""


def exposition(activity: Activity, gauges: Mapping[str, float]) -> bytes:
    """Write all counters, and `gauges` by their name in GAUGES."""
    lines: list[str] = []
    _family(
        lines,
        "documents_total",
        "Documents by how they were served.",
        [({"how": how}, count) for how, count in activity.documents.items()],
    )
    _family(
        lines,
        "answers_total",
        "Answers by ecosystem and status.",
        [(_pair(word, "ecosystem", "status"), count) for word, count in activity.answers.items()],
    )
    _family(
        lines,
        "source_bytes_total",
        "Bytes of finished transfers by source.",
        [({"source": source}, count) for source, count in activity.bytes_by_source.items()],
    )
    _family(
        lines,
        "source_faults_total",
        "Faults of sources that were survived.",
        [(_pair(word, "source", "fault"), count) for word, count in activity.faults.items()],
    )
    _family(lines, "transfers_total", "Finished transfers.", [({}, activity.transfers)])
    _family(lines, "store_hits_total", "Files that the store had.", [({}, activity.from_store)])
    _family(lines, "served_bytes_total", "Bytes of artifacts.", [({}, activity.bytes_served)])
    _family(
        lines,
        "saved_seconds_total",
        "Seconds saved against the best single source, where both were measured.",
        [({}, round(activity.saved, 3))],
    )
    for name, value in gauges.items():
        lines += [f"# HELP headrace_{name} {GAUGES[name]}", f"# TYPE headrace_{name} gauge"]
        lines.append(f"headrace_{name} {value:g}")
    return ("\n".join(lines) + "\n").encode()


def _family(
    lines: list[str],
    name: str,
    meaning: str,
    samples: Iterable[tuple[Mapping[str, str], float]],
) -> None:
    lines += [f"# HELP headrace_{name} {meaning}", f"# TYPE headrace_{name} counter"]
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"headrace_{name}{{{inner}}} {value}" if inner else f"headrace_{name} {value}")


def _pair(word: str, first: str, second: str) -> dict[str, str]:
    left, _, right = word.rpartition(":")
    return {first: left, second: right}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
