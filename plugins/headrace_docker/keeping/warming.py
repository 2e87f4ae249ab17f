"""What images that files name are made of, for each platform that is wanted. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.interface import ImageToWarm, NamedImages
from headrace_docker.gpu.preflight import MACHINES
from headrace_docker.keeping.reading import machine_of, objects, read
from headrace_docker.naming.files import all_named
from headrace_docker.naming.named import NamedImage

__all__ = ["to_warm"]


def to_warm(question: NamedImages) -> Iterator[ImageToWarm]:
    """Yield each image once for each platform: those that are asked for, else the one that its file
    names, else the host's.
    """
    places: dict[tuple[str, str], list[str]] = {}
    images: dict[tuple[str, str], NamedImage] = {}
    for image in all_named(question):
        for platform in _platforms(image, question):
            key = image.whole, platform
            images.setdefault(key, image)
            places.setdefault(key, []).extend([str(image.place)] if image.place else [])
    for key, image in images.items():
        yield _one(image, tuple(dict.fromkeys(places[key])), key[1], question)


def _platforms(image: NamedImage, question: NamedImages) -> tuple[str, ...]:
    if question.platforms:
        return question.platforms
    if image.platform:
        return (image.platform,)
    machine = question.find_host().machine
    return (f"linux/{MACHINES.get(machine, machine)}",)


def _one(
    image: NamedImage, places: tuple[str, ...], platform: str, question: NamedImages
) -> ImageToWarm:
    if not image.repository:
        return ImageToWarm(image.text, places, platform, problem=image.problem)
    reference = image.digest or image.tag
    found = read(image, reference, machine_of(platform), question.ask)
    if isinstance(found, str):
        return ImageToWarm(image.whole, places, platform, problem=found)
    made_of = tuple(objects(image, (*found.manifests, *found.parts)))
    return ImageToWarm(image.whole, places, platform, made_of)
