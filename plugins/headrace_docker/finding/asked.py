"""What was typed behind ``headrace image find``: a family, a repository, a version. Pure."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from headrace.interface import BuildKind, dataclass
from headrace_docker.finding.families import Families, ImageFamily
from headrace_docker.finding.tags import read_tag
from headrace_docker.gpu.requirements import cuda_in_tag
from headrace_docker.registry_api.image_names import read_name

__all__ = ["AskedImage", "read_asked"]

_WHAT = re.compile(r"\s*([^\s<>=!~]+)\s*([<>=!~].*)?")
_SHORT = re.compile(r"==\s*(\d{1,8}(?:\.\d{1,8})?)\s*")
#: A family and its version, put together as other programs have it.
_LOOSE = re.compile(r"\s*([A-Za-z-]+)(?:\s+|\s*=\s*)v?(\d{1,8}(?:\.\d{1,8}){0,3})\s*")
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class AskedImage:
    """It, as it is understood."""

    words: str
    registry: str
    repository: str
    family: ImageFamily | None
    specifier: SpecifierSet | None = None
    tag: str = ""
    """A tag that was named; its version then counts as a specifier."""
    flavour: str = ""
    """Of the tag that was named."""
    cuda: tuple[int, int] | None = None
    """The CUDA that such a tag speaks of."""
    named: bool = False
    """A repository was named, not a family."""

    @property
    def place(self) -> str:
        """``docker.io/pytorch/pytorch``."""
        return f"{self.registry}/{self.repository}"


def read_asked(what: str, known: Families, kind: BuildKind) -> AskedImage | str:
    """Read it for a host of some kind; a sentence where it means nothing."""
    match = _WHAT.fullmatch(what) if len(what) <= _LONGEST else None
    if match is None:
        return _no_name(what, known)
    word, wanted = match[1], (match[2] or "").strip()
    specifier = None
    if wanted:
        specifier = _specifier(wanted)
        if specifier is None:
            text = f"{wanted[:60]!r} is no specifier of a version, as ==2.9 or >=2.8,<3"
            return text + _meant_version(what, known)
    if family := known.named(word, kind):
        return AskedImage(word, family.registry, family.repository, family, specifier)
    named = read_name(word)
    if named is None:
        return _no_name(word, known)
    tag = named.tag if named.tag != "latest" else ""
    family = known.at(named.registry, named.repository, kind)
    read = read_tag(tag, family) or read_tag(tag, None) if tag else None
    if read is not None and specifier is None and read.version.release != (0,):
        specifier = SpecifierSet(f"=={'.'.join(map(str, read.version.release))}.*")
    return AskedImage(
        word,
        named.registry,
        named.repository,
        family,
        specifier,
        tag,
        read.flavour if read is not None else "",
        cuda_in_tag(tag) if tag else None,
        named=True,
    )


def _no_name(what: str, known: Families) -> str:
    text = f"{what[:60]!r} is no image's name, as pytorch, torch==2.9 or pytorch/pytorch"
    if what != what.lower() and read_name(what.lower()) is not None:
        # A registry has no capitals; who writes them means a name without.
        return f"{text}; did you mean {what.lower()[:60]!r}?"
    return text + _meant_version(what, known)


def _meant_version(what: str, known: Families) -> str:
    """Say how a family and a version are written, where it is those two."""
    match = _LOOSE.fullmatch(what) if len(what) <= _LONGEST else None
    if match is None or match[1].lower() not in known.names:
        return ""
    return f"; did you mean '{match[1].lower()}=={match[2]}'?"


def _specifier(text: str) -> SpecifierSet | None:
    """Read one; of a version that is written with its first numbers alone any patch does."""
    short = _SHORT.fullmatch(text)
    try:
        return SpecifierSet(f"=={short[1]}.*" if short else text)
    except InvalidSpecifier:
        return None


def meant_family(asked: AskedImage, known: Families, kind: BuildKind) -> ImageFamily | None:
    """Return the family that the name of a repository which is not there speaks of."""
    for part in asked.repository.split("/"):
        if family := known.named(part, kind):
            return family
    return None
