"""Answers ``/measurements``: what a file's sources give now, and how a new mirror keeps its files.

Asked by ``headrace bench`` and ``headrace mirrors``, question by question, so that they can show
how far they are: first which file and which sources (``ecosystem``, ``what``), then each source by
its id (``source``), then all of them together (``source=*``); or which layout a mirror has
(``url``). Only for the user whose gateway it is: each question makes requests at others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from headrace.documents import page_comparison
from headrace.errors import HeadraceError, LocalError
from headrace.foreign import UnreadableError
from headrace.gateway.peers import Sight
from headrace.gateway.wiring import Components
from headrace.interface.ecosystems import Ecosystem, HasSamples, NamesLayouts
from headrace.models import Artifact, Request, ServeArtifact, ServeDocument, Source
from headrace.policy.destinations import of_origin
from headrace.policy.reputation import standing
from headrace.redact import for_display
from headrace.sources import measuring
from headrace.sources.candidates import ORIGIN
from headrace.sources.measuring import Measured, MeasuredSource
from headrace.upstream.auth.mirror_logins import headers_for

__all__ = ["measurements"]

#: Bytes below which a file tells a round trip, and no rate.
_LEAST = 256 << 10
#: Seconds for finding a file to measure with.
_FINDING = 20.0
_KIND = "application/json"


async def measurements(parts: Components, request: Request, sight: Sight) -> tuple[str, bytes]:
    """Answer one question; what went wrong is told as ``error``."""
    query = {name: words[0][:2048] for name, words in parse_qs(request.query).items()}
    try:
        if sight is not Sight.ALL:
            raise LocalError(
                "not-yours",
                "the machine's gateway measures for root alone",
                hint="run this with sudo",
            )
        ecosystem = _ecosystem(parts, query.get("ecosystem", ""))
        async with asyncio.timeout(_FINDING):
            artifact = await _file(parts, ecosystem, query.get("what", ""))
        table = await _answer(parts, ecosystem, artifact, query)
    except TimeoutError:
        error = _no_file(query.get("what", ""), "the origin did not answer in time")
        table = {"error": error.table()}
    except HeadraceError as error:
        table = {"error": error.table()}
    return _KIND, json.dumps(table).encode() + b"\n"


async def _answer(
    parts: Components, ecosystem: Ecosystem, artifact: Artifact, query: Mapping[str, str]
) -> dict[str, Any]:
    table: dict[str, Any] = {
        "ecosystem": ecosystem.name,
        "what": artifact.path,
        "name": artifact.name,
        "size": artifact.size,
        "origin": for_display(artifact.origin.url),
        "private": artifact.origin.private,
    }
    if "url" in query:
        return table | {"layouts": await _layouts(parts, ecosystem, artifact, query)}
    await parts.logins.load(ecosystem.name)
    places = list(_places(parts, ecosystem, artifact, query.get("source", "")))
    if "source" not in query:
        return table | {"sources": _sources(parts, artifact, places)}
    asked = [each for each in places if not each.why_not]
    if query["source"] != "*":
        chosen = [each for each in places if each.source_id == query["source"]]
        asked = [each for each in chosen if not each.why_not]
        if not asked:
            why = chosen[0].why_not if chosen else "is not known"
            raise LocalError("not-asked", f"it {why}", fault_of="nobody")
        found = await measuring.measure(
            parts.client, asked[0], artifact, _headers(parts, artifact, asked[0])
        )
        _learn(parts, artifact, found)
        return table | {"measured": _told(found)}
    among = set(query.get("among", "").split(",")) - {""}
    asked = [each for each in asked if not among or each.source_id in among]
    together = await measuring.measure_together(
        parts.client, asked, artifact, lambda each: _headers(parts, artifact, each)
    )
    return table | {"measured": _told(together)}


def _ecosystem(parts: Components, name: str) -> Ecosystem:
    found = next((each for each in parts.ecosystems if each.name == name), None)
    if found is None:
        raise LocalError(
            "no-origin",
            f"no tool here has an origin of {name or 'that ecosystem'}",
            hint="`headrace status` shows the origins that there are",
        )
    return found


def _places(
    parts: Components, ecosystem: Ecosystem, artifact: Artifact, also: str
) -> Iterator[MeasuredSource]:
    """Yield the sources in use, and the one that is asked for although it is not."""
    mirrors = list(parts.sources.mirrors(ecosystem.name))
    if also not in ("", "*", ORIGIN, *(mirror.id for mirror in mirrors)):
        every = (*parts.sources.own(), *parts.plugins.mirrors(ecosystem.name))
        mirrors += [each for each in every if each.id == also and each.ecosystem == ecosystem.name][
            :1
        ]
    for mirror in mirrors:
        lets_in = parts.logins.may_be_asked(mirror)
        yield measuring.place(artifact, ecosystem, mirror, lets_in=lets_in)
    yield measuring.at_origin(artifact, of_origin(artifact.origin))


def _sources(
    parts: Components, artifact: Artifact, places: list[MeasuredSource]
) -> list[dict[str, Any]]:
    records = parts.statistics.snapshot(parts.network())
    mirrors = {each.id: each for each in parts.sources.mirrors(artifact.ecosystem)}
    told = []
    for each in places:
        mirror = mirrors.get(each.source_id)
        known = standing(mirror, artifact.object_class, records) if mirror else None
        told.append(
            {
                "id": each.source_id,
                "url": for_display(each.url or (mirror.url if mirror else "")),
                "own": each.own,
                "asked": not each.why_not,
                "why_not": each.why_not,
                "rate": known.rate if known else None,
            }
        )
    return told


def _headers(parts: Components, artifact: Artifact, at: MeasuredSource) -> Mapping[str, str]:
    source = Source(at.source_id, at.url, is_origin=at.source_id == ORIGIN)
    return headers_for(parts.credentials, parts.logins)(artifact, source)


def _learn(parts: Components, artifact: Artifact, found: Measured) -> None:
    parts.sources.report(
        found.source_id,
        artifact.object_class,
        bytes=found.received,
        seconds=found.seconds,
        rtt=found.rtt or None,
        fault=found.fault,
        retry_after=found.retry_after,
        path=artifact.path,
    )


def _told(found: Measured) -> dict[str, Any]:
    return {
        "id": found.source_id,
        "bytes": found.received,
        "seconds": round(found.seconds, 3),
        "rtt": round(found.rtt, 4) or None,
        "rate": found.rate,
        "fault": found.fault.value if found.fault else None,
        "retry_after": found.retry_after,
        "message": found.message,
    }


async def _layouts(
    parts: Components, ecosystem: Ecosystem, artifact: Artifact, query: Mapping[str, str]
) -> list[dict[str, Any]]:
    known = ecosystem.layouts if isinstance(ecosystem, NamesLayouts) else ()
    wanted = [query["layout"]] if "layout" in query else list(known)
    tried = await measuring.find_layout(parts.client, query["url"], wanted, artifact, ecosystem)
    return [
        {
            "layout": each.layout,
            "url": for_display(each.url),
            "fits": each.fits,
            "message": each.message,
        }
        for each in tried
    ]


# ------------------------------------------------------------------ the file


async def _file(parts: Components, ecosystem: Ecosystem, what: str) -> Artifact:
    """Return a file to measure with: the one that is named, one that came lately, or one that the
    ecosystem knows; LocalError where there is none.
    """
    why = ""
    if not what:
        lately = [each.event.artifact for each in parts.activity.recent]
        fitting = [each for each in lately if _fits(each, ecosystem)]
        if fitting:
            return max(fitting, key=lambda each: each.size or 0)
        samples = list(ecosystem.samples()) if isinstance(ecosystem, HasSamples) else []
    else:
        samples = [what]
    for sample in samples:
        try:
            found = await _largest(parts, ecosystem, sample)
        except (HeadraceError, ValueError) as error:
            why = error.message if isinstance(error, HeadraceError) else str(error)
            continue
        if found is not None:
            return found
    raise _no_file(what, why)


def _fits(artifact: Artifact, ecosystem: Ecosystem) -> bool:
    return (
        artifact.ecosystem == ecosystem.name
        and artifact.mirrored
        and artifact.digest is not None
        and not artifact.origin.private
        and (artifact.size or 0) >= _LEAST
    )


def _no_file(what: str, why: str) -> LocalError:
    named = f"nothing that can be measured is known by the name {what}" if what else ""
    return LocalError(
        "no-file",
        named or f"no file to measure with is known{': ' + why if why else ''}",
        hint="install or pull something through headrace first: then that is measured with",
    )


async def _largest(parts: Components, ecosystem: Ecosystem, what: str) -> Artifact | None:
    within = next(iter(ecosystem.prefixes), "/")
    path = what if what.startswith("/") else f"{within}{what}/"
    plan = ecosystem.plan(Request("GET", path))
    if isinstance(plan, ServeArtifact):
        return await parts.artifact_index.find(ecosystem, plan, "", patient=True)
    if not isinstance(plan, ServeDocument):
        return None
    page = await parts.documents.get(ecosystem, plan, "")
    try:
        files = await asyncio.to_thread(page_comparison.named, ecosystem, plan, page.document)
    except UnreadableError:
        return None
    usable = [each for each in files.values() if each.mirrored]
    return max(usable, key=lambda each: each.size or 0, default=None)
