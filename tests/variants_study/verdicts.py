"""What is wrong with what came."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from variants_study.asked import Asked
from variants_study.hosts import StudyHost
from variants_study.rule import covered, label_of, stack
from variants_study.stage import Listed, Took

__all__ = ["Verdict", "families", "verdicts"]

_LEAD = "torch"


class Verdict(enum.StrEnum):
    """A kind of mistake."""

    REGRESSION = "regression"
    """It fails where plain pip succeeds."""
    MIXED = "mixed"
    """Torch and what follows it are of different stacks, and one that would not be was listed."""
    WRONG = "wrong"
    """It does not run on the best GPU for which an admitted build was listed."""
    EXCHANGED = "exchanged"
    """Plain pip's runs; it became an older release, another major for no more GPUs, or one that
    runs on fewer."""
    OVERRULED = "overruled"
    """The user named the build, and another came."""
    ORACLE = "oracle"
    """`explain` names another file than pip takes."""


@dataclass(frozen=True, slots=True)
class _Family:
    """Torch, and whether all that is asked for with it is there of one stack."""

    lead: str
    complete: bool


def verdicts(
    asked: Asked,
    host: StudyHost,
    plain: Took,
    ours: Took,
    listed: Sequence[Listed],
    *,
    explained: Mapping[str, str] | None = None,
) -> list[tuple[Verdict, str]]:
    """Say what is wrong; nothing, if all is well.

    `explained`: see `Stage.explained`.
    """
    found = list(_oracle(ours, explained or {}))
    if not ours.fine:
        if plain.fine:
            last = ours.told.strip().splitlines()[-1:]
            found.append((Verdict.REGRESSION, f"plain pip takes {_told(plain)}; {''.join(last)}"))
        return found
    if asked.named:
        if plain.versions != ours.versions:
            found.append((Verdict.OVERRULED, f"{_told(plain)} became {_told(ours)}"))
        return found
    found += _of_family(asked, host, plain, ours, listed)
    return found


def _oracle(ours: Took, explained: Mapping[str, str]) -> Iterator[tuple[Verdict, str]]:
    for project, path in explained.items():
        took = ours.urls.get(project, "")
        if path != took:
            names = [each.rpartition("/")[2] or "nothing" for each in (path, took)]
            yield Verdict.ORACLE, f"explain says {names[0]}, pip takes {names[1]}"


def _of_family(
    asked: Asked, host: StudyHost, plain: Took, ours: Took, listed: Sequence[Listed]
) -> Iterator[tuple[Verdict, str]]:
    lead = ours.versions.get(_LEAD, asked.installed)
    there = families(asked, lead if _LEAD not in ours.versions else "", listed)
    whole = [each.lead for each in there if each.complete]
    strangers = {
        project: version
        for project, version in ours.versions.items()
        if project != _LEAD
        and (label := label_of(project, version))
        and stack(label) != stack(label_of(_LEAD, lead))
    }
    if strangers and whole:
        same = "; so does plain pip" if plain.versions == ours.versions else ""
        yield Verdict.MIXED, f"{_told(ours, lead)}{same}"
    if _LEAD not in ours.versions:
        return
    mine = covered(lead, host)
    best = _best(host, (covered(each, host) for each in whole))
    if best is not None and best not in mine:
        example = max((each for each in whole if best in covered(each, host)), key=Version)
        yield Verdict.WRONG, f"{_told(ours)}; torch {example} runs, and is listed"
    before = plain.versions.get(_LEAD, "")
    if before and (not host.gpus or best in covered(before, host)):
        gained, lost = mine > covered(before, host), covered(before, host) > mine
        other = stack(label_of(_LEAD, lead)) != stack(label_of(_LEAD, before))
        older = Version(lead).release < Version(before).release
        if lost or older or (other and not gained):
            yield Verdict.EXCHANGED, f"{_told(plain)} runs, and became {_told(ours)}"


def _best(host: StudyHost, coverages: Iterable[frozenset[int]]) -> int | None:
    """Return the most capable GPU that something runs on."""
    served = frozenset[int]().union(*coverages)
    return max(served, key=lambda number: host.gpus[number].capability or (0, 0), default=None)


def families(asked: Asked, installed: str, listed: Sequence[Listed]) -> list[_Family]:
    """List the builds of torch that a request admits; `installed` alone, where that stays."""
    needs: Mapping[str, str] = dict(asked.needs)
    admitted: dict[str, list[Listed]] = {}
    for each in listed:
        if (each.project in needs or each.project == _LEAD) and _admits(
            needs.get(each.project, ""), each, asked.before
        ):
            admitted.setdefault(each.project, []).append(each)
    leads = [installed] if installed else sorted({e.version for e in admitted.get(_LEAD, [])})
    followers = [project for project in needs if project != _LEAD]
    found = []
    for lead in leads:
        fitting = {
            project: [
                each
                for each in admitted.get(project, [])
                if SpecifierSet(each.requires).contains(lead, prereleases=True)
            ]
            for project in followers
        }
        if all(fitting.values()):
            alike = stack(label_of(_LEAD, lead))
            complete = all(
                any(stack(label_of(one.project, one.version)) == alike for one in every)
                for every in fitting.values()
            )
            found.append(_Family(lead, complete))
    return found


def _admits(specifier: str, each: Listed, before: str) -> bool:
    wanted = SpecifierSet(specifier)
    return wanted.contains(each.version, prereleases=True) and (
        not before or each.uploaded < before
    )


def _told(took: Took, lead: str = "") -> str:
    shown = {_LEAD: lead} | dict(took.versions) if lead else dict(took.versions)
    names = [
        f"{project} {version}{'' if '+' in version else f' ({label})'}"
        for project, version in sorted(shown.items())
        if (label := label_of(project, version))
    ]
    return ", ".join(names) or "nothing of the family"
