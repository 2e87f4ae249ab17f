"""Which build a machine gets, read from a channel's records without a solver. Pure.

What is told is necessary and not sufficient: each build's own conditions on the machine, and
whether each package that it depends on has a version whose conditions hold, some levels down. That
all of them go together only a solver knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cmp_to_key

from headrace.interface import dataclass
from headrace_conda.builds.records import CARRIER, PackageBuild, newest_first
from headrace_conda.builds.versions import Condition, compare

__all__ = ["RecordReader", "SeenMachine", "Verdict"]

#: Gives a package's builds in the channels; None: not known.
Listed = Callable[[str], Sequence[PackageBuild] | None]

#: Levels of packages below the one that is asked for, and how many of them are looked at.
_LEVELS = 2
_MOST = 40


@dataclass(frozen=True, slots=True)
class SeenMachine:
    """What conda's solver is told of a machine."""

    virtual: Mapping[str, tuple[str | None, str | None]]
    """Version and build of each virtual package that there is (``__cuda``); None: not known."""
    python: str = ""
    """The Python that is to be in the environment; empty: any."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One build, and what is in its way."""

    build: PackageBuild
    obstacle: str = ""
    """A part of a sentence; empty: nothing that is seen."""


@dataclass(slots=True)
class RecordReader:
    """Reads one machine's packages."""

    machine: SeenMachine
    listed: Listed
    _known: dict[str, Sequence[PackageBuild] | None] = field(default_factory=dict)
    _brought: dict[tuple[Condition, int], str] = field(default_factory=dict)
    _newest: dict[Condition, str] = field(default_factory=dict)

    def verdicts(self, builds: Sequence[PackageBuild]) -> list[Verdict]:
        """Judge builds of one package, in the order in which conda would take them."""
        judged = [Verdict(each, self._obstacle(each, _LEVELS)) for each in newest_first(builds)]
        return sorted(judged, key=cmp_to_key(self._order), reverse=True)

    def _order(self, left: Verdict, right: Verdict) -> int:
        """Of builds with one version and number that goes first which brings newer packages."""
        mine, other = left.build, right.build
        same = (mine.features, mine.number) == (other.features, other.number)
        if not same or compare(mine.version, other.version):
            return 0
        wins = 0
        theirs = {each.name: each for each in other.depends}
        for each in mine.depends:
            if each.name in theirs and each != theirs[each.name]:
                best, its = self._best(each), self._best(theirs[each.name])
                wins += compare(best, its) if best and its else 0
        return (wins > 0) - (wins < 0) or (mine.built > other.built) - (mine.built < other.built)

    def _best(self, wanted: Condition) -> str:
        """Return the newest version that a condition allows; empty: none is known."""
        if wanted not in self._newest:
            fit = [each for each in self._of(wanted.name) or () if wanted.met_by(each.version)]
            self._newest[wanted] = newest_first(fit)[0].version if fit else ""
        return self._newest[wanted]

    def _of(self, name: str) -> Sequence[PackageBuild] | None:
        if name not in self._known:
            self._known[name] = self.listed(name) if len(self._known) < _MOST else None
        return self._known[name]

    def _obstacle(self, build: PackageBuild, levels: int) -> str:
        """Say what keeps a build from this machine, in its own words; empty: nothing."""
        for each in build.depends:
            if each.name.startswith("__") and (why := self._machine_lacks(each)):
                return why
        for each in build.constrains:
            # A constraint speaks of what is there, and wants nothing to be there.
            if each.name in self.machine.virtual and (why := self._machine_lacks(each)):
                return why
        real = [each for each in build.depends if not each.name.startswith("__")]
        # Only so many are looked at: first those that speak of GPUs.
        real.sort(key=lambda each: CARRIER.fullmatch(each.name) is None)
        for each in real if levels else ():
            if (each, levels) not in self._brought:
                self._brought[each, levels] = self._cannot_bring(each, levels)
            if why := self._brought[each, levels]:
                return why
        return ""

    def _machine_lacks(self, wanted: Condition) -> str:
        if wanted.name not in self.machine.virtual:
            return f"needs {wanted}, and there is none"
        version, build = self.machine.virtual[wanted.name]
        if wanted.met_by(version, build):
            return ""
        return f"needs {wanted}, and it is {version if version is not None else build}"

    def _cannot_bring(self, wanted: Condition, levels: int) -> str:
        """Look whether any version that a condition allows can be there."""
        if wanted.name == "python" and self.machine.python:
            # Any patch of it: the newest stands for it.
            newest = f"{self.machine.python}.999"
            if not wanted.met_by(newest):
                return f"needs {wanted}, and Python is to be {self.machine.python}"
        known = self._of(wanted.name)
        if known is None:
            return ""
        fit = [each for each in known if wanted.met_by(each.version, each.build)]
        if not fit:
            return f"needs {wanted}, which is in none of the channels"
        why = ""
        for each in newest_first(fit):
            found = self._obstacle(each, levels - 1)
            if not found:
                return ""
            why = why or f"needs {wanted}, and {each.name} {each.version} {found}"
        return why
