"""What conda itself says: of the machine, of a package's builds, and of what it would install.

Its commands run in a child with a time limit, with the user's channels, solver, plugins and
variables; nothing is installed, and nothing is left but what conda keeps of its channels' pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headrace.interface import Place, dataclass
from headrace_conda.builds.records import PackageBuild, builds_in
from headrace_conda.tools import bases
from headrace_conda.tools.bases import Base

__all__ = ["Answer", "Conda"]

#: Seconds; the first pages of a large channel over a slow line, and a hard solve.
_SEARCH = 60.0
_SOLVE = 120.0
#: How conda ends a list of what it could not find.
_CHANNELS = "Current channels:"
#: The lines that its solvers draw, and characters of their words that are repeated.
_TREE = re.compile("[\u2500-\u257f]+")
_LONGEST = 400
#: Errors that are a solver's word; any other says that there was none.
_VERDICT = re.compile(r"NotFound|Unsatisfiable|Conflict")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a dry run came to."""

    packages: Mapping[str, Mapping[str, Any]]
    """What conda would put into a new environment, by name: version, build_string, url."""
    trouble: str = ""
    """Why it would put nothing there, in conda's words; empty: it would, or it said nothing."""
    answered: bool = True
    """Whether a solver spoke: not so where it took too long, or a channel could not be read."""


@dataclass(frozen=True, slots=True)
class Conda:
    """One conda, with the machine that it is to solve for."""

    base: Base
    place: Place

    @classmethod
    def of(cls, base: Base, place: Place, variables: Mapping[str, str]) -> Conda:
        """Take the user's environment, and what is different about the machine."""
        return cls(base, replace(place, environment={**place.environment, **variables}))

    def info(self) -> Mapping[str, Any]:
        """Return what it says of itself and the machine; empty where it says nothing."""
        told = bases.ask_conda(self.base, ["info", "--json"], self.place, plugins=True)
        return told if isinstance(told, dict) else {}

    def builds(self, spec: str, name: str) -> list[PackageBuild]:
        """List what its channels have of a package; empty: nothing, or no answer."""
        words = ["search", "--json", "--", spec]
        told = bases.ask_conda(self.base, words, self.place, patience=_SEARCH, plugins=True)
        listed = told.get(name) if isinstance(told, dict) else None
        try:
            return builds_in(name, listed if isinstance(listed, list) else ())
        except ValueError:
            return []

    def dry_run(self, *specs: str) -> Answer:
        """Ask what it would put into a new environment."""
        # A prefix that is not there; by a name conda would try whether it may write beside it.
        nowhere = self.place.home / ".conda" / "headrace-explains-and-makes-nothing"
        words = ["create", "--dry-run", "--json", "-p", str(nowhere), "--", *specs]
        told = bases.ask_conda(self.base, words, self.place, patience=_SOLVE, plugins=True)
        if not isinstance(told, dict):
            return Answer({}, answered=False)
        actions = told.get("actions")
        if told.get("success") is True and isinstance(actions, dict):
            return Answer(_packages(actions))
        text = str(told.get("message") or told.get("error") or "").partition(_CHANNELS)[0]
        solved = _VERDICT.search(str(told.get("exception_name"))) is not None
        return Answer({}, " ".join(_TREE.sub(" ", text).split())[:_LONGEST], answered=solved)


def _packages(actions: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Join what is linked with what is fetched, which alone has the file's URL."""
    found: dict[str, Mapping[str, Any]] = {}
    for kind in ("LINK", "FETCH"):
        listed = actions.get(kind)
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict) and isinstance(each.get("name"), str):
                found[each["name"]] = {**found.get(each["name"], {}), **each}
    return found
