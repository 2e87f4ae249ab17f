"""The Python ecosystem with pages for builds for accelerators: `headrace.interface.ListsBuilds`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from packaging.specifiers import SpecifierSet

from headrace.interface import (
    Document,
    ListedFile,
    NamedDocument,
    Origin,
    PageEntry,
    Program,
    Request,
    RequestRead,
    RequestReading,
    Response,
    ServeArtifact,
    ServeDocument,
    UnreadableError,
    VariantRequest,
    foreign,
    load_cuda_tables,
)
from headrace_pip.index import environment, paths
from headrace_pip.index.ecosystem import kept_of
from headrace_pip.index.own_urls import PythonAtOwnUrls
from headrace_pip.pytorch import index as variant_index
from headrace_pip.pytorch import pages as variant_pages
from headrace_pip.simple_api import html_form, json_form
from headrace_pip.simple_api.rewrite import headers_of, linked, parse, project_of_page

__all__ = ["PythonWithBuilds", "of_origins"]


class PythonWithBuilds(PythonAtOwnUrls):
    """Pure, as what it is made from: of a client's program it reads what that offers."""

    def samples(self) -> Iterable[str]:
        """Give the page of a project whose wheels are large, and on every mirror."""
        return ["/simple/numpy/"]

    def asked(self, request: Request, plan: ServeDocument) -> VariantRequest | None:
        """Say for whom pip installs; None: the page of this index, or of this client, stays."""
        default = self._origins.get(self._default)
        if variant_index.NAME not in self._origins or plan.origin != default or default.private:
            return None
        return variant_index.asked(request, project_of_page(plan))

    def requested(
        self, asked: VariantRequest, program: Program, request: Request
    ) -> RequestReading:
        """Read what pip was asked for beside one page."""
        from headrace_pip.requested.closure import Index  # noqa: PLC0415 - where pip comes
        from headrace_pip.requested.reading import BuildFamily, read  # noqa: PLC0415 - as above

        where = environment.read(request.headers.get("user-agent", ""))
        default = self._origins[self._default]
        if where is None:
            return RequestRead(asked, whole=False)
        tables = load_cuda_tables()
        family = BuildFamily(tables.lead, tables.family, {*tables.same_major, tables.npu})
        index = Index(
            lambda project: self._page(default, project),
            lambda plan, page, wanted: self.metadata_of(plan, page, where, wanted),
        )
        return (yield from read(asked, program, where, family, index))

    def asks_in_turn(self, request: Request) -> bool:
        """Whether this is pip: uv asks for all at once."""
        return request.headers.get("user-agent", "").startswith("pip/")

    def named(
        self, plan: ServeDocument, program: Program, request: Request
    ) -> Iterable[NamedDocument]:
        """List the pages that pip will ask for because its user named their projects."""
        from headrace_pip.requested.names import named_by_user  # noqa: PLC0415 - where pip comes

        where = environment.read(request.headers.get("user-agent", ""))
        for need in named_by_user(program, where) if where is not None else ():
            yield NamedDocument(self._page(plan.origin, need.project), need.specifier)

    def leads_to_of(
        self, named: NamedDocument, document: Document, request: Request
    ) -> Iterable[ServeArtifact]:
        """Say what pip asks for after such a page: the newest release that its user admits."""
        where = environment.read(request.headers.get("user-agent", ""))
        try:
            with foreign("a specifier"):
                wanted = SpecifierSet(named.wanted)
        except UnreadableError:
            return
        if where is not None:
            yield from self._release_of(named.plan, document, where, wanted)

    def variant_page(self, project: str, label: str) -> ServeDocument | None:
        """Plan the page of a project in a variant index, or in the default one."""
        origin = self._origin(f"{paths.VARIANTS}{label}" if label else None)
        return self._page(origin, project) if origin is not None else None

    def page_path(self, project: str, label: str) -> str | None:
        """Give that page's path here."""
        origin = self._origin(f"{paths.VARIANTS}{label}" if label else None)
        return f"{self._prefix(origin)}/simple/{project}/" if origin is not None else None

    def listed(self, document: Document, plan: ServeDocument) -> Iterable[ListedFile]:
        """List a page's files."""
        for file in parse(document, project_of_page(plan)).files:
            yield ListedFile(file.filename, bool(file.yanked), file.upload_time is not None)

    def arranged(
        self,
        plan: ServeDocument,
        form: str,
        pages: Mapping[str, Document],
        entries: Sequence[PageEntry],
    ) -> Response:
        """Write a project's page from those of several indexes."""
        project, default = project_of_page(plan), pages[""]
        form = form.partition(",")[0]
        parsed = {label: parse(document, project) for label, document in pages.items()}
        merged, added = variant_pages.merge(parsed, entries)
        links = {"": self._link(plan.origin, project, default)}
        for label in set(added.values()):
            index = self.variant_page(project, label)
            if index is not None:
                links[label] = self._link(index.origin, project, pages[label])
        kept = kept_of(default, recorded=False)
        own = replace(merged, files=tuple(f for f in merged.files if f.filename not in added))
        more = [file for file in merged.files if file.filename in added]
        files = (
            *linked(own, links[""], kept=kept).files,
            *(replace(f, url=links[added[f.filename]](f.url, f.filename) or f.url) for f in more),
        )
        page = replace(merged, files=files)
        body = json_form.render(page) if form == "json" else html_form.render(page)
        return Response(200, headers_of(default, form), body)


def of_origins(origins: Iterable[Origin]) -> list[PythonWithBuilds]:
    """Make the ecosystem of those that are indexes; none where there is no index."""
    mine = [origin for origin in origins if origin.ecosystem == PythonWithBuilds.name]
    return [PythonWithBuilds(mine)] if mine else []
