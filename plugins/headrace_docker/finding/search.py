"""The newest image of a repository that a host runs, and why no newer one. Pure.

Names decide first: a tag that says a CUDA which the driver cannot run is not asked for. Of the
others manifest and configuration are read, newest first, until one fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field

from headrace.interface import (
    Architectures,
    BuildKind,
    CudaTables,
    Host,
    ImageContents,
    dataclass,
    image_kind,
    in_the_way,
)
from headrace_docker.finding.families import Families, ImageFamily
from headrace_docker.finding.reading import ImageRead
from headrace_docker.finding.tags import ImageTag, in_order
from headrace_docker.gpu.requirements import failing

__all__ = ["Search", "Searched"]

#: Images that are read at most: of those whose tag alone promises that they run, and of others.
_READ = 8
_RELEASE = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")
_ARCHITECTURE = re.compile(r"(\d{1,2})\.(\d)[a-z]?(\+PTX)?", re.IGNORECASE)
#: A minor that no CUDA has.
_ANY_MINOR = 99

ReadImage = Callable[[ImageTag], ImageRead | str]


@dataclass(frozen=True, slots=True)
class Searched:
    """What came of it."""

    tag: ImageTag | None
    """None: nothing that was looked at runs."""
    image: ImageRead | None
    contents: ImageContents | None
    forward: bool = False
    """It runs by libraries of its own for older drivers."""
    passed: Mapping[str, tuple[ImageTag, ...]] = field(default_factory=dict)
    """Why not each newer one: reason to tags, the newest first."""
    unread: tuple[ImageTag, ...] = ()
    """Those that only their configuration could have told more of, beyond the bound."""
    read: int = 0


class Search:
    """For one host, in one repository."""

    def __init__(
        self, host: Host, tables: CudaTables, known: Families, family: ImageFamily | None
    ) -> None:
        """`family`: None: a repository of which nothing is known."""
        self._host = host
        self._tables = tables
        self._family = family
        self._kind = image_kind(host, tables)
        self._datacentre = known.is_datacentre(host)

    def newest(self, tags: Iterable[ImageTag], read: ReadImage) -> Searched:
        """Look for it; `read` gives an image, or why it cannot be read."""
        passed: dict[str, list[ImageTag]] = {}
        unread: list[ImageTag] = []
        failed: dict[object, str] = {}
        left = {True: _READ, False: _READ}
        for tag in in_order(tags, self._host.cuda):
            why = failed.get(tag.series, "") or self._by_name(tag)
            sure = self._promises(tag)
            if not why and not left[sure]:
                unread.append(tag)
                continue
            if not why:
                left[sure] -= 1
                image = read(tag)
                if isinstance(image, ImageRead):
                    contents, forward, why = self._by_configuration(tag, image)
                    if not why:
                        told = {text: tuple(those) for text, those in passed.items()}
                        used = 2 * _READ - sum(left.values())
                        return Searched(tag, image, contents, forward, told, tuple(unread), used)
                    if tag.version.release != (0,):
                        failed[tag.series] = why
                else:
                    why = image
            passed.setdefault(why, []).append(tag)
        told = {text: tuple(those) for text, those in passed.items()}
        used = 2 * _READ - sum(left.values())
        return Searched(None, None, None, False, told, tuple(unread), used)

    def why_not(self, tag: ImageTag, image: ImageRead) -> str:
        """Say why an image that was read does not run; empty where it does."""
        return self._by_configuration(tag, image)[2]

    # ------------------------------------------------------------------ by its name

    def _by_name(self, tag: ImageTag) -> str:
        """Say why a tag's image surely does not run; empty where it may."""
        family = self._family
        if family is None:
            # The tag may speak of another part of it than what decides; its configuration decides.
            kind = BuildKind.CUDA if tag.cuda else self._kind
            return in_the_way(ImageContents(kind, tag.cuda), self._host, self._tables)
        may_forward = family.compat and self._datacentre
        if tag.cuda is None and family.kind is BuildKind.CUDA:
            return self._by_table(tag, family)
        contents = self._contents(tag)
        why = in_the_way(contents, self._host, self._tables, own_driver=may_forward)
        if not why and self._demands_more(tag) and not self._datacentre:
            return _demands(f"cuda>={_dotted(tag.cuda)}")
        return why

    def _by_table(self, tag: ImageTag, family: ImageFamily) -> str:
        """Say why none of the CUDAs that a tag without one may hold would do."""
        since = [cuda for version, cuda in family.holds if version <= tag.version.release]
        if not since:
            return in_the_way(ImageContents(family.kind), self._host, self._tables)
        major, minor = since[-1][0], since[-1][1]
        every = [
            in_the_way(ImageContents(family.kind, toolkit), self._host, self._tables)
            for toolkit in ((major, minor), (major, _ANY_MINOR))
        ]
        return every[0] if all(every) else ""

    def _promises(self, tag: ImageTag) -> bool:
        """Whether the name alone says that it runs, so that its configuration is a formality."""
        if self._family is None or self._family.kind is not BuildKind.CUDA:
            return self._family is not None
        if tag.cuda is None or self._demands_more(tag):
            return False
        return not in_the_way(self._contents(tag), self._host, self._tables)

    def _demands_more(self, tag: ImageTag) -> bool:
        cuda, here = tag.cuda, self._host.cuda
        demands = self._family is not None and self._family.demands
        return bool(demands and cuda and here and cuda > here)

    def _contents(self, tag: ImageTag) -> ImageContents:
        assert self._family is not None
        lead = str(tag.version) if self._family.lead else ""
        return ImageContents(self._family.kind, tag.cuda, lead, rocm=tag.rocm)

    # ------------------------------------------------------------------ by its configuration

    def _by_configuration(self, tag: ImageTag, image: ImageRead) -> tuple[ImageContents, bool, str]:
        contents = self._told(tag, image)
        need = image.facts.need
        texts = need.constraints if need is not None else ()
        wrong = (failing(text, self._host, datacentre=self._datacentre) for text in texts)
        refused = next(filter(None, wrong), "")
        if refused:
            return contents, False, _demands(refused)
        why = in_the_way(contents, self._host, self._tables)
        brings = (need is not None and need.forward) or (
            self._family is not None and self._family.compat
        )
        # Which older drivers its libraries do for, it says itself, by the brands of such cards.
        names_it = self._datacentre and any("brand" in text for text in texts)
        if not why or not (brings and names_it):
            return contents, False, why
        why = in_the_way(contents, self._host, self._tables, own_driver=True)
        return contents, not why, why

    def _told(self, tag: ImageTag, image: ImageRead) -> ImageContents:
        """What name and configuration say together; the configuration first."""
        environment, need = image.facts.environment, image.facts.need
        family = self._family
        kind = family.kind if family else BuildKind.CUDA if need else self._kind
        toolkit = need.cuda if need else tag.cuda
        nvidias = "NVIDIA_PYTORCH_VERSION" in environment
        lead = environment.get("PYTORCH_VERSION", "")
        if family is not None and family.lead:
            lead = str(tag.version)
        elif nvidias or not _RELEASE.fullmatch(lead):
            # A build of its own; what it has kernels for it says beside that.
            lead = ""
        own = nvidias or (family is not None and family.cuda == "configuration")
        kernels = _kernels(environment.get("TORCH_CUDA_ARCH_LIST", "")) if own else None
        return ImageContents(kind, toolkit, lead, kernels, tag.rocm)


def _demands(what: str) -> str:
    return f"demands {what}, to which the nvidia runtime holds it (with CDI nobody does)"


def _dotted(pair: tuple[int, int] | None) -> str:
    return ".".join(map(str, pair or ()))


def _kernels(text: str) -> Architectures | None:
    """Read ``7.5 8.0 9.0a 12.0+PTX``; None: it says nothing that is known."""
    words = [word for word in re.split(r"[\s;,]+", text) if word]
    found = [_ARCHITECTURE.fullmatch(word) for word in words]
    if not found:
        return None
    pairs = [((int(each[1]), int(each[2])), bool(each[3])) for each in found if each is not None]
    if len(pairs) != len(words):
        return None
    return Architectures(
        tuple(pair for pair, _ in pairs), tuple(pair for pair, jit in pairs if jit)
    )
