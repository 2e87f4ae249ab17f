"""A public channel's records, asked of the gateway shard by shard (CEP 16). Pure."""

from __future__ import annotations

import contextlib
from dataclasses import field
from urllib.parse import unquote, urljoin

from headrace.interface import AskGateway, dataclass
from headrace_conda.builds.records import PackageBuild, builds_in
from headrace_conda.channels import paths, repodata

__all__ = ["Shards"]

#: What pixi and everybody's first conda take, unless they are told otherwise.
_CHANNEL = "https://conda.anaconda.org/conda-forge"


@dataclass(slots=True)
class Shards:
    """conda-forge for one platform."""

    ask: AskGateway
    subdir: str
    channel: str = _CHANNEL
    _indexes: dict[str, repodata.ShardIndex | None] = field(default_factory=dict)

    def of(self, name: str) -> list[PackageBuild]:
        """List the builds of a package; empty: it has none, or the gateway does not answer."""
        found: list[PackageBuild] = []
        for folder in (self.subdir, "noarch"):
            # One folder that cannot be read leaves the other.
            with contextlib.suppress(ValueError):
                found += self._in(f"{self.channel}/{folder}/repodata_shards.msgpack.zst", name)
        return found

    @property
    def silent(self) -> bool:
        """Whether nothing of the channel could be read, of all that was asked for."""
        return not any(self._indexes.values())

    def _in(self, url: str, name: str) -> list[PackageBuild]:
        index = self._index(url)
        place = index.shard_url(url, name) if index else None
        body = self._get(place[0]) if place else None
        if body is None or index is None:
            return []
        base = urljoin(url, index.base_url)
        records = repodata.records_in(body).items()
        return builds_in(name, [{"url": urljoin(base, file), **each} for file, each in records])

    def _index(self, url: str) -> repodata.ShardIndex | None:
        if url not in self._indexes:
            body = self._get(url)
            try:
                self._indexes[url] = repodata.read_index(body) if body else None
            except ValueError:
                self._indexes[url] = None
        return self._indexes[url]

    def _get(self, url: str) -> bytes | None:
        path = paths.gateway_path(url)
        return self.ask(unquote(path), "*/*") if path else None
