"""Why a source stands where it does in the order of `selection`, as a phrase. Pure."""

from __future__ import annotations

from headrace.models import MirrorStats, Source
from headrace.policy.selection import SMALL, is_known, predict

__all__ = ["reason"]

#: Failures below this share are not worth a word.
_WORTH_A_WORD = 0.05


def reason(
    source: Source, known: MirrorStats, size: int | None, now: float, *, private: bool
) -> str:
    """Say it, of a source that is asked for a file of `size` bytes (None: not known)."""
    if source.is_origin:
        return _of_origin(source, private=private)
    if known.mirror.first:
        return "shared by this fleet: asked before all others while it delivers"
    if source.reserve:
        return "in reserve: asked while neither the origin nor another does well"
    if not is_known(known, now):
        return "not measured here lately: by the catalogue's guess, and for a sample"
    if size is None:
        return "by what it gave here lately"
    what = "round trips count" if size <= SMALL else "its rate counts"
    failures = (
        f", {known.failures:.0%} of requests failed" if known.failures > _WORTH_A_WORD else ""
    )
    return f"about {predict(known, size):.1f} s for this size ({what}{failures})"


def _of_origin(source: Source, *, private: bool) -> str:
    if private:
        return "your own index: nobody else is asked for its names"
    if source.reserve:
        return "the origin, in reserve: asked while no mirror does well"
    return "the origin: last, and never left out"
