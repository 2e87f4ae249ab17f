"""An image that is named, read through the gateway for one platform. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.interface import AskForAnswer, ImageObject
from headrace_docker.finding.listing import list_tags, refused
from headrace_docker.finding.reading import ImageRead, image_path, object_path, read_image
from headrace_docker.finding.told import UNGIVEN
from headrace_docker.naming.named import NamedImage
from headrace_docker.registry_api.manifests import ACCEPT, Descriptor

__all__ = ["machine_of", "objects", "read"]


def read(image: NamedImage, reference: str, machine: str, ask: AskForAnswer) -> ImageRead | str:
    """Read it by a tag or a digest; else a sentence that says why not."""
    found = read_image(image.registry, image.repository, reference, machine, ask)
    if isinstance(found, ImageRead):
        return found
    name = f"{image.repository_place}{'@' if ':' in reference else ':'}{reference}"
    if found != UNGIVEN:
        return f"{name} {found}"
    answer = ask(image_path(image.registry, image.repository, reference), ACCEPT)
    if why := refused(answer, image.registry):
        return why
    # Where nobody could ask for a tag there is no such manifest either; the list is told why.
    listing = list_tags(image.registry, image.repository, ask)
    if not listing.answered:
        return listing.problem
    return (
        f"{image.registry} has no {image.repository}{name[len(image.repository_place) :]} for "
        "strangers; an engine with your login may know it"
    )


def machine_of(platform: str) -> str:
    """Return the processor of ``linux/arm64``, as manifests call it."""
    return platform.partition("/")[2] or platform


def objects(image: NamedImage, parts: tuple[Descriptor, ...]) -> Iterator[ImageObject]:
    """Yield parts of an image with the gateway's paths."""
    for each in parts:
        path = object_path(image.registry, image.repository, each)
        yield ImageObject(path, each.digest, each.size or 0)
