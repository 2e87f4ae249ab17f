"""What the indexes list of a project and its lead, asked through the gateway, for `explain`.

Where the gateway or an index does not answer, the shipped tables tell, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from headrace.cli.context import Context
from headrace.cli.status import gateway_of
from headrace.interface.ecosystems import ListsBuilds
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.asked_labels import AskedLabels
from headrace.system.service.identity import Expected
from headrace.values import dataclass
from headrace.variants import listing
from headrace.variants.builds import Candidate, CudaTables, ListedFile
from headrace.variants.compatibility.gpu_names import chosen_for
from headrace.variants.compatibility.newer_labels import named_label, next_labels
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.pages import arrange, serve
from headrace.variants.target import VariantOverride
from headrace.variants.wheels import candidates_from, candidates_of_pages, misfit

__all__ = ["Listed", "listed"]

#: Seconds for one page; its longest in bytes.
_PATIENCE = 10.0
_LONGEST = 32 << 20
_JSON = "application/vnd.pypi.simple.v1+json"
_BY_TABLES = "what is listed is told by headrace's tables: no index answers here"
_BY_DEFAULT = (
    "the default index is as it is now; which variants there are is told by headrace's tables: "
    "their index does not answer"
)
_LIVE = "what is listed is as the indexes have it now"


@dataclass(frozen=True, slots=True)
class Listed:
    """What is there."""

    candidates: Sequence[Candidate]
    source: str
    """A sentence: who says so."""
    files: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """Of a page that was asked for: its files, by project and label."""

    def path_of(self, candidate: Candidate, host: Host, python: str | None) -> str | None:
        """Return the gateway's path of the candidate's wheel for a host."""
        for file in self.files.get((candidate.project, candidate.index), []):
            name, url = str(file.get("filename", "")), str(file.get("url", ""))
            found = candidates_from(candidate.project, [ListedFile(name)], index=candidate.index)
            if not found or found[0].name != candidate.name or not url.startswith("/"):
                continue
            if not misfit(found[0].wheels, host, python, None):
                return url
        return None


def listed(
    request: VariantRequest,
    tables: CudaTables,
    context: Context,
    address: GatewayAddress | None,
    *,
    host: Host,
    override: VariantOverride,
) -> Listed:
    """Ask for the default index's pages, then for those of the variants that matter here."""
    known = listing.listing(tables)
    origins = [found.origin for found in context.state.origins()] if address else []
    ecosystem = next(
        (each for each in context.plugins.ecosystems(origins) if isinstance(each, ListsBuilds)),
        None,
    )
    if address is None or ecosystem is None:
        return Listed(known, _BY_TABLES)
    names = {request.project, tables.lead, *(name for name, _ in request.companions)}
    family, expected = sorted(names & tables.family), gateway_of(context)[1].expected()
    files = _pages(ecosystem, address, expected, [(each, "") for each in family])
    if len(files) < len(family):
        return Listed(known, _BY_TABLES)
    own = _candidates(files)
    seen = {each.project for each in own}
    others = [each for each in known if each.index or each.project not in seen]
    guess = arrange(host, request, [*own, *others], tables, override)
    # What is asked for may take a build that no release of the lead was given.
    met = serve(host, request, [*own, *others], tables, override)
    pages = [*guess.pages.values(), *met.pages.values()]
    shown = {e.candidate.index for page in pages for e in page if e.listed} - {""}
    shown |= {named_label(override.build, known)} - {""}
    asked = AskedLabels(context.folders.cache)
    seen_host = chosen_for(override.host or host, tables)
    newer = asked.due(next_labels(seen_host, own, known, tables) if guess.pages else ())
    shown |= set(newer)
    if not shown:
        return Listed([*own, *others], _LIVE, files)
    labels = [(each, label) for each in family for label in shown]
    variants = _pages(ecosystem, address, expected, labels)
    for label in set(newer) - {label for (_, label), files in variants.items() if files}:
        asked.missing(label)
    if not variants:
        return Listed([*own, *others], _BY_DEFAULT, files)
    rest = [each for each in others if each.index not in shown or each.project not in family]
    every = files | variants
    added = [each for each in _candidates(every) if each.index]
    return Listed([*own, *added, *rest], _LIVE, every)


def _pages(
    ecosystem: ListsBuilds,
    address: GatewayAddress,
    expected: Expected,
    wanted: Sequence[tuple[str, str]],
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Ask the gateway for pages in the JSON form of the Simple API (PEP 691)."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for project, label in wanted:
        path = ecosystem.page_path(project, label)
        table = path and health.ask(
            address, expected, path, _PATIENCE, accept=_JSON, limit=_LONGEST
        )
        if isinstance(table, dict):
            files = table.get("files", [])
            found[project, label] = [file for file in files if isinstance(file, dict)]
    return found


def _candidates(pages: dict[tuple[str, str], list[dict[str, Any]]]) -> list[Candidate]:
    listed = {key: [_file(file) for file in files] for key, files in pages.items()}
    return candidates_of_pages(listed)


def _file(raw: dict[str, Any]) -> ListedFile:
    return ListedFile(
        str(raw.get("filename", "")), bool(raw.get("yanked")), dated=bool(raw.get("upload-time"))
    )
