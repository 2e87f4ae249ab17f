"""What a tag says: its version, its CUDA, its flavour. Pure.

A repository that is not of a known family is read by what most people write into tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from headrace.interface import dataclass
from headrace_docker.finding.families import ImageFamily
from headrace_docker.gpu.requirements import cuda_in_tag

__all__ = ["NO_TAG", "ImageTag", "admitted", "in_order", "read_tag", "read_tags"]

Pair = tuple[int, int]

#: Signatures, lists of parts and the like, which lie beside images under tags made of digests.
_NO_IMAGE = re.compile(r"sha(?:256|384|512)-[0-9a-f]{64,}.*")
#: Numbers that are not the image's own version.
_OTHERS = re.compile(
    r"(?:^|(?<=[-_.]))(?:cuda|cu|cudnn|python|py|cp|ubuntu|debian|ubi|rocm|rockylinux|alpine|torch|"
    r"pytorch|tf|jax)[-_]?\d[\d.]*",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"(?:^|(?<=[-_v]))v?(\d{1,8}(?:\.\d{1,8}){0,3}(?:[-.]?(?:rc|a|alpha|b|beta|post|dev)\.?\d{0,4})?)"
    r"(?=[-_+]|$)"
)
_UNFINISHED = re.compile(r"nightly|(?:^|[-_.])(?:dev|test|debug|canary)(?=[-_.]|\d|$)")
_FLAVOURS = re.compile(r"(?:^|[-_.])(runtime|devel|base)(?=[-_.]|$)")
_PARTS = re.compile(r"(\d+)")
_LONGEST = 128
#: What stands in a version's place where a tag has none: older than all.
_NONE = Version("0.dev0")


@dataclass(frozen=True, slots=True)
class ImageTag:
    """A tag as it is read."""

    text: str
    version: Version
    cuda: Pair | None = None
    """As the tag says it; None: it does not."""
    rocm: str = ""
    flavour: str = ""
    kind: str = ""
    """Not used to compare: where two tags differ in nothing but this they are for other systems."""

    @property
    def series(self) -> tuple[Version, Pair | None, str, str]:
        """Tags that are alike in this hold the same, on another system."""
        return self.version, self.cuda, self.rocm, self.flavour


#: What is said of an image that has none.
NO_TAG = ImageTag("", _NONE)


def read_tags(texts: Iterable[str], family: ImageFamily | None) -> Iterator[ImageTag]:
    """Read the tags of a repository; what is no image, or not of the family, is left out."""
    for text in texts:
        tag = read_tag(text, family)
        if tag is not None:
            yield tag


def read_tag(text: str, family: ImageFamily | None) -> ImageTag | None:
    """Read one; None: it is none of the family's, or no image at all."""
    if len(text) > _LONGEST or _NO_IMAGE.fullmatch(text):
        return None
    if family is None:
        return _plain(text)
    for spelling in family.spellings:
        match = spelling.fullmatch(text)
        if match is not None:
            return _spelt(text, match)
    return None


def _spelt(text: str, match: re.Match[str]) -> ImageTag | None:
    groups = match.groupdict()
    try:
        version = Version(match["version"])
    except InvalidVersion:
        return None
    cuda = groups.get("cuda")
    return ImageTag(
        text,
        version,
        cuda_in_tag(f"cuda{cuda}") if cuda else None,
        groups.get("rocm") or "",
        groups.get("flavour") or "",
    )


def _plain(text: str) -> ImageTag:
    flavour = _FLAVOURS.search(text)
    found = _VERSION.search(_OTHERS.sub("", text))
    version = _NONE
    if found is not None:
        try:
            version = Version(found[1])
        except InvalidVersion:
            version = _NONE
    return ImageTag(text, version, cuda_in_tag(text), flavour=flavour[1] if flavour else "")


def is_unfinished(tag: ImageTag) -> bool:
    """Whether it is no release: a nightly build, a release candidate."""
    return (tag.version.is_prerelease and tag.version != _NONE) or bool(
        _UNFINISHED.search(tag.text)
    )


def admitted(
    tags: Iterable[ImageTag], specifier: SpecifierSet | None, flavour: str
) -> list[ImageTag]:
    """Leave those that are asked for; what is no release only where there is nothing else.

    A flavour counts where tags speak of flavours at all.
    """
    found = [tag for tag in tags if specifier is None or _fits(tag, specifier)]
    if flavour and any(tag.flavour for tag in found):
        found = [tag for tag in found if tag.flavour == flavour]
    return [tag for tag in found if not is_unfinished(tag)] or found


def _fits(tag: ImageTag, specifier: SpecifierSet) -> bool:
    return tag.version != _NONE and specifier.contains(tag.version, prereleases=True)


def in_order(tags: Iterable[ImageTag], cuda: Pair | None) -> list[ImageTag]:
    """Put the newest first: by version; of one version by CUDA, as the driver has it nearest."""
    return sorted(tags, key=lambda tag: _key(tag, cuda), reverse=True)


def _key(tag: ImageTag, cuda: Pair | None) -> tuple[object, ...]:
    return tag.version, _nearness(tag.cuda, cuda), _natural(tag.rocm), _natural(tag.text)


def _nearness(toolkit: Pair | None, cuda: Pair | None) -> tuple[int, int, int]:
    """As of builds of packages: the newest major; of that one that the driver was made for before
    one that it merely runs, and the nearest of those.
    """
    if toolkit is None:
        return (0, 0, 0)
    major, minor = toolkit
    return (major, 1, minor) if cuda is None or toolkit <= cuda else (major, 0, -minor)


def _natural(text: str) -> tuple[tuple[int, int | str], ...]:
    """Numbers by their value, all else as text; a longer tag is not the better one."""
    parts = [part for part in _PARTS.split(text) if part]
    return tuple((1, int(part)) if part.isdecimal() else (0, part) for part in parts)
