"""From a program to what its user asks of a project, step by step.

The order is pip's: its command line and settings, the files that they name, what is installed, and
what all of that brings with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import field, replace

from packaging.specifiers import SpecifierSet

from headrace.interface import (
    ConfigurationError,
    Program,
    RequestRead,
    RequestReading,
    UnreadableError,
    VariantRequest,
    dataclass,
    foreign,
)
from headrace_pip.index import environment
from headrace_pip.index.environment import Environment
from headrace_pip.pytorch.index import names_builds
from headrace_pip.requested import command_line, settings, target
from headrace_pip.requested.closure import Closure, Index, Specifiers, joined
from headrace_pip.requested.command_line import PipCommand
from headrace_pip.requested.installed import InstalledProjects
from headrace_pip.requested.needs import ProjectNeed, need_of
from headrace_pip.requested.projects import Project, group, project_at, script
from headrace_pip.requested.requirement_files import FileLine, RequirementFiles

__all__ = ["BuildFamily", "CommandNeeds", "KeptProjects", "read"]


@dataclass(frozen=True, slots=True)
class BuildFamily:
    """The projects that builds are chosen for."""

    lead: str
    members: frozenset[str]
    beside: Collection[str] = ()
    """Others that bear on the choice."""


def read(
    asked: VariantRequest, program: Program, where: Environment, family: BuildFamily, index: Index
) -> RequestReading:
    """Find out what `program`, a pip that installs as `where` says, asks for beside `asked`."""
    told = command_line.of_pip(program.arguments)
    if told is None:
        return RequestRead(asked, whole=False)
    interpreter, arguments = told
    try:
        command = settings.complete(command_line.options(arguments), program)
    except (ConfigurationError, UnreadableError):
        return RequestRead(asked, whole=False)
    python = "{}.{}".format(*where.python_pair)
    installed = InstalledProjects(program, interpreter, python)
    request = target.aimed(asked, command, free_threaded=installed.free_threaded)
    if request is None:
        return None
    needs = CommandNeeds(program, environment.markers(where), family)
    needs.of_command(command)
    if needs.explicit:
        return RequestRead(replace(request, explicit=needs.explicit, known=True))
    keeps = KeptProjects(command, installed, {need.project for need in needs.direct})
    closure = Closure(
        needs.direct,
        needs.limits(),
        family.members,
        index,
        needs.markers,
        {each.name: each.requires for each in needs.places if each.name},
        keeps.requires,
        whole=needs.whole,
    )
    alone = "no_dependencies" in command.switches
    specifiers = closure.asked() if alone else (yield from closure.walk())
    if not alone and not family.members.isdisjoint(specifiers):
        # Whatever follows the lead requires it; what it may be for that the tables know.
        limit = closure.limits.get(family.lead, "")
        specifiers = {family.lead: limit, **specifiers}
    whole = closure.whole and asked.project in specifiers
    others = (*family.members, *family.beside)
    return RequestRead(
        replace(
            request,
            specifier=specifiers.get(asked.project, ""),
            companions=tuple(
                (name, specifiers[name])
                for name in sorted(others)
                if name in specifiers and name != asked.project
            ),
            installed=keeps.version(family.lead, specifiers.get(family.lead, "")),
            # Who asks for it, and for what of it, was not found where it is not among them.
            known=asked.project in specifiers,
        ),
        whole,
    )


@dataclass(slots=True)
class CommandNeeds:
    """What a command asks for by itself."""

    program: Program
    markers: dict[str, str]
    family: BuildFamily
    direct: list[ProjectNeed] = field(default_factory=list)
    constraints: list[ProjectNeed] = field(default_factory=list)
    places: list[Project] = field(default_factory=list)
    explicit: str = ""
    """Not empty: the user has chosen the very build, and how."""
    whole: bool = True

    def of_command(self, command: PipCommand) -> None:
        """Read the words, and the files that the options name."""
        words = command.words[1:] if command.name == "index" else command.words
        lists = command.lists
        files = RequirementFiles(self.program)
        self._indexes((command.values.get("index_url", ""), *lists["extra_index_urls"]))
        self._indexes(lists["find_links"])
        for word in words:
            self._line(FileLine(word))
        for word in lists["editables"]:
            self._line(FileLine(word, editable=True))
        for name in lists["requirements"]:
            self._lines(files.read(name, constraint=False))
        for name in lists["constraints"]:
            self._lines(files.read(name, constraint=True))
        for read_all, names in ((group, lists["groups"]), (script, lists["scripts"])):
            for name in names:
                try:
                    self._lines(FileLine(text) for text in read_all(name, self.program))
                except (ConfigurationError, UnreadableError):
                    self.whole = False
        self.whole = self.whole and files.whole

    def limits(self) -> Specifiers:
        """Return what constraints say of each project."""
        found: dict[str, list[str]] = defaultdict(list)
        for need in self.constraints:
            found[need.project].append(need.specifier)
        return {name: joined(specifiers) for name, specifiers in found.items()}

    def _indexes(self, urls: Iterable[str]) -> None:
        if any(map(names_builds, urls)):
            self.explicit = self.explicit or "an index of builds"

    def _lines(self, lines: Iterable[FileLine]) -> None:
        for line in lines:
            self._indexes(line.indexes)
            if line.text:
                self._line(line)

    def _line(self, line: FileLine) -> None:
        try:
            need = need_of(line.text, self.markers, editable=line.editable)
        except UnreadableError:
            self.whole = False
            return
        if need is None:
            return
        if need.place:
            self._place(need, line)
            return
        if line.hashed and need.project in self.family.members and "+" not in need.specifier:
            # A build of another index is pinned with it: that one must be listed.
            self.explicit = self.explicit or "hashes"
        (self.constraints if line.constraint else self.direct).append(need)

    def _place(self, need: ProjectNeed, line: FileLine) -> None:
        try:
            project = project_at(need.place, self.program)
        except UnreadableError:
            project = Project("")
        name = need.project or project.name
        if name in self.family.members:
            self.explicit = self.explicit or "a URL or a file"
        if line.constraint:
            return
        self.whole = self.whole and project.whole
        # One without a name is like no other.
        name = name or f"at {need.place}"
        self.places.append(replace(project, name=name))
        self.direct.append(ProjectNeed(name, extras=need.extras))


@dataclass(slots=True)
class KeptProjects:
    """What pip leaves as it is installed (`pip._internal.resolution.resolvelib.factory`)."""

    command: PipCommand
    installed: InstalledProjects
    direct: Collection[str]

    def version(self, project: str, specifier: str) -> str | None:
        """Return the version that stays; None: none is there, or another one is wanted."""
        if not self._may(project) or project not in self.installed.distributions:
            return None
        version = self.installed.distributions[project].version
        try:
            with foreign("a version"):
                admitted = SpecifierSet(specifier).contains(version, prereleases=True)
        except UnreadableError:
            return None
        return version if admitted else None

    def requires(self, project: str, specifier: str) -> tuple[str, ...] | None:
        """Return what a project that stays requires; None: pip takes another."""
        return self.installed.requires(project) if self.version(project, specifier) else None

    def _may(self, project: str) -> bool:
        switches = self.command.switches
        # Another folder is filled from nothing; a prefix or a root is not.
        if self.command.name != "install" or "target" in self.command.values:
            return False
        if switches & {"ignore_installed", "force_reinstall"}:
            return False
        eager = self.command.values.get("upgrade_strategy") == "eager"
        return "upgrade" not in switches or not (eager or project in self.direct)
