"""Channels of conda packages as origins and mirrors keep them.

An origin has shards or has none; a mirror never has any: no public one does. How large the flat
index is decides what those wait for who have nothing else, so there is one of a real channel's
size beside a small one.

>>> lab.url(ORIGIN) + channel.at("sharded")              # the origin, with shards
>>> lab.url("b") + channel.at("sharded", mirrored=True)  # the same channel at a full mirror
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgpack

from benchmarks.corpus.conda_packages import BUILT, CondaPackage, make_package
from benchmarks.corpus.kept import kept

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Channel", "CondaPackage", "Kind", "environment", "single_package"]

Kind = Literal["sharded", "flat", "large"]
"""With shards and a large flat index; with a small flat index alone; with a large one alone."""

#: Part of the folder's name: a corpus made by other rules is another corpus.
_RULES = 1
_NAME = "lab-forge"
_SUBDIRS = ("linux-64", "noarch")
_PACKAGES = 40
_FAN = 3
#: Bytes of the few large packages of an environment; the rest is spread between `_SMALLEST` and
#: `_MIDDLE`, as many of each power of two.
_LARGE = (24_000_000, 14_000_000, 9_000_000, 7_000_000, 5_000_000)
_SMALLEST, _MIDDLE = 10_000, 2_000_000
#: Records of older releases of each package of an environment.
_OLDER = 24
#: Records of packages that nobody asks for in the large index, and of one name.
_OTHERS, _OF_ONE_NAME = 59_000, 10
#: Every fourth package is for all platforms.
_NOARCH_EVERY = 4


@dataclass(frozen=True, slots=True)
class Channel:
    """Packages that are there to be downloaded, and where the indexes lie that name them."""

    root: Path
    wrong: Path
    """Empty: no case needs a lying mirror of it."""
    packages: tuple[CondaPackage, ...]
    """The first one needs, through others, all of them."""

    @property
    def size(self) -> int:
        """Bytes of all packages."""
        return sum(package.size for package in self.packages)

    @property
    def largest(self) -> CondaPackage:
        """The largest package."""
        return max(self.packages, key=lambda package: package.size)

    def at(self, kind: Kind, *, mirrored: bool = False) -> str:
        """Give the channel's path at a host."""
        return f"{self.mirror_base if mirrored else ''}/{kind}/{_NAME}"

    @property
    def mirror_base(self) -> str:
        """Path below which a mirror has the origin's paths."""
        return "/mirror"

    def index_size(self, kind: Kind) -> int:
        """Bytes of the documents that name the packages, as a client takes them."""
        pattern = "*/*.msgpack.zst" if kind == "sharded" else "*/repodata.json.zst"
        return sum(file.stat().st_size for file in (self.root / kind / _NAME).glob(pattern))

    def path(self, kind: Kind, package: CondaPackage) -> str:
        """Give a package's path at a host."""
        return f"{self.at(kind)}/{package.subdir}/{package.filename}"


def environment(large: float = 1.0) -> Channel:
    """Forty packages, as an environment has them; `large` scales the few large ones."""
    sizes = [int(size * large) for size in _LARGE]
    steps = _PACKAGES - len(sizes)
    growth = math.log(_MIDDLE / _SMALLEST) / (steps - 1)
    sizes += [int(_SMALLEST * math.exp(growth * step)) for step in range(steps)]
    # Neighbours in the tree are of different sizes: the order is a fixed one that looks shuffled.
    sizes.sort(key=lambda size: hashlib.sha256(str(size).encode()).digest())
    return _keep(f"environment-{large:g}", sizes, _OTHERS)


def single_package(size: int) -> Channel:
    """One package alone, in a channel of its own."""
    return _keep(f"package-{size}", [size], 0)


def _keep(name: str, sizes: Sequence[int], others: int) -> Channel:
    folder = kept(f"conda-{name}-v{_RULES}", partial(_fill, sizes, others))
    table = json.loads((folder / "channel.json").read_text())
    packages = [CondaPackage(**{**entry, "depends": tuple(entry["depends"])}) for entry in table]
    return Channel(folder / "right", folder / "wrong", tuple(packages))


def _fill(sizes: Sequence[int], others: int, draft: Path) -> None:
    root = draft / "right"
    (draft / "wrong").mkdir()
    flat, large, sharded = (root / kind / _NAME for kind in ("flat", "large", "sharded"))
    for subdir in _SUBDIRS:
        for channel in (flat, large, sharded):
            (channel / subdir).mkdir(parents=True)
    packages = list(_packages(flat, sizes))
    for package in packages:
        for channel in (large, sharded):
            there = channel / package.subdir / package.filename
            there.hardlink_to(flat / package.subdir / package.filename)
    for subdir in _SUBDIRS:
        own = {p.filename: p.record for p in packages if p.subdir == subdir}
        for package in packages:
            if package.subdir == subdir:
                own |= _older(package)
        more = dict(_unwanted(subdir, others))
        _write_flat(flat / subdir, subdir, own)
        _write_flat(large / subdir, subdir, own | more)
        _write_flat(sharded / subdir, subdir, own | more)
        _write_shards(sharded / subdir, subdir, own, more)
    # What a mirror keeps: no shards.
    mirror = root / "mirror"
    mirror.mkdir()
    for kind, kept_there in (("flat", "flat"), ("large", "large"), ("sharded", "large")):
        (mirror / kind).symlink_to(f"../{kept_there}")
    table = [dataclasses.asdict(package) for package in packages]
    (draft / "channel.json").write_text(json.dumps(table))


def _packages(channel: Path, sizes: Sequence[int]) -> Iterator[CondaPackage]:
    for number, size in enumerate(sizes):
        first = number * _FAN + 1
        children = range(first, min(first + _FAN, len(sizes)))
        depends = [f"labenv-{child:02} >=9.0,<10" for child in children]
        subdir = "noarch" if number % _NOARCH_EVERY == _NOARCH_EVERY - 1 else "linux-64"
        yield make_package(channel / subdir, f"labenv-{number:02}", size, subdir, depends)


# -------------------------------------------------------------- indexes


def _made_up(
    name: str, release: int, subdir: str, depends: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    version, build = f"{release // 3}.{release % 3}.0", f"h{release:07x}_{release % 3}"
    filename = f"{name}-{version}-{build}.conda"
    seed = filename.encode()
    record = {
        "build": build,
        "build_number": release % 3,
        "constrains": [],
        "depends": list(depends),
        "license": "BSD-3-Clause",
        "license_family": "BSD",
        "md5": hashlib.md5(seed, usedforsecurity=False).hexdigest(),
        "name": name,
        "sha256": hashlib.sha256(seed).hexdigest(),
        "size": 10_000 + int.from_bytes(hashlib.sha1(seed).digest()[:3]),
        "subdir": subdir,
        "timestamp": BUILT - 86_400_000 * (release + 1),
        "version": version,
    }
    if subdir == "noarch":
        record["noarch"] = "generic"
    return filename, record


def _older(package: CondaPackage) -> dict[str, dict[str, Any]]:
    """Name releases before it; nobody keeps their files."""
    depends = [spec.replace(">=9.0,<10", ">=0.1,<9") for spec in package.depends]
    depends.append("__glibc >=2.17,<3.0.a0")
    return dict(_made_up(package.name, n, package.subdir, depends) for n in range(_OLDER))


def _unwanted(subdir: str, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name the rest of a channel: real ones have three times as much for one platform."""
    share = count // 4 if subdir == "noarch" else count - count // 4
    for number in range(share):
        project, release = divmod(number, _OF_ONE_NAME)
        name = f"{subdir[:2]}-other-{project:05}"
        depends = [
            f"{subdir[:2]}-other-{(project * 7 + k) % 997:05} >={release}.0" for k in range(5)
        ]
        yield _made_up(name, release, subdir, ["__glibc >=2.17,<3.0.a0", *depends])


def _write_flat(folder: Path, subdir: str, records: Mapping[str, dict[str, Any]]) -> None:
    """Write `repodata.json` and the newest of each name, plain and packed."""
    newest: dict[str, str] = {}
    for filename, record in records.items():
        before = newest.get(record["name"])
        if before is None or records[before]["timestamp"] < record["timestamp"]:
            newest[record["name"]] = filename
    current = {filename: records[filename] for filename in newest.values()}
    for stem, chosen in (("repodata", records), ("current_repodata", current)):
        page = {
            "info": {"subdir": subdir},
            "packages": {},
            "packages.conda": dict(sorted(chosen.items())),
            "removed": [],
            "repodata_version": 1,
        }
        data = json.dumps(page, separators=(",", ":")).encode()
        (folder / f"{stem}.json").write_bytes(data)
        (folder / f"{stem}.json.zst").write_bytes(zstd.compress(data, level=10))


def _write_shards(
    folder: Path,
    subdir: str,
    own: Mapping[str, dict[str, Any]],
    more: Mapping[str, dict[str, Any]],
) -> None:
    """Write the shards that are asked for, and an index that names many more."""
    by_name: dict[str, dict[str, dict[str, Any]]] = {}
    for filename, record in own.items():
        packed = {
            **record,
            "md5": bytes.fromhex(record["md5"]),
            "sha256": bytes.fromhex(record["sha256"]),
        }
        by_name.setdefault(record["name"], {})[filename] = packed
    shards = {record["name"]: _digest(record["name"]) for record in more.values()}
    pack: Callable[[object], bytes] = msgpack.packb
    for name, records in by_name.items():
        data = zstd.compress(pack({"packages": {}, "packages.conda": records, "removed": []}))
        digest = hashlib.sha256(data)
        (folder / f"{digest.hexdigest()}.msgpack.zst").write_bytes(data)
        shards[name] = digest.digest()
    info = {
        "base_url": "",
        "shards_base_url": "",
        "created_at": "2026-01-02T03:04:05Z",
        "subdir": subdir,
    }
    index = {"version": 1, "info": info, "shards": dict(sorted(shards.items()))}
    (folder / "repodata_shards.msgpack.zst").write_bytes(zstd.compress(pack(index)))


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
