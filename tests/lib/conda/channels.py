"""Real conda channels: packages of both formats, indexed by conda-index, served as an origin and
as mirrors serve them.

Packages are deterministic: the same call gives the same bytes. Their big payload is
incompressible, and `twin` gives a well-formed package of the same name and length that is the
wrong file. What the index says is conda-index's own word, but for `current_repodata.json`, which
it can only write with a whole conda at hand: that file is the newest of each name.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import random
import re
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

import msgpack
import rattler
from conda_package_streaming.create import conda_builder

from lib.serving.servers import NOT_FOUND, RecordingServer, Reply

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Form = Literal[".conda", ".tar.bz2"]
SUBDIRS = ("linux-64", "linux-aarch64", "noarch", "osx-64", "osx-arm64", "win-64")
SHARDS = "repodata_shards.msgpack.zst"
MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"
DOCUMENTS_LAST = "public, max-age=1200"
"""What the public channels' content network says of repodata (mamba-org/mamba #1504)."""
BYTES_LAST = "public, max-age=31536000, immutable"
_BUILT = 1_704_164_645_000
"""Every package's timestamp, in milliseconds."""
_SHARD = re.compile(r"[0-9a-f]{64}\.msgpack\.zst")
_DOCUMENTS = ("repodata.json", "repodata_from_packages.json", "run_exports.json", SHARDS)
_ROOM = 64
"""Bytes of a zip comment that every `.conda` has, so that a twin can be made as long."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package file."""

    name: str
    version: str
    build: str
    subdir: str
    depends: tuple[str, ...]
    filename: str
    data: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    """What it puts into an environment: path to content."""
    seed: str = ""
    sha256: str = field(init=False, default="")
    md5: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Hash once; servers ask often."""
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())
        digest = hashlib.md5(self.data, usedforsecurity=False).hexdigest()
        object.__setattr__(self, "md5", digest)

    def __hash__(self) -> int:
        return hash(self.sha256)

    @property
    def dist(self) -> str:
        """Give ``name-version-build``, as conda names what it installed."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def path(self) -> str:
        """Give the path below the channel."""
        return f"{self.subdir}/{self.filename}"

    def installed_in(self, prefix: Path) -> bool:
        """Say whether an environment holds every file of it with exactly these bytes."""
        return all(
            (prefix / path).is_file() and (prefix / path).read_bytes() == data
            for path, data in self.files.items()
        )


def package(
    name: str,
    version: str = "1.0",
    build: str = "0",
    *,
    depends: Sequence[str] = (),
    constrains: Sequence[str] = (),
    run_exports: Sequence[str] = (),
    size: int = 0,
    subdir: str = "noarch",
    form: Form = ".conda",
    seed: str = "",
    files: Mapping[str, bytes] | None = None,
) -> Package:
    """Build a package with a payload of `size` random bytes, and `files` besides."""
    return _package(
        name=name,
        version=version,
        build=build,
        depends=tuple(depends),
        constrains=tuple(constrains),
        run_exports=tuple(run_exports),
        size=size,
        subdir=subdir,
        form=form,
        seed=seed,
        more=tuple(sorted((files or {}).items())),
    )


def twin(of: Package, seed: str = "evil") -> Package:
    """Build a well-formed `.conda` of the same name and length with another payload."""
    sizes = [len(data) for path, data in of.files.items() if path.endswith("/payload")]
    other = package(
        of.name,
        of.version,
        of.build,
        depends=of.depends,
        size=sum(sizes),
        subdir=of.subdir,
        seed=seed,
    )
    made = lengthened(other, len(of.data))
    assert made.data != of.data
    return made


def lengthened(of: Package, length: int) -> Package:
    """Give a `.conda` of exactly `length` bytes with the same content; at most 64 KiB more."""
    data = _commented(of.data, length - len(of.data) + _ROOM)
    assert len(data) == length
    return replace(of, data=data)


@functools.lru_cache(maxsize=64)
def _package(
    *,
    name: str,
    version: str,
    build: str,
    depends: tuple[str, ...],
    constrains: tuple[str, ...],
    run_exports: tuple[str, ...],
    size: int,
    subdir: str,
    form: Form,
    seed: str,
    more: tuple[tuple[str, bytes], ...],
) -> Package:
    stem = f"{name}-{version}-{build}"
    share = f"share/{name}"
    files = {f"{share}/note.txt": f"{stem} {seed}\n".encode(), **dict(more)}
    if size:
        files[f"{share}/payload"] = random.Random(f"{seed} {stem}").randbytes(size)
    index = {
        "arch": None if subdir == "noarch" else subdir.partition("-")[2],
        "build": build,
        "build_number": int(build.rpartition("_")[2]) if build[-1:].isdigit() else 0,
        "constrains": list(constrains),
        "depends": list(depends),
        "license": "CC0-1.0",
        "name": name,
        "platform": None if subdir == "noarch" else subdir.partition("-")[0],
        "subdir": subdir,
        "timestamp": _BUILT,
        "version": version,
    }
    if subdir == "noarch":
        index["noarch"] = "generic"
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        for path, data in sorted(files.items())
    ]
    info = {
        "info/about.json": _json({"summary": f"{name}, made by a test", "license": "CC0-1.0"}),
        "info/files": "".join(f"{path}\n" for path in sorted(files)).encode(),
        "info/hash_input.json": b"{}",
        "info/index.json": _json(index),
        "info/paths.json": _json({"paths": paths, "paths_version": 1}),
        "info/run_exports.json": _json({"weak": list(run_exports)} if run_exports else {}),
    }
    data = _conda(stem, {**info, **files}) if form == ".conda" else _tar_bz2({**info, **files})
    held = MappingProxyType(files)
    return Package(name, version, build, subdir, depends, stem + form, data, held, seed)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


def _conda(stem: str, content: Mapping[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with conda_builder(stem, folder, compression_level=1) as tar:
            _fill(tar, content)
        built = Path(folder, f"{stem}.conda").read_bytes()
    # The zip of the builder says when it was made; say the same day each time.
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(built)) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.infolist():
            new.writestr(zipfile.ZipInfo(item.filename), old.read(item))
    return _commented(out.getvalue(), _ROOM)


def _commented(data: bytes, length: int) -> bytes:
    """Give a zip file a comment of exactly this length."""
    assert length >= 0
    held = io.BytesIO(data)
    with zipfile.ZipFile(held, "a") as archive:
        archive.comment = b" " * length
    return held.getvalue()


def _tar_bz2(content: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:bz2", compresslevel=1) as tar:
        _fill(tar, content)
    return out.getvalue()


def _fill(tar: tarfile.TarFile, content: Mapping[str, bytes]) -> None:
    for name, data in content.items():
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = len(data), _BUILT // 1000, 0o644
        tar.addfile(entry, io.BytesIO(data))


# -------------------------------------------------------------- the index


@functools.lru_cache(maxsize=32)
def _indexed(packages: tuple[Package, ...], subdirs: tuple[str, ...]) -> Mapping[str, bytes]:
    """Give all documents of a channel by path, as conda-index writes them."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "channel"
        for subdir in subdirs:
            (root / subdir).mkdir(parents=True)
        for one in packages:
            (root / one.path).write_bytes(one.data)
        with _conda_index() as channel_index:
            index = channel_index(
                root,
                "channel",
                subdirs=subdirs,
                threads=1,
                write_bz2=True,
                write_zst=True,
                write_run_exports=True,
                write_shards=True,
                write_current_repodata=False,
            )
            index.index(patch_generator=None)
            index.update_channeldata()
        found = {"channeldata.json": (root / "channeldata.json").read_bytes()}
        for subdir in subdirs:
            for file in sorted((root / subdir).iterdir()):
                if file.is_file() and (file.name.startswith(_DOCUMENTS) or is_shard(file.name)):
                    found[f"{subdir}/{file.name}"] = file.read_bytes()
            current = _newest(json.loads(found[f"{subdir}/repodata.json"]))
            found[f"{subdir}/current_repodata.json"] = current
            found[f"{subdir}/current_repodata.json.zst"] = zstd.compress(current)
    return MappingProxyType(found)


_LOCK = threading.Lock()


@contextlib.contextmanager
def _conda_index() -> Iterator[Any]:
    """Import conda-index. It takes two small names from conda: where there is no conda, something
    of the same meaning is there while it runs.
    """
    if importlib.util.find_spec("conda") is not None:
        from conda_index.index import ChannelIndex  # noqa: PLC0415 - slow

        yield ChannelIndex
        return
    version, constants = ModuleType("conda.models.version"), ModuleType("conda.base.constants")
    version.__dict__["VersionOrder"] = rattler.Version
    constants.__dict__["PLATFORM_DIRECTORIES"] = SUBDIRS
    modules = {"conda.models.version": version, "conda.base.constants": constants}
    for package_name in ("conda", "conda.models", "conda.base"):
        modules[package_name] = ModuleType(package_name)
    sys.modules.update(modules)
    try:
        from conda_index.index import ChannelIndex  # noqa: PLC0415 - see above

        yield ChannelIndex
    finally:
        for each in modules:
            sys.modules.pop(each, None)


def _newest(repodata: dict[str, Any]) -> bytes:
    """Keep the newest version of each name, all its builds and formats."""
    best: dict[str, rattler.Version] = {}
    both = ("packages", "packages.conda")
    for record in [r for kind in both for r in repodata[kind].values()]:
        version = rattler.Version(record["version"])
        if record["name"] not in best or best[record["name"]] < version:
            best[record["name"]] = version
    for kind in both:
        repodata[kind] = {
            filename: record
            for filename, record in repodata[kind].items()
            if rattler.Version(record["version"]) == best[record["name"]]
        }
    return json.dumps(repodata).encode()


def unzstd(data: bytes) -> bytes:
    """Unpack a compressed document."""
    return zstd.decompress(data)


def read_shard(data: bytes) -> dict[str, Any]:
    """Decode a shard or the index of shards."""
    found: dict[str, Any] = msgpack.unpackb(unzstd(data))
    return found


def write_shard(value: Mapping[str, Any]) -> bytes:
    """Encode a shard or the index of shards."""
    return zstd.compress(msgpack.packb(value))


# -------------------------------------------------------------- channels


@dataclass(slots=True)
class Channel:
    """What a channel holds. Changing it changes what all servers say that it is mounted on."""

    name: str = "conda-forge"
    """Path below a server: may be ``pkgs/main``."""
    packages: list[Package] = field(default_factory=list)
    subdirs: tuple[str, ...] = ("linux-64", "noarch")

    def add(self, *packages: Package) -> Package:
        """Put packages into it; gives the last one."""
        self.packages += packages
        return self.packages[-1]

    def documents(self, *, base_url: str = "", shards_base_url: str = "") -> dict[str, bytes]:
        """Give everything but the packages, by path below the channel.

        `base_url` and `shards_base_url` end with a slash and stand before ``<subdir>/`` when they
        are URLs; a relative one (``./shards/``) is taken as it is.
        """
        with _LOCK:
            found = dict(_indexed(tuple(self.packages), self.subdirs))
        if base_url:
            found |= self._with_base_url(found, base_url)
        if base_url or shards_base_url:
            for subdir in self.subdirs:
                index = read_shard(found[f"{subdir}/{SHARDS}"])
                index["info"]["base_url"] = _below(base_url, subdir)
                index["info"]["shards_base_url"] = _below(shards_base_url, subdir)
                found[f"{subdir}/{SHARDS}"] = write_shard(index)
        return found

    def _with_base_url(self, found: Mapping[str, bytes], base_url: str) -> dict[str, bytes]:
        """Write flat repodata as `conda index --base-url` does (CEP 15)."""
        changed: dict[str, bytes] = {}
        for subdir in self.subdirs:
            for stem in ("repodata", "current_repodata"):
                page = json.loads(found[f"{subdir}/{stem}.json"])
                page["info"]["base_url"] = _below(base_url, subdir)
                page["repodata_version"] = 2
                data = json.dumps(page).encode()
                changed[f"{subdir}/{stem}.json"] = data
                changed[f"{subdir}/{stem}.json.zst"] = zstd.compress(data)
        return changed

    def shards(self) -> dict[str, bytes]:
        """Give the shards alone, by path below the channel."""
        return {p: data for p, data in self.documents().items() if is_shard(p)}

    def files(self) -> dict[str, bytes]:
        """Give everything in it, by path below the channel."""
        return {**self.documents(), **{one.path: one.data for one in self.packages}}

    # ---------------------------------------------------------- servers

    def mount_origin(
        self,
        server: RecordingServer,
        *,
        prefix: str = "",
        sharded: bool = True,
        zst: bool = True,
        current: bool = True,
        packages: RecordingServer | None = None,
        shards: RecordingServer | None = None,
        shards_below: str = "",
        cache_control: str = DOCUMENTS_LAST,
    ) -> str:
        """Serve it as the public channels are; give its URL.

        `packages` and `shards` are other hosts that have these instead, named by absolute URLs;
        `shards_below` is a relative ``shards_base_url`` such as ``./shards/``; `cache_control` is
        the documents'.
        """
        above = f"{prefix}/{self.name}/"
        base_url = f"{packages.url}{above}" if packages else ""
        shards_base_url = f"{shards.url}{above}" if shards else shards_below

        def documents() -> dict[str, bytes]:
            found = self.documents(base_url=base_url, shards_base_url=shards_base_url)
            own = {path: data for path, data in found.items() if not is_shard(path)}
            if sharded and shards is None:
                own |= {_moved(p, shards_below): data for p, data in self.shards().items()}
            return own

        def wanted(path: str) -> bool:
            return not (
                (not sharded and path.endswith(SHARDS))
                or (not zst and path.endswith(".json.zst"))
                or (not current and "/current_repodata" in path)
            )

        def answer(path: str, _: Mapping[str, str]) -> Reply:
            inside = path.removeprefix(above)
            found = documents().get(inside) if wanted(inside) else None
            if found is not None:
                return _reply(inside, found, cache_control)
            return NOT_FOUND if packages else self._file(inside)

        server.mounts[above] = answer
        if packages is not None:
            packages.mounts[above] = lambda path, _: self._file(path.removeprefix(above))
        if shards is not None:

            def shard(path: str, _: Mapping[str, str]) -> Reply:
                inside = path.removeprefix(above)
                found = self.shards().get(inside)
                return NOT_FOUND if found is None else _reply(inside, found)

            shards.mounts[above] = shard
        return server.url + above.rstrip("/")

    def mount_mirror(
        self,
        server: RecordingServer,
        *,
        prefix: str = "",
        documents: Channel | None = None,
        sharded: bool = False,
        without: Collection[str] = (),
    ) -> str:
        """Serve it as a mirror that keeps the origin's paths; give the root of all its channels.

        A mirror has packages only, or the `documents` of a channel besides: this one for a fresh
        mirror, an older copy of it for a stale one. `without` names files that it lacks.
        """
        above = f"{prefix}/{self.name}/"

        def answer(path: str, _: Mapping[str, str]) -> Reply:
            inside = path.removeprefix(above)
            if inside.rpartition("/")[2] in without:
                return NOT_FOUND
            if documents is not None and (
                sharded or not (is_shard(inside) or inside.endswith(SHARDS))
            ):
                found = documents.documents().get(inside)
                if found is not None:
                    return _reply(inside, found)
            return self._file(inside)

        server.mounts[above] = answer
        return server.url + prefix

    def _file(self, inside: str) -> Reply:
        for one in self.packages:
            if one.path == inside:
                return _reply(inside, one.data)
        return NOT_FOUND

    def copy(self, without: Iterable[Package] = ()) -> Channel:
        """Give a channel as it was before some packages came."""
        gone = {one.path for one in without}
        kept = [one for one in self.packages if one.path not in gone]
        return Channel(self.name, kept, self.subdirs)


def is_shard(path: str) -> bool:
    """Say whether a path is a shard's."""
    return _SHARD.fullmatch(path.rpartition("/")[2]) is not None


def _below(base: str, subdir: str) -> str:
    return f"{base}{subdir}/" if "://" in base else base


def _moved(path: str, below: str) -> str:
    subdir, _, name = path.rpartition("/")
    return f"{subdir}/{below.removeprefix('./')}{name}"


def _reply(path: str, data: bytes, cache_control: str = DOCUMENTS_LAST) -> Reply:
    lasting = is_shard(path) or path.endswith((".conda", ".tar.bz2"))
    headers = {
        "Cache-Control": BYTES_LAST if lasting else cache_control,
        "Last-Modified": MODIFIED,
    }
    kind = "application/json" if path.endswith(".json") else "binary/octet-stream"
    return Reply(data, 200, kind, headers)
