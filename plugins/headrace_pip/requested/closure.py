"""What others' packages bring: the newest admitted release of each project that is asked for, what
that requires, and so on, until nothing new comes.

It is a guess at what pip will find, good enough to know what is asked of a family of builds: no
conflict is resolved here. What is installed and will be kept is read where it is.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import field

from packaging.specifiers import SpecifierSet

from headrace.interface import (
    Document,
    ServeArtifact,
    ServeDocument,
    UnreadableError,
    dataclass,
    foreign,
)
from headrace_pip.index.read_ahead import requirements_of
from headrace_pip.index.wheel_metadata import metadata_of_wheel
from headrace_pip.requested.needs import ProjectNeed, release_need

__all__ = ["Closure", "Index", "Specifiers", "joined"]

#: Requirements to begin with; projects and requirements beside these that are looked at, documents
#: at a time, and times that all is gone through again because a requirement has become narrower.
_ROOTS = 1000
_PROJECTS = 300
_REQUIREMENTS = 5000
_AT_A_TIME = 32
_ROUNDS = 64
#: Characters of a specifier.
_LONGEST = 512

Specifiers = Mapping[str, str]
"""By project; empty: any version."""
Step = Generator[Sequence[ServeDocument | ServeArtifact], Sequence[Document | None], None]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Index:
    """How the documents of projects are planned."""

    page: Callable[[str], ServeDocument]
    """A project's page."""
    metadata: Callable[[ServeDocument, Document, SpecifierSet], ServeArtifact | None]
    """What holds the metadata of the newest release that a specifier admits."""


def joined(specifiers: Collection[str]) -> str:
    """Join several specifiers; each once."""
    return ",".join(sorted({each for text in specifiers if text for each in text.split(",")}))


@dataclass(slots=True)
class Closure:
    """All that a request leads to. `family` are the projects that are not looked into."""

    roots: Sequence[ProjectNeed]
    limits: Specifiers
    """Constraints, which count for what is asked for by somebody."""
    family: Collection[str]
    index: Index
    markers: Mapping[str, str]
    fixed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What projects require whose very file is known."""
    kept: Callable[[str, str], Sequence[str] | None] = lambda _, __: None
    """What a project requires that is installed and stays, for a specifier."""
    whole: bool = True
    """False: something could not be read, or was too much."""
    _releases: dict[Key, Sequence[str]] = field(default_factory=dict)
    _read: dict[tuple[Key, frozenset[str]], Sequence[ProjectNeed]] = field(default_factory=dict)
    """What releases require, by the extras that are asked for."""
    _pages: dict[str, Document] = field(default_factory=dict)

    def walk(
        self,
    ) -> Generator[Sequence[ServeDocument | ServeArtifact], Sequence[Document | None], Specifiers]:
        """Go through all; return what is asked of each project in the end."""
        known: Specifiers = {}
        if len(self.roots) > _ROOTS:
            self.whole = False
            return self.asked()
        for _ in range(_ROUNDS):
            found, missing = self._through(known)
            if found != known:
                known = found
            elif missing:
                yield from self._bring(missing)
            else:
                return known
        self.whole = False
        return known

    def asked(self) -> Specifiers:
        """Return what the roots alone ask for."""
        specifiers: dict[str, list[str]] = defaultdict(list)
        for need in self.roots:
            specifiers[need.project].append(need.specifier)
        return {name: self._all(name, texts) for name, texts in specifiers.items()}

    def _all(self, project: str, specifiers: Collection[str]) -> str:
        return joined((*specifiers, self.limits.get(project, "")))

    def _through(self, known: Specifiers) -> tuple[Specifiers, list[Key]]:
        """Go from the roots as far as what releases require is known."""
        specifiers: dict[str, list[str]] = defaultdict(list)
        missing: dict[Key, None] = {}
        seen: set[tuple[str, frozenset[str]]] = set()
        queue = deque(self.roots)
        left = len(self.roots) + _REQUIREMENTS
        most = len(self.roots) + _PROJECTS
        while queue:
            need = queue.popleft()
            left -= 1
            if left < 0 or len(specifiers) > most:
                self.whole = False
                break
            specifiers[need.project].append(need.specifier)
            if need.project in self.family or (need.project, need.extras) in seen:
                continue
            seen.add((need.project, need.extras))
            key = (need.project, known.get(need.project, self._all(need.project, [need.specifier])))
            requires = self._required(key)
            if requires is None:
                missing[key] = None
            else:
                queue.extend(self._needs(key, requires, need.extras))
        return {name: self._all(name, texts) for name, texts in specifiers.items()}, list(missing)

    def _required(self, key: Key) -> Sequence[str] | None:
        if key[0] in self.fixed:
            return self.fixed[key[0]]
        if key not in self._releases and (kept := self.kept(*key)) is not None:
            self._releases[key] = kept
        return self._releases.get(key)

    def _needs(
        self, key: Key, requires: Sequence[str], extras: frozenset[str]
    ) -> Sequence[ProjectNeed]:
        known = self._read.get((key, extras))
        if known is None:
            known = self._read[key, extras] = self._read_all(requires[:_REQUIREMENTS], extras)
        return known

    def _read_all(self, requires: Sequence[str], extras: frozenset[str]) -> list[ProjectNeed]:
        found = []
        for text in requires:
            try:
                need = release_need(text, self.markers, extras)
            except UnreadableError:
                self.whole = False
                continue
            if need is not None:
                # Of what is elsewhere by its URL nothing is known.
                self.whole = self.whole and not need.place
                found.append(need)
        return found

    def _bring(self, missing: Sequence[Key]) -> Step:
        """Find out what releases require."""
        some = missing[:_AT_A_TIME]
        lacking = sorted({project for project, _ in some if project not in self._pages})
        if lacking:
            brought = yield [self.index.page(project) for project in lacking]
            found = zip(lacking, brought, strict=True)
            self._pages |= {project: page for project, page in found if page is not None}
        plans = {key: plan for key in some if (plan := self._plan(*key)) is not None}
        documents = (yield list(plans.values())) if plans else ()
        texts = dict(zip(plans, documents, strict=True))
        for key in some:
            document = texts.get(key)
            text = None if document is None else _metadata(plans[key].path, document.body)
            self.whole = self.whole and text is not None
            self._releases[key] = requirements_of(text or "")

    def _plan(self, project: str, specifier: str) -> ServeArtifact | None:
        page = self._pages.get(project)
        if page is None or len(specifier) > _LONGEST:
            return None
        try:
            with foreign("a page"):
                return self.index.metadata(self.index.page(project), page, SpecifierSet(specifier))
        except UnreadableError:
            return None


def _metadata(path: str, body: bytes) -> str | None:
    return (
        body.decode("utf-8", "replace") if path.endswith(".metadata") else metadata_of_wheel(body)
    )
