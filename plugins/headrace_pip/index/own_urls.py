"""The Python ecosystem at its origins' own URLs: `headrace.interface.Intercepts`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import quote

from headrace.interface import Artifact, Origin, ServeArtifact, ServeDocument
from headrace_pip.index import paths
from headrace_pip.index.ecosystem import PythonEcosystem, object_class_of
from headrace_pip.index.names import normalised
from headrace_pip.pytorch import index

__all__ = ["PythonAtOwnUrls"]

#: A project that an index has which means to be one.
_EVERYBODYS = "pip"


class PythonAtOwnUrls(PythonEcosystem):
    """Pure, as what it is made from. Files are at other hosts than pages: it `NamesFileHosts`."""

    def requested_at(self, url: str) -> str | None:
        """Give the path of the page or the file that a public index has at a URL."""
        for origin in self._reachable(url):
            prefix = self._prefix(origin)
            if (rest := _below(url, origin.url)) is not None:
                name, _, more = rest.partition("/")
                if rest == f"{name}/" and not more and normalised(name) == name:
                    return f"{prefix}/simple/{rest}"
            if (path := paths.of_url(prefix, url)) is not None and self._keeps(origin, url):
                return path
        return None

    def described_in(self, path: str) -> tuple[str, str] | None:
        """Read ``/pytorch/auto/<host>/simple/…``: the default index as that host has it."""
        return paths.described_in(path)

    def _reachable(self, url: str) -> Iterator[Origin]:
        """Give the public indexes that a URL may belong to, the one of its variant first."""
        base = self._origins.get(index.NAME)
        if base is not None and (rest := _below(url, base.url)) is not None:
            variant = index.origin_of(base, rest.partition("/")[0])
            yield from [] if variant is None or base.private else [variant]
        yield from (o for o in self._origins.values() if o is not base and not o.private)

    def _keeps(self, origin: Origin, url: str) -> bool:
        """Whether an index is known to keep its files there: below its own address, or at the host
        that its pages name.
        """
        base = self._file_bases.get(origin.name, f"{origin.url}/")
        own = bool(index.label_of(origin)) and _below(url, origin.url) is not None
        return own or (paths.content_path(url) is not None and url.startswith(base))

    def spelt(self, plan: ServeArtifact) -> Artifact | None:
        """Make an artifact of a path that is the digest of its content, where it is known where the
        origin has such paths.
        """
        page = plan.named_by
        if page is None or plan.path.endswith(paths.COMPANIONS):
            return None
        base = self._file_bases.get(page.origin.name)
        tail = plan.path.removeprefix(self._prefix(page.origin)).lstrip("/")
        url = f"{base}{quote(tail)}"
        if base is None or not paths.tells_name(plan.path, url):
            return None
        name = plan.path.rpartition("/")[2]
        return Artifact(
            ecosystem=self.name,
            path=plan.path,
            name=name,
            url=url,
            origin=page.origin,
            digest=paths.path_digest(url),
            size=None,
            object_class=object_class_of(name),
        )

    def file_hosts(self) -> Collection[str]:
        """Give where public indexes keep their files, as far as their pages were seen."""
        public = {o.name for o in self._origins.values() if not o.private}
        return [base for name, base in self._file_bases.items() if name in public]

    def teaching(self) -> Iterator[ServeDocument]:
        """Plan a page that an index has if any."""
        for origin in self._origins.values():
            if not origin.private and origin.name not in (index.NAME, *self._file_bases):
                yield self._page(origin, _EVERYBODYS)


def _below(url: str, base: str) -> str | None:
    """Return what a URL has behind another one; None: it is not below that."""
    return url[len(base) + 1 :] if url.startswith(f"{base}/") else None
