"""What a channel, its documents and conda itself say."""

from __future__ import annotations

import bz2
import contextlib
import json
import sys
from collections.abc import Iterator

from fuzz.model import BrokenLaw, Target
from headrace.interface import LookUpResult, LookUpStep
from headrace.models import Document, Origin, Request, ServeArtifact, ServeDocument
from headrace_conda.builds import versions
from headrace_conda.builds.reading import RecordReader, SeenMachine
from headrace_conda.builds.records import builds_in
from headrace_conda.channels import configured, known, paths, repodata
from headrace_conda.channels.ecosystem import CondaEcosystem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ORIGIN = Origin("conda", "https://conda.example", name="conda.example")
_FOLDER = "/conda/conda.example/chan/noarch"


def _parts(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _flat(data: bytes) -> object:
    """Flat repodata, in one piece and in pieces: both say the same."""
    told: list[str] = []
    answers: list[object] = []
    for size in (1 << 20, 7):
        try:
            answers.append(dict(repodata.flat_entries(_parts(data, size), told.append)))
        except ValueError:
            answers.append(None)
    if answers[0] != answers[1]:
        raise BrokenLaw("repodata says something else in smaller pieces")
    found = answers[0]
    return isinstance(found, dict) and min(len(found), 3), len(told)


def _packed(data: bytes) -> object:
    """The same packed: by what stands first here (z, b), or as it comes (Z, B)."""
    kind, body = data[:1], data[1:]
    if kind == b"z":
        body = zstd.compress(body, 1)
    elif kind == b"b":
        body = bz2.compress(body, 1)
    ecosystem = CondaEcosystem([_ORIGIN])
    name = "repodata.json.zst" if kind in b"zZ" else "repodata.json.bz2"
    plan = ecosystem.plan(Request("GET", f"{_FOLDER}/{name}"))
    assert isinstance(plan, ServeDocument)
    found = dict(ecosystem.entries(plan, _parts(body, 1000)))
    return kind in b"zZ", min(len(found), 3)


def _shards(data: bytes) -> object:
    """An index of shards and a shard, packed here where they do not come packed."""
    body = data if data.startswith(repodata.ZSTD) else zstd.compress(data, 1)
    ecosystem = CondaEcosystem([_ORIGIN])
    index = ecosystem.plan(Request("GET", f"{_FOLDER}/repodata_shards.msgpack.zst"))
    assert isinstance(index, ServeDocument)
    word: list[object] = []
    with contextlib.suppress(ValueError):
        ecosystem.learn(Document(index.url, body, ""), index)
        word.append("index")
        found = repodata.read_index(body)
        word += [found.shard_url(index.url, name) is None for name in list(found.shards)[:2]]
    with contextlib.suppress(ValueError):
        word.append(len(repodata.read_shard(body)))
        word.append(len(repodata.names_needed(body)))
    shard = ServeArtifact(f"{_FOLDER}/{'0' * 64}.msgpack.zst", None)
    url = f"https://conda.example/chan/noarch/{'0' * 64}.msgpack.zst"
    with contextlib.suppress(ValueError):
        word.append(
            len(list(ecosystem.leads_to(shard, Document(url, body, ""), Request("GET", "/"))))
        )
    # What names a package, with this document for each question.
    look_up = ecosystem.look_up(ServeArtifact(f"{_FOLDER}/a-1.0-0.conda", None))
    answer: LookUpResult | None = None
    with contextlib.suppress(StopIteration):
        step: LookUpStep = next(look_up)
        for _ in range(20):
            answer = LookUpResult("v", 1.0, body) if not step.entry else None
            step = look_up.send(answer)
    return tuple(word)


def _paths(data: bytes) -> object:
    path, _, rest = data.decode("utf-8", "replace").partition("\n")
    ecosystem = CondaEcosystem([_ORIGIN])
    plan = ecosystem.plan(Request("GET", path, rest))
    place = paths.parse(path)
    if place is not None and place.name and paths.place_of(place.url) != place:
        raise BrokenLaw(f"{place} is another place by its URL")
    for url in (path, rest):
        paths.authority(url)
        there = paths.place_of(url)
        if there is not None and paths.parse(there.path) != there:
            raise BrokenLaw(f"{there} is another place by its path")
        known.is_public(url)
        known.needs_no_token(url)
        known.is_mirror(url)
    return type(plan).__name__, place is None


def _configured(data: bytes) -> object:
    """What conda says of its own configuration, as far as it is JSON."""
    try:
        settings = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(settings, dict):
        return None
    return min(len(configured.origins(settings)), 9)


def _builds(data: bytes) -> object:
    """A condition a line: what is read of it says the same again, and versions have one order."""
    lines = data.decode("utf-8", "replace").split("\n")[:8]
    for line in lines:
        found = versions.condition(line)
        if found is not None and not found.unread and versions.condition(str(found)) != found:
            raise BrokenLaw(f"{found} is another condition as it is written")
    for left in lines:
        for right in lines:
            if versions.compare(left, right) != -versions.compare(right, left):
                raise BrokenLaw(f"{left!r} and {right!r} have two orders")
            versions.satisfies(left, right)
    records = [{"version": line, "build": line, "depends": [line, "__cuda"]} for line in lines]
    builds = builds_in("a", records)
    reader = RecordReader(SeenMachine({"__cuda": ("12.4", "0")}), lambda _: builds)
    return len(builds), sum(each.obstacle == "" for each in reader.verdicts(builds))


TARGETS = [
    Target(
        "conda-conditions",
        _builds,
        (),
        (
            b">=",
            b"<=",
            b"~=",
            b"!=",
            b"==",
            b".*",
            b"|",
            b",",
            b"::",
            b"[",
            b" *",
            b"__cuda",
            b"post",
        ),
    ),
    Target(
        "repodata",
        _flat,
        (),
        (
            b'"packages":{',
            b'"packages.conda":{',
            b'"sha256":"',
            b'"size":',
            b'"info":{',
            b'"base_url":"',
            b'"removed":[',
        ),
    ),
    Target(
        "repodata-packed",
        _packed,
        (ValueError,),
        (b"z", b"b", b"Z\x28\xb5\x2f\xfd", b"BBZh9", b'"packages":{'),
    ),
    Target(
        "shards",
        _shards,
        (),
        (
            b"\x81",
            b"\x82",
            b"\xc4\x20",
            b"\xa6sha256",
            b"\xa6shards",
            b"\xa8packages",
            b"\xaepackages.conda",
            b"\xa7depends",
            b"\xa8base_url",
            b"\xafshards_base_url",
            b"\xdf\xff\xff\xff\xff",
            b"\xdd\x7f\xff\xff\xff",
            b"\xc7\x0c\xff",
        ),
    ),
    Target(
        "channel-paths",
        _paths,
        (),
        (b"/conda/", b"http+", b"/t/", b"repodata.json", b".conda", b"https://", b"noarch"),
    ),
    Target(
        "conda-settings",
        _configured,
        (),
        (
            b'"channels":[',
            b'"custom_channels":{',
            b'"channel_alias":{',
            b'"location":',
            b'"scheme":',
            b'"auth":',
            b'"token":',
            b'"proxy_servers":{',
            b'"ssl_verify":',
        ),
    ),
]
