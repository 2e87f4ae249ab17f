"""A search in words and as values. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headrace.interface import BuildKind, CudaTables, Host, catalogue, counted, find_release, meant
from headrace_docker.finding.asked import AskedImage
from headrace_docker.finding.families import Families, ImageFamily
from headrace_docker.finding.listing import TagListing
from headrace_docker.finding.search import Searched
from headrace_docker.finding.tags import ImageTag
from headrace_docker.registry_api.registries import HUB, known_registries
from headrace_docker.registry_api.sizes import size_text

__all__ = ["UNGIVEN", "no_build", "no_such", "passed", "perhaps", "result", "table"]

#: As `read_image` says it.
UNGIVEN = "is listed, and its manifest is not given"
#: Reasons that are told, and tags that are named for each.
_REASONS, _NAMED = 8, 3
_PACKED = "unpacked: its manifest does not tell"


def result(asked: AskedImage, searched: Searched, here: str, host: Host) -> Iterator[str]:
    """Say which image it is, and what it weighs; or that there is none, and what would help."""
    tag, image, contents = searched.tag, searched.image, searched.contents
    if tag is None or image is None or contents is None:
        yield f"nothing of {asked.place} that was looked at runs here: {here}"
        yield from _what_would(searched)
        yield from _elsewhere(asked, host)
        return
    yield f"{asked.place}:{tag.text}"
    cuda = contents.toolkit
    what = f"CUDA {cuda[0]}.{cuda[1]}" if cuda else f"ROCm {contents.rocm}" if contents.rocm else ""
    if searched.forward:
        yield f"runs here by its own libraries for older drivers: it has {what}; here: {here}"
    elif what:
        yield f"runs here: it has {what}; here: {here}"
    else:
        unsaid = "runs here as far as its configuration tells: it does not speak of a GPU"
        yield f"{unsaid}; here: {here}"
    if contents.kind is BuildKind.CUDA and any(
        gpu.maker == "nvidia" and gpu.capability is None for gpu in host.accelerators
    ):
        yield "what one of the GPUs is capable of could not be read: its kernels are not compared"
    facts = image.facts
    unpacked = f"{size_text(image.unpacked)} unpacked" if image.unpacked is not None else _PACKED
    layers = counted(facts.layers, "layer")
    yield f"{size_text(facts.size)} to fetch in {layers}; {unpacked}; {', '.join(facts.platforms)}"
    yield f"pinned: {asked.place}@{image.digest}"


def _what_would(searched: Searched) -> Iterator[str]:
    """Name what asks for the least; the reasons are in the order of the newest of each."""
    wanting = [(why, tags) for why, tags in searched.passed.items() if why.startswith("needs ")]
    if wanting:
        why, tags = wanting[-1]
        yield f"what asks for the least: {tags[-1].text} {why}"


def _elsewhere(asked: AskedImage, host: Host) -> Iterator[str]:
    """Say what is next where this machine has no GPU: it is often not the one it is meant for."""
    if host.accelerators or host.target:
        return
    yield "for a host that has a GPU say which: `--for driver=550,gpu=A100`"
    if asked.family is not None and asked.family.lead:
        name = asked.family.name
        yield (
            f"for the processor alone: `headrace image write {name} DIR --slim` writes a folder to "
            "build one from"
        )


def passed(searched: Searched) -> Iterator[str]:
    """Say why none of the newer ones, grouped by reason."""
    reasons = list(searched.passed.items())
    for why, tags in reasons[:_REASONS]:
        named = ", ".join(tag.text for tag in tags[:_NAMED])
        more = f" and {len(tags) - _NAMED} more" if len(tags) > _NAMED else ""
        yield f"not {named}{more}: {why}"
    if len(reasons) > _REASONS:
        yield f"not {counted(len(reasons) - _REASONS, 'other group')}: --json tells of them"
    if searched.unread:
        number = counted(len(searched.unread), "tag")
        yield (
            f"{number} more, the newest being {searched.unread[0].text}, would have to be read to "
            "know; name a version to have them looked at"
        )


def _registries() -> set[str]:
    return {name for each in known_registries() for name in (each.name, *each.aliases)}


def no_such(asked: AskedImage, listing: TagListing) -> str:
    """Say that there is no such repository for strangers, or nobody who could be asked for it."""
    known = asked.registry in _registries()
    if listing.unled and not known and asked.registry in catalogue.hosts():
        return (
            f"{asked.registry} is a mirror of packages, and no registry of images: there is no "
            f"{asked.repository} to be pulled from it"
        )
    if listing.unled:
        return (
            f"{asked.registry} is no registry that the gateway leads: those are the public ones, "
            "and yours by `--origin` or your engines' settings (docs/docker.md)"
        )
    return (
        f"{asked.registry} has no {asked.repository} for strangers; an engine with your login may "
        "know one"
    )


def perhaps(asked: AskedImage, known: Families) -> str:
    """Name the family whose name was probably meant, to stand at a sentence's end."""
    own = f"library/{asked.words.partition(':')[0]}"
    official = asked.registry == HUB and asked.repository == own
    return meant(own.partition("/")[2], known.names) if official else ""


def no_build(asked: AskedImage, family: ImageFamily, tables: CudaTables) -> Iterator[str]:
    """Say why there can be no image as a tag asks for it: a release without that CUDA."""
    if not family.lead or asked.cuda is None or asked.specifier is None:
        return
    with_it = [
        release.version
        for release in tables.releases
        if any(build.toolkit == asked.cuda for build in release.builds)
    ]
    wanted = f"{asked.cuda[0]}.{asked.cuda[1]}"
    release = find_release(tables, asked.specifier)
    if release is None or any(build.toolkit == asked.cuda for build in release.builds):
        return
    has = ", ".join(f"{build.toolkit[0]}.{build.toolkit[1]}" for build in release.builds)
    text = f"{tables.lead} {release.version} has no build for CUDA {wanted}, but for {has}"
    if with_it:
        text += f"; the last one with CUDA {wanted} is {with_it[0]}"
    yield text


def table(
    asked: AskedImage, searched: Searched, listing: TagListing, here: str, notes: Sequence[str]
) -> dict[str, object]:
    """Return it as plain values, for ``--json``."""
    tag, image, contents = searched.tag, searched.image, searched.contents
    facts = image.facts if image is not None else None
    family = asked.family
    return {
        "image": f"{asked.place}:{tag.text}" if tag is not None else None,
        "pinned": f"{asked.place}@{image.digest}" if image is not None else None,
        "repository": asked.place,
        "tag": tag.text if tag is not None else None,
        "digest": image.digest if image is not None else None,
        "size": facts.size if facts is not None else None,
        "unpacked": image.unpacked if image is not None else None,
        "layers": facts.layers if facts is not None else None,
        "platforms": list(facts.platforms) if facts is not None else [],
        "cuda": list(contents.toolkit) if contents and contents.toolkit else None,
        "rocm": (contents.rocm or None) if contents is not None else None,
        "requires": list(facts.need.constraints) if facts is not None and facts.need else [],
        "forward_compatibility": searched.forward,
        "host": here,
        "passed_over": [
            {"why": why, "tags": [each.text for each in tags]}
            for why, tags in searched.passed.items()
        ],
        "unread": _texts(searched.unread),
        "tags_listed": len(listing.tags),
        "images_read": searched.read,
        "family": family
        and {"name": family.name, "date": family.date, "sources": list(family.sources)},
        "notes": list(notes),
    }


def _texts(tags: Sequence[ImageTag]) -> list[str]:
    return [tag.text for tag in tags]
