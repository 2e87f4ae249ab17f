"""What the live page shows, as plain values for JSON: made when somebody looks, kept by nobody.

To the users of the machine's gateway it tells what is common to all, as `views` does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from headrace import __version__
from headrace.download.pictures import DownloadPicture
from headrace.gateway.live.history import WINDOWS, Happening, HappeningKind
from headrace.gateway.live.incidents import form_of
from headrace.gateway.peers import Sight
from headrace.gateway.wiring import Components
from headrace.policy.reputation import EVERYTHING, Record
from headrace.redact import for_display
from headrace.system.storage.unused import UnusedFiles

__all__ = ["UNUSED_FOR", "events", "now", "state", "store"]

#: Seconds, for what a click can free.
UNUSED_FOR: tuple[float, ...] = (30 * 86_400.0, 7 * 86_400.0, 0.0)
#: Sources that are told; a catalogue has more than anybody reads.
_SOURCES = 40
#: Bytes that tell a rate; what is smaller tells how far a source is.
_TELLING = 128 << 10


def now(parts: Components, sight: Sight) -> dict[str, Any]:
    """Tell what is coming at this moment."""
    shown = parts.downloader.pictures() if sight is Sight.ALL else []
    return {"downloads": [_picture(each) for each in shown]}


def _picture(each: DownloadPicture) -> dict[str, Any]:
    return {
        **asdict(each),
        "seconds": round(each.seconds, 1),
        "rate": round(each.rate),
        "given": dict(each.given),
        "parts": [[part.start, part.end, part.source] for part in each.parts],
        "flows": [
            [flow.source, flow.start, flow.at, flow.end, round(flow.rate or 0)]
            for flow in each.flows
        ],
    }


def events(happened: Iterable[Happening], sight: Sight) -> list[dict[str, Any]]:
    """Tell events; to those who may see what is common alone, none."""
    if sight is not Sight.ALL:
        return []
    return [
        {
            **({"known": form_of(each.what)} if each.kind is HappeningKind.INCIDENT else {}),
            "number": each.number,
            "at": round(each.at, 1),
            "kind": each.kind.value,
            "what": each.what[:200],
            "ecosystem": each.ecosystem,
            "source": each.source,
            "fault": each.fault,
            "size": each.size,
            "seconds": round(each.seconds, 2),
            "given": dict(each.given),
        }
        for each in happened
    ]


def state(parts: Components, sight: Sight, tools: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Tell what changes slowly. `tools` None: nobody has asked them yet."""
    everything = sight is Sight.ALL
    activity, moment = parts.activity, time.time()
    coming = parts.downloader.pictures()
    under_way = [(moment - each.seconds, moment, each.given) for each in coming]
    return {
        "version": __version__,
        "since": round(activity.began, 1),
        "all": everything,
        "origins": [
            {"ecosystem": each.ecosystem, "name": each.name, "url": for_display(each.url)}
            for each in parts.origins
            if everything or not each.private
        ],
        "sources": _sources(parts),
        "traffic": {each: activity.history.columns(each, under_way) for each in WINDOWS},
        "totals": {
            "files": activity.transfers,
            "from_store": activity.from_store,
            "bytes": activity.bytes_served,
        },
        "saved": [asdict(each) for each in activity.history.saved()],
        "tools": tools if everything else [],
        "builds": _builds(parts) if everything else [],
        "weak": {
            "stale": activity.documents.get("stale", 0),
            "provisional": activity.documents.get("provisional", 0),
        },
    }


def _builds(parts: Components) -> list[dict[str, Any]]:
    return [
        {
            "project": each.project,
            "why": each.trouble or each.reason,
            "trouble": bool(each.trouble),
            "unused": each.unused,
            "warnings": list(each.warnings),
        }
        for each in parts.variant_pages.choices.values()
    ]


def _sources(parts: Components) -> list[dict[str, Any]]:
    """Tell of each source how it stands, those that gave something first."""
    moment = time.time()
    by_source: dict[str, dict[str, Record]] = {}
    for (source, name), record in parts.statistics.snapshot(parts.network()).items():
        by_source.setdefault(source, {})[name] = record
    own: set[str] = set()
    ecosystems: dict[str, str] = {}
    for ecosystem in parts.ecosystems:
        for mirror in parts.sources.mirrors(ecosystem.name):
            ecosystems.setdefault(mirror.id, ecosystem.name)
            if mirror.own:
                own.add(mirror.id)
    for each in own:
        by_source.setdefault(each, {})
    rows = [
        _source(parts, source, records, moment, ecosystems.get(source, ""), own=source in own)
        for source, records in by_source.items()
    ]
    rows.sort(key=lambda row: (-row["bytes"], -(row["rate"] or 0), row["id"]))
    return rows[:_SOURCES]


def _source(
    parts: Components,
    source: str,
    records: dict[str, Record],
    moment: float,
    ecosystem: str,
    *,
    own: bool,
) -> dict[str, Any]:
    standing = parts.sources.standing(source)
    last = parts.statistics.last_fault(source, parts.network())
    paused_until = max((each.paused_until for each in records.values()), default=0.0)
    objects = [each for name, each in records.items() if name != EVERYTHING]
    rates = [each.rate for each in objects if each.rate and each.bytes >= _TELLING]
    rtts = [each.rtt for each in records.values() if each.rtt is not None]
    return {
        "id": source,
        "ecosystem": ecosystem,
        "own": own,
        "state": standing.state.name.lower(),
        "fault": last.value if last is not None and standing.why else "",
        "rate": round(max(rates)) if rates else None,
        "rtt": round(min(rtts), 4) if rtts else None,
        "failures": round(max((each.failures for each in objects), default=0.0), 3),
        "paused_until": round(paused_until, 1) if paused_until > moment else None,
        "stale": bool(ecosystem) and parts.sources.is_old(source, ecosystem),
        "bytes": parts.activity.bytes_by_source.get(source, 0),
    }


def store(parts: Components) -> dict[str, Any]:
    """Tell what the store takes, and what could go. It reads the disk: call it in a thread."""
    used = parts.store.usage()
    unused = UnusedFiles(parts.store.root).sizes(UNUSED_FOR)
    return {
        "folder": for_display(str(parts.store.root)),
        "used": used,
        "limit": parts.store.limit,
        "free": [{"unused_for": age, "bytes": unused[age]} for age in UNUSED_FOR],
    }
