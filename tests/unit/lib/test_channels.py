"""The tests' own channels: what they claim must be true, else the other tests prove nothing."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import get_args

import pytest
from conda_package_streaming.package_streaming import stream_conda_component

from lib.conda import channels
from lib.conda.channels import (
    SHARDS,
    Channel,
    Form,
    Package,
    is_shard,
    package,
    read_shard,
    twin,
    unzstd,
)
from lib.serving.servers import RecordingServer

FORMS = get_args(Form)


@pytest.fixture
def channel() -> Channel:
    made = Channel("conda-forge")
    made.add(
        package("alpha", "1.0", depends=["beta >=1", "gamma"], size=200_000),
        package("beta", "1.0"),
        package("beta", "1.10", "h1_3", form=".tar.bz2", size=1000),
        package("gamma", subdir="linux-64", run_exports=["gamma >=1"]),
    )
    return made


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as running:
        yield running


def get(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}, error.read()


def members(built: Package) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    components = ("info", "pkg") if built.filename.endswith(".conda") else ("pkg",)
    for component in components:
        # A `.tar.bz2` is one component whatever is asked for.
        held = io.BytesIO(built.data)
        for tar, member in stream_conda_component(built.filename, held, component):
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


@pytest.mark.parametrize("form", FORMS)
def test_a_package_holds_what_it_says_in_either_format(form: Form) -> None:
    built = package("alpha", "2.0", "h0_7", depends=["beta"], size=5000, form=form)
    held = members(built)
    index = json.loads(held["info/index.json"])
    assert (index["name"], index["version"], index["build"]) == ("alpha", "2.0", "h0_7")
    assert index["build_number"] == 7
    assert index["depends"] == ["beta"]
    assert {k: v for k, v in held.items() if not k.startswith("info/")} == built.files
    assert held["info/files"].decode().split() == sorted(built.files)
    for entry in json.loads(held["info/paths.json"])["paths"]:
        data = built.files[entry["_path"]]
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["size_in_bytes"] == len(data)
    assert len(built.files["share/alpha/payload"]) == 5000


@pytest.mark.parametrize("form", FORMS)
def test_the_same_call_gives_the_same_bytes_and_another_seed_does_not(form: Form) -> None:
    one = package("alpha", size=3000, form=form)
    channels._package.cache_clear()
    assert package("alpha", size=3000, form=form).data == one.data
    assert package("alpha", size=3000, form=form, seed="other").sha256 != one.sha256


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_a_twin_is_a_well_formed_package_of_the_same_length(size: int) -> None:
    right = package("alpha", size=size, depends=["beta"])
    wrong = twin(right)
    assert len(wrong.data) == len(right.data)
    assert wrong.sha256 != right.sha256
    assert members(wrong)["info/index.json"] == members(right)["info/index.json"]
    assert wrong.files != right.files


def test_flat_repodata_names_every_package_with_its_true_digest_and_size(channel: Channel) -> None:
    files = channel.files()
    named: dict[str, dict[str, object]] = {}
    for subdir in channel.subdirs:
        page = json.loads(files[f"{subdir}/repodata.json"])
        packed = files[f"{subdir}/repodata.json.zst"]
        assert unzstd(packed) == files[f"{subdir}/repodata.json"]
        for kind in ("packages", "packages.conda"):
            named |= {f"{subdir}/{name}": record for name, record in page[kind].items()}
    assert set(named) == {one.path for one in channel.packages}
    for one in channel.packages:
        record = named[one.path]
        assert record["sha256"] == one.sha256
        assert record["md5"] == one.md5
        assert record["size"] == len(one.data)
        assert record["depends"] == list(one.depends)


def test_a_shard_is_named_by_its_digest_and_names_the_packages_truly(channel: Channel) -> None:
    files = channel.files()
    seen: set[str] = set()
    for subdir in channel.subdirs:
        for name, digest in read_shard(files[f"{subdir}/{SHARDS}"])["shards"].items():
            data = files[f"{subdir}/{digest.hex()}.msgpack.zst"]
            assert hashlib.sha256(data).digest() == digest
            shard = read_shard(data)
            for filename, record in {**shard["packages"], **shard["packages.conda"]}.items():
                assert record["name"] == name
                one = next(p for p in channel.packages if p.path == f"{subdir}/{filename}")
                assert (record["sha256"].hex(), record["size"]) == (one.sha256, len(one.data))
                seen.add(one.path)
    assert seen == {one.path for one in channel.packages}
    assert sum(map(is_shard, files)) == 3


def test_current_repodata_has_the_newest_version_only(channel: Channel) -> None:
    page = json.loads(channel.files()["noarch/current_repodata.json"])
    assert set(page["packages"]) == {"beta-1.10-h1_3.tar.bz2"}
    assert set(page["packages.conda"]) == {"alpha-1.0-0.conda"}


def test_channeldata_and_run_exports_are_there(channel: Channel) -> None:
    files = channel.files()
    assert set(json.loads(files["channeldata.json"])["packages"]) == {"alpha", "beta", "gamma"}
    exports = json.loads(files["linux-64/run_exports.json"])["packages.conda"]
    assert exports["gamma-1.0-0.conda"]["run_exports"] == {"weak": ["gamma >=1"]}


def test_no_stand_in_for_conda_stays_behind(channel: Channel) -> None:
    channel.files()
    assert "conda" not in sys.modules or hasattr(sys.modules["conda"], "__version__")


def test_an_origin_dates_its_files_and_answers_conditional_requests(
    channel: Channel, server: RecordingServer
) -> None:
    url = channel.mount_origin(server)
    assert url == f"{server.url}/conda-forge"
    code, headers, body = get(f"{url}/noarch/repodata.json")
    assert (code, json.loads(body)["info"]["subdir"]) == (200, "noarch")
    assert headers["cache-control"] == "public, max-age=1200"
    again = f"{url}/noarch/repodata.json"
    assert get(again, {"If-None-Match": headers["etag"]})[0] == 304
    assert get(again, {"If-Modified-Since": headers["last-modified"]})[0] == 304
    stale = {"If-None-Match": '"x"', "If-Modified-Since": headers["last-modified"]}
    assert get(again, stale)[0] == 200
    one = channel.packages[0]
    code, headers, body = get(f"{url}/{one.path}")
    assert (code, body) == (200, one.data)
    assert "immutable" in headers["cache-control"]
    assert get(f"{url}/noarch/nothing-1.0-0.conda")[0] == 404


def test_an_origin_may_lack_shards_and_compressed_pages(
    channel: Channel, server: RecordingServer
) -> None:
    url = channel.mount_origin(server, sharded=False, zst=False, current=False)
    for path in (SHARDS, "repodata.json.zst", "current_repodata.json"):
        assert get(f"{url}/noarch/{path}")[0] == 404
    assert get(f"{url}/noarch/repodata.json")[0] == 200


def test_packages_and_shards_may_be_on_other_hosts(
    channel: Channel, server: RecordingServer
) -> None:
    one = channel.packages[0]
    with RecordingServer() as packages, RecordingServer() as shards:
        url = channel.mount_origin(server, packages=packages, shards=shards)
        page = json.loads(get(f"{url}/noarch/repodata.json")[2])
        assert page["repodata_version"] == 2
        assert page["info"]["base_url"] == f"{packages.url}/conda-forge/noarch/"
        index = read_shard(get(f"{url}/noarch/{SHARDS}")[2])
        assert index["info"]["base_url"] == page["info"]["base_url"]
        base = index["info"]["shards_base_url"]
        assert base == f"{shards.url}/conda-forge/noarch/"
        digest = index["shards"]["alpha"].hex()
        assert get(f"{base}{digest}.msgpack.zst")[0] == 200
        assert get(f"{url}/noarch/{digest}.msgpack.zst")[0] == 404
        assert get(f"{page['info']['base_url']}{one.filename}")[2] == one.data
        assert get(f"{url}/{one.path}")[0] == 404


def test_shards_may_lie_in_a_folder(channel: Channel, server: RecordingServer) -> None:
    url = channel.mount_origin(server, shards_below="./shards/")
    index = read_shard(get(f"{url}/noarch/{SHARDS}")[2])
    assert index["info"]["shards_base_url"] == "./shards/"
    digest = index["shards"]["alpha"].hex()
    assert get(f"{url}/noarch/shards/{digest}.msgpack.zst")[0] == 200


def test_a_mirror_has_packages_and_if_asked_an_older_index(
    channel: Channel, server: RecordingServer
) -> None:
    alpha, *_, gamma = channel.packages
    root = channel.mount_mirror(server, prefix="/anaconda", without=[gamma.filename])
    assert root == f"{server.url}/anaconda"
    assert get(f"{root}/conda-forge/{alpha.path}")[2] == alpha.data
    assert get(f"{root}/conda-forge/{gamma.path}")[0] == 404
    assert get(f"{root}/conda-forge/noarch/repodata.json")[0] == 404
    root = channel.mount_mirror(server, prefix="/late", documents=channel.copy([alpha]))
    page = json.loads(get(f"{root}/conda-forge/noarch/repodata.json")[2])
    assert alpha.filename not in page["packages.conda"]
    assert get(f"{root}/conda-forge/noarch/{SHARDS}")[0] == 404


def test_what_is_added_later_is_on_every_server_at_once(
    channel: Channel, server: RecordingServer
) -> None:
    url = channel.mount_origin(server)
    get(f"{url}/noarch/repodata.json")
    late = channel.add(package("late"))
    page = json.loads(get(f"{url}/noarch/repodata.json")[2])
    assert late.filename in page["packages.conda"]
    assert get(f"{url}/{late.path}")[2] == late.data
