"""Whether the digests that files pin are still what their tags are; if not, what changed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from headrace.interface import (
    Host,
    ImagePin,
    NamedImages,
    PinState,
    counted,
    image_kind,
    load_cuda_tables,
)
from headrace_docker.finding.families import families
from headrace_docker.finding.reading import ImageRead
from headrace_docker.finding.search import Search
from headrace_docker.finding.tags import read_tag
from headrace_docker.keeping.reading import machine_of, objects, read
from headrace_docker.naming.files import all_named
from headrace_docker.naming.named import NamedImage
from headrace_docker.registry_api.sizes import size_text

__all__ = ["outdated"]

#: What is told of an image's variables and labels, and how many of them, and how long.
_TELLING = re.compile(r"(?i)(?:^|[._])(?:version|revision)$")
_MOST, _LONGEST = 8, 60
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NOTHING = "is pinned by a digest alone: no tag says what it should be now"
_FOLLOWS = "is not pinned: a pull brings what the tag is then"


def outdated(question: NamedImages) -> Iterator[ImagePin]:
    """Yield each image that is named, once, in the order in which they are."""
    images: dict[str, NamedImage] = {}
    places: dict[str, list[NamedImage]] = {}
    for image in all_named(question):
        images.setdefault(image.whole, image)
        places.setdefault(image.whole, []).append(image)
    pins = [_pin(image, places[whole], question) for whole, image in images.items()]
    yield from _agreed(pins)


def _agreed(pins: list[ImagePin]) -> Iterator[ImagePin]:
    """Leave out what cannot be written: one digest that two tags have, which are two by now."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for pin in pins:
        for file in pin.files:
            # Also one that could not be read: nothing says that it has the new one.
            wanted.setdefault((file, pin.old), set()).add(pin.new or pin.old)
    for pin in pins:
        same = all(len(wanted[file, pin.old]) == 1 for file in pin.files)
        if pin.state is PinState.MOVED and not same:
            why = "the same digest stands there for another tag too, and is not written by itself"
            yield replace(pin, lines=(*pin.lines, why), new="")
        else:
            yield pin


def _pin(image: NamedImage, named: list[NamedImage], question: NamedImages) -> ImagePin:
    places = tuple(dict.fromkeys(str(each.place) for each in named if each.place))
    files = tuple(dict.fromkeys(each.place.file for each in named if each.place))
    if not image.repository:
        found = _DIGEST.search(image.text)
        pinned = found[0] if found is not None else ""
        return ImagePin(
            image.text, places, PinState.FAILED, (image.problem,), old=pinned, files=files
        )
    if not image.digest:
        return ImagePin(image.whole, places, PinState.NOT_PINNED, (_FOLLOWS,))
    if not image.tag:
        return ImagePin(
            image.whole,
            places,
            PinState.NOT_KNOWABLE,
            (_NOTHING,),
            old=image.digest,
            files=files,
        )
    host = question.find_host()
    machine = machine_of(image.platform) if image.platform else host.machine
    now = read(image, image.tag, machine, question.ask)
    if isinstance(now, str):
        return ImagePin(image.whole, places, PinState.FAILED, (now,), old=image.digest, files=files)
    table: dict[str, object] = {"tag": image.tag, "pinned": image.digest, "now": now.digest}
    if image.digest == now.digest or image.digest in now.listed:
        return ImagePin(
            image.whole, places, PinState.CURRENT, (), table, old=image.digest, files=files
        )
    old = read(image, image.digest, machine, question.ask)
    new = _successor(old, now)
    table["now"] = new
    lines, changed = _changes(image, old, now, new)
    runs = _runs(image, now, host)
    kept = {each.digest for each in old.parts} if isinstance(old, ImageRead) else set()
    coming = tuple(each for each in now.parts if each.digest not in kept)
    return ImagePin(
        image.whole,
        places,
        PinState.MOVED,
        (*lines, runs),
        {**table, **changed, "runs": runs},
        tuple(objects(image, coming)),
        image.digest,
        new,
        files,
    )


def _successor(old: ImageRead | str, now: ImageRead) -> str:
    """Return the digest to pin: of one platform's image where the old one is that of one, and the
    tag is of several.
    """
    alone = isinstance(old, ImageRead) and not old.listed
    return now.manifests[-1].digest if alone and now.listed else now.digest


def _changes(
    image: NamedImage, old: ImageRead | str, now: ImageRead, new: str
) -> tuple[list[str], dict[str, object]]:
    """Say what is other in the new one, in words and as values."""
    created = now.about.get("created", "")[:10]
    lines = [
        f"{image.tag} is {new} now, made {created}" if created else f"{image.tag} is {new} now"
    ]
    if isinstance(old, str):
        return [*lines, f"what changed is not known: {old}"], {"changed": None}
    before, after = _told(old), _told(now)
    changed = {
        name: [before.get(name), after.get(name)]
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }
    lines += [
        f"{name}: {was or '-'} before, {then or '-'} now"
        for name, (was, then) in list(changed.items())[:_MOST]
    ]
    kept = {each.digest for each in old.parts}
    layers = now.parts[1:]
    shared = [each for each in layers if each.digest in kept]
    size = sum(each.size or 0 for each in layers if each.digest not in kept)
    has = counted(len(layers), "layer")
    lines.append(
        f"{len(shared)} of its {has} are those of the old one; the others have {size_text(size)}"
    )
    values: dict[str, object] = {
        "created": [old.about.get("created"), now.about.get("created")],
        "changed": changed,
        "layers": len(layers),
        "shared_layers": len(shared),
        "size_of_others": size,
    }
    return lines, values


def _told(image: ImageRead) -> dict[str, str]:
    """Return the versions that an image speaks of."""
    both: dict[str, str] = {**image.about, **image.facts.environment}
    return {
        name[:_LONGEST]: value[:_LONGEST] for name, value in both.items() if _TELLING.search(name)
    }


def _runs(image: NamedImage, now: ImageRead, host: Host) -> str:
    """Say whether the new one runs here, by the rule of ``image find``."""
    tables, known = load_cuda_tables(), families()
    family = known.at(image.registry, image.repository, image_kind(host, tables))
    tag = read_tag(image.tag, family) or read_tag(image.tag, None)
    if tag is None:
        return "whether it runs here is not known"
    why = Search(host, tables, known, family).why_not(tag, now)
    return f"it does not run here: it {why}" if why else "it runs here, as far as it tells"
