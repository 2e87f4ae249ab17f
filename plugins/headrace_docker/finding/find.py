"""What ``headrace image find`` says: the newest image that a host runs, and why no newer one.

The registry is asked for its tags through the gateway; what is read of images is what an engine
would get, and is kept for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from headrace.interface import (
    AskForAnswer,
    Explanation,
    Host,
    dataclass,
    host_text,
    image_kind,
    load_cuda_tables,
)
from headrace_docker.finding import told
from headrace_docker.finding.asked import AskedImage, meant_family, read_asked
from headrace_docker.finding.families import Families, families
from headrace_docker.finding.listing import TagListing, list_tags
from headrace_docker.finding.reading import ImageRead, read_image
from headrace_docker.finding.search import Search, Searched
from headrace_docker.finding.tags import ImageTag, admitted, in_order, read_tags

__all__ = ["FoundImage", "find", "look", "newest_named"]

_TOOL = "image"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where it is looked for, and what led there."""

    asked: AskedImage
    listing: TagListing
    why: tuple[str, ...] = ()
    """Why it is not the one that was named."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """What came of looking for one: what is said of it, and the facts where there is one."""

    explanation: Explanation
    asked: AskedImage | None = None
    searched: Searched | None = None


def find(
    what: str, flavour: str, host: Host, ask: AskForAnswer, known: Families | None = None
) -> Explanation:
    """Look for an image; one explanation, whatever comes of it. See `look`."""
    return look(what, flavour, host, ask, known).explanation


def look(
    what: str, flavour: str, host: Host, ask: AskForAnswer, known: Families | None = None
) -> FoundImage:
    """Look for an image.

    `flavour`: ``runtime``, ``devel`` or empty for the usual one. `known`: the families; not given:
    those that headrace ships.
    """
    tables, known = load_cuda_tables(), known or families()
    kind = image_kind(host, tables)
    asked = read_asked(what, known, kind)
    if isinstance(asked, str):
        return _nothing(asked)
    found = _place(asked, known, host, ask)
    if isinstance(found, str):
        return _nothing(found)
    if not found.listing.tags:
        return _nothing(*found.why, found.listing.problem or f"{asked.place} has no tags")
    asked, listing = found.asked, found.listing
    every = list(read_tags(listing.tags, asked.family))
    wanted = flavour or asked.flavour or (asked.family.flavour if asked.family else "")
    tags = admitted(every, asked.specifier, wanted)
    notes = list(_about_tags(asked, listing, every, tags, flavour, wanted))
    searched = Search(host, tables, known, asked.family).newest(
        tags, lambda tag: _read(asked, tag, host, ask)
    )
    here = host_text(host, tables)
    lines = [
        *found.why,
        *told.result(asked, searched, here, host),
        *told.passed(searched),
        *notes,
    ]
    told_of_it = Explanation(
        _TOOL,
        tuple(lines),
        paths=searched.image.paths if searched.image is not None else (),
        table=told.table(asked, searched, listing, here, [*found.why, *notes]),
        answers=searched.tag is not None,
    )
    return FoundImage(told_of_it, asked, searched)


def newest_named(
    what: str, flavour: str, host: Host, ask: AskForAnswer, known: Families | None = None
) -> tuple[AskedImage, ImageTag] | FoundImage:
    """Look for the newest tag of what was asked for, whether a host runs its image or not; where
    there is none, what is said of that. See `look`.
    """
    known = known or families()
    asked = read_asked(what, known, image_kind(host, load_cuda_tables()))
    found = asked if isinstance(asked, str) else _place(asked, known, host, ask)
    if isinstance(found, str):
        return _nothing(found)
    asked, listing = found.asked, found.listing
    every = list(read_tags(listing.tags, asked.family))
    wanted = flavour or asked.flavour or (asked.family.flavour if asked.family else "")
    tags = in_order(admitted(every, asked.specifier, wanted), None)
    if not tags:
        return _nothing(*found.why, *_about_tags(asked, listing, every, tags, flavour, wanted))
    return asked, tags[0]


def _read(asked: AskedImage, tag: ImageTag, host: Host, ask: AskForAnswer) -> ImageRead | str:
    return read_image(asked.registry, asked.repository, tag.text, host.machine, ask)


def _nothing(*lines: str) -> FoundImage:
    table = {"image": None, "why": list(lines)}
    return FoundImage(Explanation(_TOOL, lines, table=table, answers=False))


# ------------------------------------------------------------------ which repository


def _place(asked: AskedImage, known: Families, host: Host, ask: AskForAnswer) -> _Place | str:
    """Find the repository: the one that was named, else the one that was meant."""
    tables = load_cuda_tables()
    listing = list_tags(asked.registry, asked.repository, ask)
    if not listing.answered:
        return listing.problem
    if not listing.missing:
        return _Place(asked, listing)
    exists = "" if listing.unled else _unlisted(asked, host, ask)
    if exists:
        return exists
    kind = image_kind(host, tables)
    family = meant_family(asked, known, kind) if asked.named else None
    if family is None or family.place == asked.place:
        return told.no_such(asked, listing) + told.perhaps(asked, known)
    why = [told.no_such(asked, listing), *told.no_build(asked, family, tables)]
    why.append(f"images of {family.name} are those of {family.place}")
    there = list_tags(family.registry, family.repository, ask)
    meant = replace(
        asked, registry=family.registry, repository=family.repository, family=family, tag=""
    )
    return _Place(meant, there, tuple(why))


def _unlisted(asked: AskedImage, host: Host, ask: AskForAnswer) -> str:
    """Say so where a registry gives images and no list of them; empty: there are none either."""
    tag = asked.tag or "latest"
    image = read_image(asked.registry, asked.repository, tag, host.machine, ask)
    if image == told.UNGIVEN:
        return ""
    return (
        f"{asked.registry} gives images of {asked.repository}, and no list of its tags: "
        f"`headrace explain docker:{asked.place}:{tag}` tells of one that you name"
    )


def _about_tags(  # noqa: PLR0917 - all that was asked for, and what came of it
    asked: AskedImage,
    listing: TagListing,
    every: list[ImageTag],
    tags: list[ImageTag],
    flavour: str,
    wanted: str,
) -> Iterator[str]:
    if listing.problem:
        yield listing.problem
    if asked.tag and asked.tag not in listing.tags:
        yield f"{asked.place} has no tag {asked.tag}"
    if not every:
        yield f"none of the tags of {asked.place} is spelt as those of its family"
    elif not tags:
        yield f"no tag of {asked.place} is {asked.specifier or wanted}"
    elif flavour and not any(tag.flavour for tag in every):
        yield f"the tags of {asked.place} do not tell runtime from devel"
