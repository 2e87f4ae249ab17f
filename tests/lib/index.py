"""A package index as the official one is laid out, and mirrors of it.

The origin: `/simple/<project>/` as JSON or HTML by Accept (PEP 503, 691, 700), absolute file URLs,
files at `/packages/aa/bb/<60 hex>/<name>` by the BLAKE2b-256 of their content. Mirrors have the
same files below a base of their own, and pages with relative links.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from lib.serving.servers import NOT_FOUND, RecordingServer, Reply
from lib.wheels import Built

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"


def normalised(project: str) -> str:
    """Write a project's name as the index does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", project).lower()


@dataclass(slots=True)
class IndexFile:
    """One file on the index, with what its page says of it."""

    built: Built
    yanked: bool | str = False
    upload_time: str = "2024-01-02T03:04:05.000000Z"
    core_metadata: bool = True
    """Advertise and serve PEP 658 metadata (wheels only)."""
    provenance: bool = False
    claimed_sha256: str | None = None
    """What the page says instead of the truth."""

    @property
    def path(self) -> str:
        """Path in the official layout, decoded."""
        digest = self.built.blake2b
        return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.built.name}"

    @property
    def has_metadata(self) -> bool:
        """Say whether `.metadata` stands beside the file."""
        return self.core_metadata and self.built.metadata is not None


@dataclass(slots=True)
class Index:
    """What an origin names. Changing it changes the pages of all servers it is mounted on."""

    files: list[IndexFile] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    """Project status markers (PEP 792) by normalised name."""
    html_only: bool = False
    """As old indexes are: HTML whatever is asked, no sizes, no times, no core metadata."""

    def add(self, *built: Built, yanked: bool | str = False, **rest: object) -> IndexFile:
        """Put files on the index; gives the last one's entry."""
        for one in built:
            self.files.append(IndexFile(one, yanked=yanked, **rest))  # type: ignore[arg-type]
        return self.files[-1]

    def of(self, project: str) -> list[IndexFile]:
        """List a project's files."""
        name = normalised(project)
        return [f for f in self.files if normalised(f.built.project) == name]

    def path(self, name: str) -> str:
        """Give the official path of a file by its name."""
        return next(f.path for f in self.files if f.built.name == name)

    # -------------------------------------------------------------- servers

    def mount_origin(
        self, pages: RecordingServer, files: RecordingServer | None = None, *, prefix: str = ""
    ) -> str:
        """Serve the index; give its URL. Files lie on a host of their own when `files` is given."""
        host = files or pages

        def simple(path: str, headers: Mapping[str, str]) -> Reply:
            links = {f.built.name: host.url + quote(f.path, safe="/") for f in self.files}
            return self._page(path.removeprefix(prefix), headers, links, self.files)

        pages.mounts[f"{prefix}/simple/"] = simple
        host.mounts["/packages/"] = lambda path, _: self._file(path, self.files, metadata=True)
        return f"{pages.url}{prefix}/simple"

    def mount_mirror(
        self,
        server: RecordingServer,
        *,
        prefix: str = "",
        simple: str = "/simple",
        packages: str = "/packages",
        without: Iterable[str] = (),
        metadata: bool = False,
        json: bool = False,
    ) -> str:
        """Serve files and pages as a mirror does; give its base URL.

        `packages` may be `/pypi-packages`. `without` names files that it does not have (yet):
        neither on its pages nor on its disk. Pages are HTML with relative links, no core metadata;
        with `json` they have all that the index names.
        """
        missing = set(without)

        def held() -> list[IndexFile]:
            return [f for f in self.files if f.built.name not in missing]

        def page(path: str, headers: Mapping[str, str]) -> Reply:
            up = "../" * (simple.count("/") + 1)
            links = {
                f.built.name: up + (packages + f.path.removeprefix("/packages")).lstrip("/")
                for f in held()
            }
            inside = path.removeprefix(prefix + simple)
            accept = JSON if json else "text/html"
            return self._page("/simple" + inside, {**headers, "accept": accept}, links, held())

        def file(path: str, _: Mapping[str, str]) -> Reply:
            inside = path.removeprefix(prefix + packages)
            return self._file("/packages" + inside, held(), metadata=metadata)

        server.mounts[f"{prefix}{simple}/"] = page
        server.mounts[f"{prefix}{packages}/"] = file
        return server.url + prefix

    # -------------------------------------------------------------- pages

    def _file(self, path: str, files: Iterable[IndexFile], *, metadata: bool) -> Reply:
        for file in files:
            if path == file.path:
                return Reply(file.built.data)
            if metadata and file.has_metadata and path == file.path + ".metadata":
                return Reply(file.built.metadata or b"", content_type="text/plain")
        return NOT_FOUND

    def _page(
        self,
        path: str,
        headers: Mapping[str, str],
        links: Mapping[str, str],
        files: Iterable[IndexFile],
    ) -> Reply:
        name = path.removeprefix("/simple/").rstrip("/")
        if not name:
            return self._root(headers)
        if not path.endswith("/") or name != normalised(name):
            back = "../" if path.endswith("/") else ""
            return Reply(b"", 301, headers={"Location": f"{back}{normalised(name)}/"})
        own = [f for f in files if normalised(f.built.project) == name]
        if not own and name not in self.statuses:
            return NOT_FOUND
        if self._wants_json(headers):
            return _json(self._project_json(name, own, links))
        rich = not self.html_only
        lines = [_anchor(f, links[f.built.name], rich=rich) for f in own]
        return _html(f"Links for {name}", lines, modern="vnd.pypi" in headers.get("accept", ""))

    def _root(self, headers: Mapping[str, str]) -> Reply:
        names = sorted({normalised(f.built.project) for f in self.files})
        if self._wants_json(headers):
            projects = [{"name": n} for n in names]
            return _json({"meta": {"api-version": "1.4"}, "projects": projects})
        return _html("Simple index", [f'<a href="/simple/{n}/">{n}</a><br/>' for n in names])

    def _wants_json(self, headers: Mapping[str, str]) -> bool:
        return not self.html_only and JSON in headers.get("accept", "")

    def _project_json(
        self, name: str, files: list[IndexFile], links: Mapping[str, str]
    ) -> dict[str, object]:
        page: dict[str, object] = {
            "meta": {"api-version": "1.4", "_last-serial": 1000 + len(self.files)},
            "name": name,
            "versions": sorted({f.built.version for f in files}),
            "files": [_entry(f, links[f.built.name]) for f in files],
        }
        if name in self.statuses:
            page["project-status"] = {"status": self.statuses[name]}
        return page


def _entry(file: IndexFile, url: str) -> dict[str, object]:
    built = file.built
    entry: dict[str, object] = {
        "filename": built.name,
        "url": url,
        "hashes": {"sha256": file.claimed_sha256 or built.sha256},
        "size": len(built.data),
        "upload-time": file.upload_time,
        "yanked": file.yanked,
    }
    if built.requires_python:
        entry["requires-python"] = built.requires_python
    if file.has_metadata:
        described = {"sha256": hashlib.sha256(built.metadata or b"").hexdigest()}
        entry["core-metadata"] = entry["data-dist-info-metadata"] = described
    if file.provenance:
        entry["provenance"] = f"{url}.provenance"
    return entry


def _anchor(file: IndexFile, url: str, *, rich: bool) -> str:
    built = file.built
    digest = file.claimed_sha256 or built.sha256
    attributes = [f'href="{html.escape(url)}#sha256={digest}"']
    if built.requires_python:
        attributes.append(f'data-requires-python="{html.escape(built.requires_python)}"')
    if file.yanked:
        reason = file.yanked if isinstance(file.yanked, str) else ""
        attributes.append(f'data-yanked="{html.escape(reason)}"')
    if rich and file.has_metadata and url.startswith("http"):
        described = hashlib.sha256(built.metadata or b"").hexdigest()
        attributes.append(f'data-core-metadata="sha256={described}"')
    return f"<a {' '.join(attributes)}>{html.escape(built.name)}</a><br/>"


def _json(page: Mapping[str, object]) -> Reply:
    serial = {"X-PyPI-Last-Serial": "1000", "Vary": "Accept, Accept-Encoding"}
    return Reply(json.dumps(page).encode(), 200, JSON, serial)


def _html(title: str, lines: Iterable[str], *, modern: bool = False) -> Reply:
    text = "\n".join(
        (
            "<!DOCTYPE html><html><head>",
            '<meta name="pypi:repository-version" content="1.4">',
            f"<title>{title}</title></head><body><h1>{title}</h1>",
            *lines,
            "</body></html>\n",
        )
    )
    return Reply(text.encode(), 200, HTML if modern else "text/html; charset=utf-8")
