"""What images that files name are made of, for each platform that is wanted. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from headrace.interface import ImageToWarm, NamedImages
from headrace_docker.gpu.preflight import linux_on
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
    for asked in _by_platform(question):
        for image in all_named(asked):
            key = image.whole, _platform(image, asked)
            images.setdefault(key, image)
            places.setdefault(key, []).extend([str(image.place)] if image.place else [])
    for key, image in images.items():
        yield _one(image, tuple(dict.fromkeys(places[key])), key[1], question)


def _by_platform(question: NamedImages) -> Iterator[NamedImages]:
    """Ask for each platform by itself: a Dockerfile may name another image for each."""
    for platform in question.platforms:
        yield replace(question, platforms=(platform,))
    if not question.platforms:
        yield question


def _platform(image: NamedImage, question: NamedImages) -> str:
    asked = next(iter(question.platforms), "")
    return asked or image.platform or linux_on(question.find_host())


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
