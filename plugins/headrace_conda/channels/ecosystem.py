"""conda channels as an ecosystem: pure decisions about requests, documents and packages.

Nothing is rewritten. Clients get repodata as the origin gave it, so their caches, records and lock
files are those of a machine without headrace; packages come from anywhere, by the digest that the
origin's own documents give.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from headrace.interface import (
    Artifact,
    CacheMode,
    Digest,
    Document,
    Entry,
    LookUp,
    LookUpResult,
    LookUpStep,
    Mirror,
    Origin,
    PassThrough,
    Plan,
    Refuse,
    Request,
    ServeArtifact,
    ServeDocument,
)
from headrace_conda.channels import locating, paths, repodata
from headrace_conda.channels.layouts import LAYOUTS
from headrace_conda.channels.paths import ChannelFile

__all__ = ["CondaEcosystem"]

#: A part of a look-up, with its own result.
Step = Generator[LookUpStep, LookUpResult | None, Entry | None]

_SHARDS = "repodata_shards.msgpack.zst"
_NOTICES = "notices.json"
_NOARCH = "noarch"
#: How conda calls itself, and the first year's releases that ask for shards by themselves.
_CONDA = re.compile(r"conda/([0-9]{1,4})\.")
_WITH_SHARDS = 26
#: How its newer solvers call themselves behind that; the classic one does not.
_SOLVER = " solver/"
#: Documents that name packages, likeliest first; a copy of any of them answers.
_FLAT = (
    "repodata.json.zst",
    "current_repodata.json.zst",
    "repodata.json",
    "current_repodata.json",
    "repodata.json.bz2",
)
#: Asked of the origin, in this order, where nothing that is here names a package.
_ASKED = ("repodata.json.zst", "repodata.json")
_TABLES = frozenset({*_FLAT, "repodata_from_packages.json"})
#: Documents of a channel or of one of its folders; others the origin answers for itself.
_DOCUMENT = re.compile(
    r"(?:channeldata|notices|run_exports|patch_instructions|\w*repodata\w*)"
    r"\.(?:json|json\.zst|json\.bz2|msgpack\.zst)"
)
_SHARD = re.compile(r"([0-9a-f]{64})\.msgpack\.zst")
_PACKAGE = re.compile(r".+-[^-]+-[^-]+\.(?:conda|tar\.bz2)")
#: A package that never changes, of 30 MB.
_LARGEST_HOST = "conda.anaconda.org"
_SAMPLE = "conda-forge/linux-64/python-3.12.7-hc5c86c4_0_cpython.conda"
#: Folders that are remembered: those with packages elsewhere or documents of their own, and those
#: whose index was asked for.
_MOST_ELSEWHERE = 1000
_MOST_ASKED = 64
#: So many packages of a folder are asked for before its flat repodata, which is as large as tens of
#: them, is fetched to look them up.
_LONG_LIST = 16
#: Indexes that are kept in memory, some megabytes each: two channels with two folders.
_MOST_INDEXES = 4


class CondaEcosystem:
    """Implements `headrace.interface.Ecosystem` for conda channels.

    Its documents go out as they are: it `LooksUp` packages in them, `IndexesDocuments` that are
    large, `Learns` from the others, `ReadsAhead` of a solver and `KnowsSubstitutes`.
    """

    name = "conda"
    layouts = tuple(LAYOUTS)

    def __init__(self, origins: Sequence[Origin], *, subdir: str = "") -> None:
        """Take the origins of this ecosystem: hosts, with all channels below them. `subdir` is the
        folder of a channel that clients on this machine ask for.
        """
        self._subdirs = (subdir, _NOARCH) if subdir else (_NOARCH,)
        self._origins: dict[str, Origin] = {}
        for origin in origins:
            named = paths.authority(origin.url)
            if origin.ecosystem == self.name and named is not None:
                self._origins.setdefault(named, origin)
        self._named_in: dict[str, str] = {}
        """Folders whose packages are named in another one (CEP 15's base_url), by their URLs."""
        self._indexed: OrderedDict[str, ChannelFile] = OrderedDict()
        """Indexes of shards that clients asked for lately, by their URLs."""
        self._unnamed: OrderedDict[str, int] = OrderedDict()
        """How many packages were asked for that no document here names, by their folders' URLs."""
        self._own: OrderedDict[str, None] = OrderedDict()
        """Folders whose own documents clients asked for lately, by their URLs."""
        self._indexes: OrderedDict[str, repodata.ShardIndex] = OrderedDict()
        """What the newest of them say, by their URLs."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """One for each origin, so that each has a place of its own to be sent to."""
        return tuple(f"{paths.PREFIX}{named}/" for named in self._origins)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The closed list of hosts that may be asked."""
        return tuple(self._origins.values())

    def samples(self) -> Iterator[str]:
        """Give a package of the largest channel that is as old as its mirrors' copies."""
        for named, origin in self._origins.items():
            if not origin.private and named == _LARGEST_HOST:
                yield f"{paths.PREFIX}{named}/{_SAMPLE}"

    # ------------------------------------------------------------ the origins' own URLs

    def requested_at(self, url: str) -> str | None:
        """Give the path of what a public host has at a URL: its own, below the host's name."""
        place = paths.place_of(url)
        origin = self._origins.get(place.authority) if place and place.name else None
        return place.path if place and origin is not None and not origin.private else None

    # ------------------------------------------------------------ requests

    def plan(self, request: Request) -> Plan:
        """Say what to do with a client's request."""
        if request.method not in ("GET", "HEAD"):
            return Refuse(405, "a channel is read with GET and HEAD")
        place = paths.parse(request.path)
        origin = self._origins.get(place.authority) if place else None
        if place is None or origin is None:
            return Refuse(404, "no such origin; paths are /conda/<host>/<channel>/<subdir>/<file>")
        if _SHARD.fullmatch(place.name) or _PACKAGE.fullmatch(place.name):
            return ServeArtifact(request.path, None, None if origin.private else place.url)
        if _DOCUMENT.fullmatch(place.name):
            if place.name == _SHARDS:
                _remember(self._indexed, place.url, place, _MOST_ASKED)
            if place.name == _SHARDS or place.name in _TABLES:
                _remember(self._own, place.url.rpartition("/")[0], None, _MOST_ELSEWHERE)
            return self._document(origin, place)
        return PassThrough(origin, f"{place.url}?{request.query}" if request.query else place.url)

    def _document(self, origin: Origin, place: ChannelFile) -> ServeDocument:
        return ServeDocument(
            origin,
            place.url,
            accept="*/*",
            key=place.url,
            magic=(_kind(place.name),),
            table=place.name in _TABLES,
        )

    # ------------------------------------------------------------ what names a package

    def look_up(self, plan: ServeArtifact) -> LookUp:
        """Find a package's digest in whichever document of its folder is here, or is had first."""
        place = paths.parse(plan.path)
        origin = self._origins.get(place.authority) if place else None
        if place is None or origin is None:
            return _nothing()
        if shard := _SHARD.fullmatch(place.name):
            return _known(_shard(origin, place, shard[1]))
        return self._package(origin, place)

    def entries(self, plan: ServeDocument, parts: Iterable[bytes]) -> Iterable[tuple[str, Entry]]:
        """Read flat repodata, packed in whichever way."""
        yield from repodata.flat_entries(
            repodata.unpacked(parts, _kind(plan.url)), lambda base: self._learn(plan.url, base)
        )

    def _package(self, origin: Origin, place: ChannelFile) -> LookUp:
        folder = yield from self._folder_that_names(place)
        authority = self._origins.get(folder.authority)
        if authority is None:
            folder, authority = place, origin
        documents = {
            name: self._document(authority, ChannelFile(folder.authority, folder.folder, name))
            for name in (_SHARDS, *_FLAT)
        }
        index = yield LookUpStep(documents[_SHARDS], effort=CacheMode.ONLY_IF_CACHED)
        here: list[tuple[float, Entry]] = []
        for name in _FLAT:
            seen = yield LookUpStep(
                documents[name], entry=place.name, effort=CacheMode.ONLY_IF_CACHED
            )
            if seen is not None and seen.entry is not None:
                here.append((seen.at, seen.entry))
        at, entry = max(here, key=lambda pair: pair[0], default=(-1.0, None))
        if index is not None and index.at >= at:
            sharded = yield from self._in_shard(place, documents[_SHARDS], index)
            entry = sharded or entry
        if entry is None:
            # Nothing that is here names it: the client knows more than we do.
            bare = _artifact(origin, place, Entry(None, None))
            entry = yield from self._asked(place, documents, bare)
        return _artifact(origin, place, entry) if entry is not None else None

    def _asked(
        self, place: ChannelFile, documents: Mapping[str, ServeDocument], bare: Artifact
    ) -> Step:
        """Ask the origin's newest documents, the smallest first; its bytes go out meanwhile.

        What costs more than a package or two is asked for a long list alone.
        """
        folder = place.url.rpartition("/")[0]
        unnamed = self._unnamed.get(folder, 0) + 1
        _remember(self._unnamed, folder, unnamed, _MOST_ASKED)
        index = yield LookUpStep(documents[_SHARDS], effort=CacheMode.NO_CACHE, meanwhile=bare)
        if index is not None:
            entry = yield from self._in_shard(place, documents[_SHARDS], index)
            if entry is not None:
                return entry
        if unnamed < _LONG_LIST:
            return None
        for name in _ASKED:
            seen = yield LookUpStep(documents[name], entry=place.name, effort=CacheMode.NO_CACHE)
            if seen is not None:
                return seen.entry
        return None

    def _in_shard(self, place: ChannelFile, document: ServeDocument, seen: LookUpResult) -> Step:
        """Read the index, then the shard; returns what that says of the file."""
        name = repodata.package_name(place.name)
        try:
            found = _index(seen.body).shard_url(document.url, name) if name else None
        except ValueError:
            return None
        shard = paths.place_of(found[0]) if found else None
        origin = self._origins.get(shard.authority) if shard else None
        if found is None or shard is None or origin is None:
            return None
        if origin.private and not document.origin.private:
            return None  # a public index leads to no host of the user's own
        content = yield LookUpStep(_shard(origin, shard, found[1]))
        if content is None:
            return None
        try:
            return _records(content.body).get(place.name)
        except ValueError:
            return None

    def _learn(self, document: str, base_url: str) -> None:
        """Remember where a document's packages are when they are not beside it."""
        here = document.rpartition("/")[0]
        try:
            there = paths.place_of(urljoin(f"{here}/", base_url).rstrip("/") + "/x")
        except ValueError:
            return
        if there is None or len(self._named_in) >= _MOST_ELSEWHERE:
            return
        if self._is_private(there) and not self._is_private(paths.place_of(document)):
            return  # no public channel speaks for one of the user's own
        folder = there.url.rpartition("/")[0]
        if folder != here:
            self._named_in[folder] = here

    def _is_private(self, place: ChannelFile | None) -> bool:
        origin = self._origins.get(place.authority) if place else None
        return origin is not None and origin.private

    def _folder_that_names(
        self, place: ChannelFile
    ) -> Generator[LookUpStep, LookUpResult | None, ChannelFile]:
        """Find the folder whose documents name the packages of this one: mostly itself."""
        folder = place.url.rpartition("/")[0]
        # What its own channel says of it goes before what another one does.
        if folder in self._own:
            return place
        if folder not in self._named_in:
            # Packages of an index that stands elsewhere: one that was asked for in this hour.
            for each in reversed(self._indexed.copy().values()):
                if each.folder.rpartition("/")[2] != place.folder.rpartition("/")[2]:
                    continue
                document = self._document(self._origins[each.authority], each)
                seen = yield LookUpStep(document, effort=CacheMode.ONLY_IF_CACHED)
                if seen is not None:
                    self._learn(document.url, _base_url(seen.body))
        there = self._named_in.get(folder)
        return (paths.place_of(f"{there}/x") if there else None) or place

    def owner(self, url: str) -> str:
        """Name the channel of a URL at a host: all that lies above its folders of packages."""
        return urlsplit(url).path.rsplit("/", 2)[0] or "/"

    # ------------------------------------------------------------ places

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        """Give the URL at a mirror of a package, or of repodata whose origin states its digest;
        None for what no mirror is to hear of.
        """
        if artifact.origin.private or artifact.object_class == "shard":
            return None
        return locating.locate(mirror, artifact)

    def learn(self, document: Document, plan: ServeDocument | ServeArtifact) -> None:
        """Keep what an index of shards says."""
        if plan.url and plan.url.endswith(f"/{_SHARDS}"):
            _remember(self._indexes, plan.url, _index(document.body), _MOST_INDEXES)

    def leads_to(
        self, plan: ServeDocument | ServeArtifact, document: Document, request: Request
    ) -> Iterator[ServeDocument | ServeArtifact]:
        """After a channel's notices conda asks for the indexes of its folders, if it knows them.

        After a shard a solver asks for those of all that its records depend on, in both folders
        of the channel, and so on from level to level; a far origin costs a round trip for each.
        """
        if isinstance(plan, ServeDocument):
            client = _CONDA.match(request.headers.get("user-agent", ""))
            if client is not None and int(client[1]) >= _WITH_SHARDS:
                yield from self._indexes_after(plan)
            return
        named = _SHARD.fullmatch(document.url.rpartition("/")[2])
        if named is None:
            return
        indexes, digest = self._indexes.copy(), bytes.fromhex(named[1])
        own = next((url for url in indexes if digest in indexes[url].shards.values()), None)
        if own is None:
            return
        channel = own.rsplit("/", 2)[0]
        near = [url for url in indexes if url.rsplit("/", 2)[0] == channel]
        for name in repodata.names_needed(document.body):
            for url in near:
                found = indexes[url].shard_url(url, name)
                place = paths.place_of(found[0]) if found else None
                origin = self._origins.get(place.authority) if place else None
                if place is not None and origin is not None and not origin.private:
                    yield ServeArtifact(place.path, None, place.url)

    def instead_of(self, plan: ServeDocument, request: Request) -> Iterator[ServeDocument]:
        """Where a channel has no index of shards conda asks for flat repodata, packed; with its
        classic solver for the newest of each name first.
        """
        place = paths.place_of(plan.url)
        if place is None or place.name != _SHARDS or plan.origin.private:
            return
        if _SOLVER in request.headers.get("user-agent", ""):
            yield self._document(plan.origin, replace(place, name=_ASKED[0]))

    def _indexes_after(self, plan: ServeDocument) -> Iterator[ServeDocument]:
        place = paths.place_of(plan.url)
        if place is None or place.name != _NOTICES or plan.origin.private:
            return
        for subdir in self._subdirs:
            index = ChannelFile(place.authority, f"{place.folder}/{subdir}", _SHARDS)
            yield self._document(plan.origin, index)


def _remember(table: OrderedDict[str, Any], key: str, value: object, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > most:
        table.popitem(last=False)


def _kind(name: str) -> bytes:
    name = urlsplit(name).path
    if name.endswith(".zst"):
        return repodata.ZSTD
    return repodata.BZIP2 if name.endswith(".bz2") else repodata.JSON


def _nothing() -> LookUp:
    yield from ()
    return None


def _known(artifact: Artifact) -> LookUp:
    yield from ()
    return artifact


def _shard(origin: Origin, place: ChannelFile, digest: str) -> Artifact:
    """A shard: its name is its digest, and hardly a mirror has any."""
    return Artifact(
        ecosystem="conda",
        path=place.path,
        name=place.name,
        url=place.url,
        origin=origin,
        digest=Digest("sha256", digest),
        object_class="shard",
        mirrored=False,
    )


def _artifact(origin: Origin, place: ChannelFile, entry: Entry) -> Artifact:
    return Artifact(
        ecosystem="conda",
        path=place.path,
        name=place.name,
        url=place.url,
        origin=origin,
        digest=entry.digest,
        size=entry.size,
        object_class="labelled package" if locating.is_labelled(place.folder) else "package",
    )


# A solver's packages are asked for within a minute, several of one shard and all of one index.
@lru_cache(maxsize=4)
def _index(body: bytes) -> repodata.ShardIndex:
    return repodata.read_index(body)


def _base_url(body: bytes) -> str:
    try:
        return _index(body).base_url
    except ValueError:
        return ""


@lru_cache(maxsize=16)
def _records(body: bytes) -> dict[str, Entry]:
    return repodata.read_shard(body)
