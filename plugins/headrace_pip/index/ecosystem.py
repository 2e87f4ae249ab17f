"""Python packages as an ecosystem: pure decisions about requests, pages and files.

The origins decide what there is. The page of a project names its files with their digests; a
mirror is asked only for a file of an origin that is not private, by the rules of `layouts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit

from packaging.specifiers import SpecifierSet

from headrace.interface import (
    Artifact,
    Document,
    Mirror,
    Origin,
    PassThrough,
    Plan,
    Refuse,
    Request,
    Response,
    ServeArtifact,
    ServeDocument,
)
from headrace_pip.index import environment, layouts, paths, read_ahead
from headrace_pip.index.names import normalised
from headrace_pip.index.wheel_metadata import HoldsMetadata, metadata_of_wheel
from headrace_pip.pytorch import index
from headrace_pip.simple_api import html_form, json_form
from headrace_pip.simple_api.model import FileLink, Kept, Link, best_digest
from headrace_pip.simple_api.negotiation import (
    ORIGINS_LINKS,
    insists,
    preferred_form,
    writes_down,
)
from headrace_pip.simple_api.rewrite import headers_of, is_json, linked, parse, project_of_page

__all__ = ["SMALL_FILE", "PythonEcosystem", "kept_of", "object_class_of"]

_NO_BRANCH = re.compile(r"[^A-Za-z0-9._-]")

#: Bytes of a file that is read ahead as a whole: most releases of pure Python, none of those whose
#: transfer takes longer than the question for it.
SMALL_FILE = 2 * 1024 * 1024

#: What origins are asked for, in pip's own words: JSON where they have it.
_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)


class PythonEcosystem(HoldsMetadata):
    """Implements `headrace.interface.Ecosystem` for Simple API indexes.

    It `ServesDocuments`, which name all files, and `ReadsAhead` of a resolver. Mirrors have pages
    too (`LocatesDocuments`, `ForeseesDocuments`), and the official index `Confirms` a file by its
    path.
    """

    name = "python"
    prefixes = paths.PREFIXES
    layouts = tuple(layouts.LAYOUTS)

    def __init__(self, origins: Sequence[Origin]) -> None:
        """Take the origins of this ecosystem; the one named ``default``, else the first, has the
        short paths.
        """
        by_name: dict[str, Origin] = {}
        for origin in origins:
            if origin.ecosystem == self.name:
                by_name.setdefault(_branch(origin), replace(origin, url=origin.url.rstrip("/")))
        self._origins = by_name
        plain = [name for name in by_name if name != index.NAME]
        self._default = "default" if "default" in by_name else next(iter(plain), "")
        self._file_bases: dict[str, str] = {}

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The closed list of indexes that may be asked."""
        return tuple(self._origins.values())

    # ------------------------------------------------------------ requests

    def plan(self, request: Request) -> Plan:
        """Say what to do with a client's request."""
        if request.method not in ("GET", "HEAD"):
            return Refuse(405, "an index is read with GET and HEAD")
        place = paths.parse(request.path)
        origin = self._origin(place.origin) if place else None
        if place is None or origin is None:
            return Refuse(404, "no such path or index; pages are below /simple/")
        if isinstance(place, paths.FilePath):
            page = self._page(origin, place.project) if place.project else None
            return ServeArtifact(request.path, page)
        name, _, below = place.rest.partition("/")
        if below or not name:
            # The list of all projects; or something that an index has beside its pages.
            return PassThrough(origin, f"{origin.url}/{quote(place.rest)}")
        project = normalised(name)
        if project is None:
            return Refuse(404, "not a project's name")
        return replace(
            self._page(origin, project),
            revalidate=insists(request),
            written_down=writes_down(request),
        )

    def _origin(self, name: str | None) -> Origin | None:
        """Return an origin by the name that a path gives it; None: not on the closed list."""
        if name is not None and name.startswith(paths.VARIANTS):
            base = self._origins.get(index.NAME)
            label = name.removeprefix(paths.VARIANTS)
            return index.origin_of(base, label) if base is not None else None
        return self._origins.get(name or self._default)

    def _page(self, origin: Origin, project: str) -> ServeDocument:
        url = f"{origin.url}/{project}/"
        variant = bool(index.label_of(origin))
        return ServeDocument(
            origin,
            url,
            _ACCEPT,
            key=url,
            forbidden_is_missing=variant and not origin.private,
        )

    def form(self, request: Request, plan: ServeDocument) -> str:
        """Return ``json`` or ``html``, as the client prefers, and which links it is to get: pages
        are kept by it, and another gateway of this user's may have the index at another path.

        Files of a private origin are left to the gateway: it may have the login that they need.
        """
        whose = "" if plan.origin.private or not writes_down(request) else ORIGINS_LINKS
        prefix = self._prefix(plan.origin)
        return preferred_form(request) + (f", at {prefix}" if prefix else "") + whose

    # ------------------------------------------------------------ pages

    def rewrite(self, document: Document, form: str, plan: ServeDocument) -> Response:
        """Turn the origin's page into the client's, in either form."""
        project = project_of_page(plan)
        link = self._link(plan.origin, project, document)
        recorded = form.endswith(ORIGINS_LINKS)
        if recorded:
            link = self._origins_link(plan.origin, document, link)
        form = form.partition(",")[0]
        kept = kept_of(document, recorded=recorded)
        if form == "json" and is_json(document):
            raw = json_form.load(document.body)
            body = json_form.rewrite(raw, document.url, link, kept=kept)
        else:
            page = linked(parse(document, project), link, kept=kept)
            body = json_form.render(page) if form == "json" else html_form.render(page)
        return Response(200, headers_of(document, form), body)

    def _link(self, origin: Origin, project: str, document: Document) -> Link:
        prefix = self._prefix(origin)
        own = _is_own(document, origin)

        def link(url: str, filename: str) -> str | None:
            if own:
                self._learn(origin, url)
            path = paths.file_path(prefix, project, url, filename)
            return paths.encoded(path) if path else None

        return link

    def _origins_link(self, origin: Origin, document: Document, ours: Link) -> Link:
        """Give the origin's own URL of each file, whoever's page it is; ours where nobody knows."""

        def link(url: str, filename: str) -> str | None:
            mine = ours(url, filename)
            if document.supplied_by is None:
                return url
            base, tail = self._file_bases.get(origin.name), paths.content_path(url)
            return base + tail if base is not None and tail is not None else mine

        return link

    def _prefix(self, origin: Origin) -> str:
        if index.label_of(origin):
            return f"/{origin.name}"
        branch = _branch(origin)
        return "" if branch == self._default else f"/index/{branch}"

    def artifacts(self, document: Document, plan: ServeDocument) -> Iterator[Artifact]:
        """List the files that a page names, each followed by its companions."""
        for file in parse(document, project_of_page(plan)).files:
            yield from self._of_file(file, document, plan)

    def find_artifact(self, document: Document, plan: ServeDocument, path: str) -> Artifact | None:
        """Return what a page names at one path."""
        name = path.rpartition("/")[2]
        names = {name, *(name.removesuffix(suffix) for suffix in paths.COMPANIONS)}
        for file in parse(document, project_of_page(plan)).files:
            if file.filename in names:
                for artifact in self._of_file(file, document, plan):
                    if artifact.path == path:
                        return artifact
        return None

    def _of_file(
        self, file: FileLink, document: Document, plan: ServeDocument
    ) -> Iterator[Artifact]:
        prefix = self._prefix(plan.origin)
        path = paths.file_path(prefix, project_of_page(plan), file.url, file.filename)
        if path is None:
            return
        if _is_own(document, plan.origin):
            self._learn(plan.origin, file.url)
        if document.supplied_by is None:
            yield from _trusted(file, path, plan.origin)
        elif artifact := self._provisional(file, path, plan.origin, document.supplied_by):
            yield artifact
            if file.core_metadata and path.endswith(".whl"):
                # A mirror's word for its digest could only do harm.
                yield _companion(artifact, ".metadata", "metadata", {})

    def _learn(self, origin: Origin, url: str) -> None:
        """Remember where the origin keeps its files, so that a mirror's page can be read."""
        if origin.name not in self._file_bases and (path := paths.content_path(url)):
            self._file_bases[origin.name] = url.removesuffix(path)

    def _provisional(
        self, file: FileLink, path: str, origin: Origin, mirror: str
    ) -> Artifact | None:
        """Make an artifact of a mirror's word: the path's own digest is all that counts."""
        base, tail = self._file_bases.get(origin.name), paths.content_path(file.url)
        digest = paths.path_digest(file.url)
        if base is None or tail is None or digest is None:
            return None
        return Artifact(
            ecosystem=self.name,
            path=path,
            name=file.filename,
            url=base + tail,
            origin=origin,
            digest=digest,
            size=file.size,
            object_class=object_class_of(file.filename),
            provisional=mirror,
            # Where the origin has it under another name it would lead a client to that.
            redirects=paths.tells_name(path, base + tail),
        )

    # ------------------------------------------------------------ places

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        """Give the file's URL at a mirror; None for what no mirror is to hear of."""
        if artifact.origin.private:
            return None
        return layouts.locate(mirror.layout, mirror.url, artifact)

    def locate_document(self, plan: ServeDocument, mirror: Mirror) -> str | None:
        """Give the page's URL at a mirror; None until the origin's own file host is known."""
        known = plan.origin.name in self._file_bases
        return self.foreseen_document(plan, mirror) if known else None

    def foreseen_document(self, plan: ServeDocument, mirror: Mirror) -> str | None:
        """Give it whether or not that host is known."""
        if plan.origin.private:
            return None
        return layouts.document_url(mirror.layout, mirror.url, project_of_page(plan))

    def confirmation(self, artifact: Artifact) -> str | None:
        """Give the origin's URL of a file whose path is the digest of its content. None where the
        page names it otherwise than that URL: that its bytes are there says nothing of this name.
        """
        return artifact.url if paths.tells_name(artifact.path, artifact.url) else None

    def leads_to(
        self,
        plan: ServeDocument | ServeArtifact,
        document: Document,
        request: Request,
    ) -> Iterator[ServeDocument | ServeArtifact]:
        """Say what a client asks for next: after a page the newest release that fits, after a
        release's metadata (or the small wheel that holds it) the pages of what it requires.
        """
        where = environment.read(request.headers.get("user-agent", ""))
        if where is None:
            return
        if isinstance(plan, ServeDocument):
            yield from self._release_of(plan, document, where)
        elif plan.named_by is not None:
            origin = plan.named_by.origin
            metadata = _metadata(plan.path, document.body)
            for project in read_ahead.required_projects(metadata, where):
                yield self._page(origin, project)

    def _release_of(
        self,
        plan: ServeDocument,
        document: Document,
        where: environment.Environment,
        wanted: SpecifierSet | None = None,
    ) -> Iterator[ServeArtifact]:
        project = project_of_page(plan)
        file = read_ahead.newest_fitting(parse(document, project), where, wanted)
        if file is None:
            return
        path = paths.file_path(self._prefix(plan.origin), project, file.url, file.filename)
        if path is None:
            return
        whole = [path] if file.size is not None and file.size <= SMALL_FILE else []
        metadata = [f"{path}.metadata"] if file.core_metadata else []
        order = metadata + whole if where.reads_metadata else whole + metadata
        yield from (ServeArtifact(each, plan) for each in order)

    def metadata_of(
        self,
        plan: ServeDocument,
        document: Document,
        where: environment.Environment,
        wanted: SpecifierSet,
    ) -> ServeArtifact | None:
        """Plan what says what the newest release requires that `wanted` admits; None: nothing that
        is small does.
        """
        project = project_of_page(plan)
        file = read_ahead.newest_fitting(parse(document, project), where, wanted)
        path = None
        if file is not None:
            path = paths.file_path(self._prefix(plan.origin), project, file.url, file.filename)
        if file is None or path is None:
            return None
        if file.core_metadata:
            return ServeArtifact(f"{path}.metadata", plan)
        small = file.size is not None and file.size <= SMALL_FILE
        return ServeArtifact(path, plan) if small and path.endswith(".whl") else None


def kept_of(document: Document, *, recorded: bool) -> Kept:
    """Say what of a page a client is told.

    A mirror cannot promise for the origin, but what lies within a wheel can be had wherever the
    wheel can. Its digests a client would only fail by: the path is the digest. `recorded`: the
    client writes them down. Of a stale page nothing can be had but what is here.
    """
    if document.supplied_by is not None:
        return Kept.RECORDED if recorded else Kept.HOLDABLE
    # Promised metadata that cannot be had is fatal to pip; without the promise it goes on.
    return Kept.UNPROMISED if document.stale else Kept.ALL


def _is_own(document: Document, origin: Origin) -> bool:
    """Whether the page came from the origin's own host, whatever is said about it."""
    own = urlsplit(document.url).netloc == urlsplit(origin.url).netloc
    return own and document.supplied_by is None


def _metadata(path: str, body: bytes) -> str:
    if path.endswith(".metadata"):
        return body.decode("utf-8", "replace")
    return (metadata_of_wheel(body) if path.endswith(".whl") else None) or ""


def _branch(origin: Origin) -> str:
    """Return the origin's name as a path can hold it."""
    return _NO_BRANCH.sub("-", origin.name)


def _trusted(file: FileLink, path: str, origin: Origin) -> Iterator[Artifact]:
    main = Artifact(
        ecosystem="python",
        path=path,
        name=file.filename,
        url=file.url,
        origin=origin,
        digest=best_digest(file.hashes),
        size=file.size,
        object_class=object_class_of(file.filename),
    )
    yield main
    if file.core_metadata:
        told = {} if isinstance(file.core_metadata, bool) else file.core_metadata
        yield _companion(main, ".metadata", "metadata", told)
    if file.gpg_sig:
        yield _companion(main, ".asc", "signature", {})


def _companion(main: Artifact, suffix: str, kind: str, hashes: Mapping[str, str]) -> Artifact:
    """Make what lies beside a file. Most mirrors lack it: none is asked instead of the origin."""
    return replace(
        main,
        path=main.path + suffix,
        name=main.name + suffix,
        url=paths.with_suffix(main.url, suffix),
        digest=best_digest(hashes),
        size=None,
        object_class=kind,
        mirrored=False,
    )


def object_class_of(filename: str) -> str:
    """Name what kind of file it is, for what is learned of mirrors."""
    # Operators that block by kind (a proof-of-work wall before source archives) exist.
    return "wheel" if filename.endswith(".whl") else "sdist"
