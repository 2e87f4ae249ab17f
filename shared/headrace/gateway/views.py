"""The gateway's own pages: health, status, metrics, and where something would come from.

Who may see them stands in `peers`. To the users of the machine's gateway they tell what is common
to all: public origins, mirrors, sources and counters; no incident, no transfer and no build that
somebody was given. Whoever asks for a name is told where it would come from; that it is here
already is not said, though who guesses a name can tell by the time that it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from headrace import __version__
from headrace.documents import page_comparison
from headrace.errors import UpstreamError
from headrace.gateway import metrics
from headrace.gateway.peers import Sight
from headrace.gateway.wiring import Components
from headrace.interface.ecosystems import Ecosystem
from headrace.models import (
    Artifact,
    Mirror,
    MirrorStats,
    Request,
    ServeArtifact,
    ServeDocument,
    Source,
)
from headrace.policy.reputation import standing
from headrace.policy.selection_reasons import reason
from headrace.redact import for_display
from headrace.system.service.identity import NONCE, is_nonce, proof

__all__ = ["explain", "exposition", "health", "status"]

#: Files of a page that `explain` tells.
_FEW = 3


def health(request: Request, secret: str | None, at: tuple[str, int] | None) -> tuple[str, bytes]:
    """Answer a supervisor that this is alive, and whoever sends a nonce that it is this one.

    `at` is the address that the connection came in at, as the system has it.
    """
    # Empty: an older headrace takes it for a gateway that does not say, see `identity`.
    table = {"headrace": __version__, "instance": "", "pid": os.getpid()}
    nonce = request.headers.get(NONCE, "")
    if secret is not None and at is not None and is_nonce(nonce):
        table["proof"] = proof(secret, nonce, *at)
    return _json(table)


def status(parts: Components, _: Request, sight: Sight = Sight.ALL) -> tuple[str, bytes]:
    """Answer ``headrace status``."""
    everything = sight is Sight.ALL
    table: dict[str, Any] = {
        "version": __version__,
        "pid": os.getpid(),
        "origins": [
            {
                "ecosystem": origin.ecosystem,
                "name": origin.name,
                "url": for_display(origin.url),
                "private": origin.private,
            }
            for origin in parts.origins
            if everything or not origin.private
        ],
        **parts.activity.table(),
        "under_way": [asdict(each) for each in parts.downloader.progress()] if everything else [],
        "read_ahead": {
            "fetched": parts.read_ahead.fetched,
            "dropped": parts.read_ahead.dropped,
            "waiting": parts.read_ahead.waiting,
        },
        "builds": [asdict(each) for each in parts.variant_pages.choices.values()],
        "sources": _sources(parts),
        "mirrors": {each.name: _mirrors(parts, each.name) for each in parts.ecosystems},
        "store": {"limit": parts.settings.store_limit},
        "plugins": {"in": parts.plugins.names, "left_out": parts.plugins.broken},
    }
    if not everything:
        table |= {"incidents": [], "builds": [], "builds_served": []}
        table["transfers"]["recent"] = []
    return _json(table)


def _mirrors(parts: Components, ecosystem: str) -> dict[str, list[Any]]:
    """Tell who is in use, how each stands, and of whom what is known is old."""
    mirrors = parts.sources.mirrors(ecosystem)
    ids = [mirror.id for mirror in mirrors]
    old = [each for each in ids if parts.sources.is_old(each, ecosystem)]
    states = [_standing(parts, mirror) for mirror in mirrors]
    return {"in_use": ids, "evidence_old": old, "states": states}


def _standing(parts: Components, mirror: Mirror) -> dict[str, Any]:
    found = parts.sources.standing(mirror.id)
    return {
        "id": mirror.id,
        "own": mirror.own,
        "url": for_display(mirror.url),
        "state": found.state.value,
        "why": found.why,
        "paused_for": round(found.paused_for, 1),
        "bytes": parts.activity.bytes_by_source.get(mirror.id, 0),
        "lacks": [asdict(each) for each in parts.sources.absent(mirror.id)],
    }


def _sources(parts: Components) -> list[dict[str, Any]]:
    now = time.time()
    records = parts.statistics.snapshot(parts.network())
    return [
        {
            "source": source,
            "class": object_class,
            "rate": record.rate,
            "rtt": record.rtt,
            "failures": round(record.failures, 3),
            "paused_for": round(max(0.0, record.paused_until - now), 1),
        }
        for (source, object_class), record in sorted(records.items())
    ]


def exposition(parts: Components, _: Request, __: Sight = Sight.ALL) -> tuple[str, bytes]:
    """Answer Prometheus: counters, in which no name is."""
    now = time.time()
    gauges = {
        "uptime_seconds": now - parts.activity.began,
        "read_ahead_waiting": float(parts.read_ahead.waiting),
    }
    return metrics.CONTENT_TYPE, metrics.exposition(parts.activity, gauges)


async def explain(
    parts: Components, request: Request, sight: Sight = Sight.ALL
) -> tuple[str, bytes]:
    """Answer ``headrace explain WHAT``: a path of the gateway, a file's name, or a page's name.

    Of a page the last files are told, or those whose names hold ``version``. A path whose digest
    has to be looked up is looked up, as for a client.
    """
    query = parse_qs(request.query)
    what = (query.get("what") or [""])[0][:512]
    version = (query.get("version") or [""])[0][:128]
    found: dict[str, Any] = {"what": what, "documents": [], "artifacts": []}
    for ecosystem in parts.ecosystems:
        # An ecosystem without an origin has no place of its own.
        within = next(iter(ecosystem.prefixes), "/")
        path = what if what.startswith("/") else f"{within}{what}/"
        plan = ecosystem.plan(Request("GET", path))
        if isinstance(plan, ServeDocument):
            document, named = await _document(parts, ecosystem, plan, version)
            found["documents"].append(document)
            found["artifacts"] += named
        elif isinstance(plan, ServeArtifact) and what.startswith("/"):
            with contextlib.suppress(UpstreamError, ValueError):
                artifact = await parts.artifact_index.find(ecosystem, plan, "", patient=True)
                found["artifacts"] += [_artifact(parts, ecosystem, artifact)] if artifact else []
            continue
        found["artifacts"] += [
            _artifact(parts, ecosystem, each)
            for each in parts.artifact_index.named(what)
            if each.ecosystem == ecosystem.name
        ]
    if sight is not Sight.ALL:
        found["documents"] = [_common(each, kept=False) for each in found["documents"]]
        found["artifacts"] = [_common(each, stored=False) for each in found["artifacts"]]
    return _json(found)


def _common(table: dict[str, Any], **instead: bool) -> dict[str, Any]:
    """Leave out what only tells that somebody fetched it before."""
    return {**{k: v for k, v in table.items() if k not in ("age", "lifetime")}, **instead}


async def _document(
    parts: Components, ecosystem: Ecosystem, plan: ServeDocument, version: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kept = await asyncio.to_thread(parts.pages.get, plan.key)
    table: dict[str, Any] = {
        "ecosystem": ecosystem.name,
        "origin": for_display(plan.origin.url),
        "url": for_display(plan.url),
        "private": plan.origin.private,
        "kept": kept is not None,
    }
    if kept is None:
        return table, []
    table["age"] = round(time.time() - kept.fetched_at, 1)
    table["lifetime"] = kept.max_age
    try:
        named = await asyncio.to_thread(page_comparison.named, ecosystem, plan, kept)
    except ValueError:
        return table, []
    table["files"] = len(named)
    fitting = [each for each in named.values() if version in each.name]
    return table, [_artifact(parts, ecosystem, each) for each in fitting[-_FEW:]]


def _artifact(parts: Components, ecosystem: Ecosystem, artifact: Artifact) -> dict[str, Any]:
    stored = parts.store.find(artifact.digest) if artifact.digest else None
    now, records = time.time(), parts.statistics.snapshot(parts.network())
    firsts = {each.id for each in parts.sources.mirrors(artifact.ecosystem) if each.first}

    def known(source: Source) -> MirrorStats:
        first = source.id in firsts
        place = Mirror(source.id, artifact.ecosystem, source.url, "", first=first)
        return standing(place, artifact.object_class, records)

    return {
        "ecosystem": ecosystem.name,
        "path": artifact.path,
        "name": artifact.name,
        "origin": for_display(artifact.url),
        "digest": str(artifact.digest) if artifact.digest else None,
        "size": artifact.size,
        "provisional": artifact.provisional,
        "stored": stored is not None,
        "sources": [
            {
                "id": s.id,
                "url": for_display(s.url),
                "rate": s.rate,
                "rtt": s.rtt,
                "evidence_old": parts.sources.is_old(s.id, artifact.ecosystem),
                "measured": round(now - k.measured_at) if k.measured_at else None,
                "reason": reason(s, k, artifact.size, now, private=artifact.origin.private),
            }
            for s, k in ((s, known(s)) for s in parts.sources.choose(artifact, ecosystem))
        ],
    }


def _json(table: dict[str, Any]) -> tuple[str, bytes]:
    return "application/json", json.dumps(table).encode() + b"\n"
