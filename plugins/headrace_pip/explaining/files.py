"""Which file of a project a plain install would take here, and why: for ``headrace explain``.

The page is asked for through the gateway, as an installer does; specifiers and tags are read by
`packaging`, as installers do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import unquote

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from headrace.interface import AskGateway, Explanation, Host, Place, counted, dataclass
from headrace_pip.explaining import interpreter, wheel_variants
from headrace_pip.index import read_ahead
from headrace_pip.index.environment import Environment
from headrace_pip.index.names import normalised, project_of, version_of
from headrace_pip.simple_api import json_form
from headrace_pip.simple_api.model import JSON_TYPE, FileLink, ProjectPage

__all__ = ["explain"]

_TOOL = "python"
_BASE = "http://gateway/"
_LONGEST_VERSION = 128
_SUFFIXES = (".whl", ".tar.gz", ".zip")


def explain(
    what: str,
    version: str | None,
    place: Place,
    ask: AskGateway,
    find_host: Callable[[], Host] = Host,
) -> Iterable[Explanation]:
    """Say it; nothing where no index here has such a project.

    `what` is a project's or a file's name, `version` one, a specifier as PEP 440 has it, or none;
    `find_host` tells of the machine's accelerators, where that matters.
    """
    if "/" in what:
        return []
    exact = version and version[0] not in "=<>!~"
    specifier = f"=={version}" if exact else version or ""
    named = project_of(what) if what.endswith(_SUFFIXES) else None
    project = named or normalised(what)
    page = _page(project, ask) if project is not None else None
    if project is None or page is None:
        return []
    if named is None:
        return [_taken(page, project, specifier, place, _Variants(page, project, ask, find_host))]
    files = [each for each in page.files if each.filename == what]
    return [_told([f"{what} is on the page of {project}"], each) for each in files]


def _page(project: str, ask: AskGateway) -> ProjectPage | None:
    body = ask(f"/simple/{project}/", JSON_TYPE)
    try:
        # Its links are the gateway's own paths; the base only makes them whole.
        return json_form.parse(json_form.load(body), _BASE, project) if body else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Variants:
    """The wheel variants of a project."""

    page: ProjectPage
    project: str
    ask: AskGateway
    find_host: Callable[[], Host]

    def told(self, wanted: SpecifierSet, where: Environment) -> list[str]:
        """Say which of the newest release that has some uv would take."""
        tables = {
            version: file
            for file in self.page.files
            if (version := self._told_of(file.filename)) is not None and not file.yanked
        }
        newest = max(wanted.filter(tables), default=None)
        body = self.ask(_path(tables[newest]), "*/*") if newest is not None else None
        if body is None:
            return []
        named = (wheel_variants.label_of(file.filename) for file in self.page.files)
        labels = [
            label
            for name, label in named
            if _version(version_of(name)) == newest and read_ahead.tag_rank(name, where) is not None
        ]
        return wheel_variants.told(body, labels, self.find_host())

    def _told_of(self, filename: str) -> Version | None:
        """Return the version whose variants a file tells; None: it is no such file."""
        name, _, text = filename.removesuffix(wheel_variants.TABLE).rpartition("-")
        own = filename.endswith(wheel_variants.TABLE) and normalised(name) == self.project
        return _version(text) if own else None


def _version(text: str | None) -> Version | None:
    try:
        return Version(text) if text and len(text) <= _LONGEST_VERSION else None
    except InvalidVersion:
        return None


def _taken(
    page: ProjectPage, project: str, specifier: str, place: Place, variants: _Variants
) -> Explanation:
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return _nothing(f"{specifier!r} is no version specifier (PEP 440)")
    here = interpreter.found(place)
    if here is None:
        return _nothing("no interpreter here says what fits it")
    program, where = here
    file = read_ahead.newest_fitting(page, where, wanted)
    for_whom = f"{where.implementation} {where.python}, {where.system} {where.cpu}, {program}"
    if file is None:
        every = counted(len(page.files), "file")
        nothing = _nothing(f"none of {every} of {project}{wanted} is for {for_whom}")
        return replace(nothing, table={**nothing.table, "python": where.python})
    condition = f" that is {wanted}" if specifier else ""
    why = f"{file.filename}: the newest release{condition} with a file for {for_whom}"
    told = _told([why], file, for_whom)
    lines = (*told.lines, *variants.told(wanted, where))
    return replace(told, lines=lines, table={**told.table, "python": where.python})


def _path(file: FileLink) -> str:
    """Return the gateway's path of a file, or its origin's URL."""
    return unquote(file.url.removeprefix(_BASE.rstrip("/")))


def _nothing(why: str) -> Explanation:
    return Explanation(_TOOL, (why,), table={"file": None, "why": why}, answers=False)


def _told(lines: list[str], file: FileLink, for_whom: str = "") -> Explanation:
    if file.yanked:
        reason = f": {file.yanked}" if isinstance(file.yanked, str) else ""
        lines.append(f"it is yanked{reason}")
    path = _path(file)
    # What the gateway does not serve keeps its origin's URL.
    paths = (path,) if path.startswith("/") else ()
    if not paths:
        lines.append(f"it comes from {file.url} itself")
    return Explanation(_TOOL, tuple(lines), paths, {"file": file.filename, "for": for_whom or None})
