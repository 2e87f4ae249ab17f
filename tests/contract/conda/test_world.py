"""Real conda and py-rattler straight at the recording origin, without headrace: what the other
tests of this folder compare with, and what each client says on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.conda.channels import SHARDS, Channel, Package, package, read_shard
from lib.conda.clients import Conda, Rattler, find_base, need_base, no_base
from lib.conda.world import CLIENTS, MB, knows_shards
from lib.serving.servers import RecordingServer, Seen

INSTALLS = [(name, False) for name in CLIENTS] + [(n, True) for n in CLIENTS if knows_shards(n)]


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as server:
        server.compress = True
        yield server


@pytest.fixture
def conda(tmp_path: Path) -> Conda:
    return Conda(need_base(), tmp_path / "home")


@pytest.fixture
def channel() -> Channel:
    made = Channel("conda-forge")
    made.add(
        package("alpha", "1.0", depends=["beta >=1.5", "gamma"], size=3 * MB),
        package("beta", "1.0"),
        package("beta", "1.5", size=1000, form=".tar.bz2"),
        package("gamma", subdir="linux-64"),
        package("unrelated"),
    )
    return made


def chosen(channel: Channel) -> list[Package]:
    """What `alpha` needs."""
    return [p for p in channel.packages if p.dist in {"alpha-1.0-0", "beta-1.5-0", "gamma-1.0-0"}]


def shards_of(channel: Channel, packages: list[Package]) -> set[str]:
    """Give the paths of the shards that name these packages."""
    names = {one.name for one in packages}
    return {
        f"{subdir}/{digest.hex()}.msgpack.zst"
        for subdir in channel.subdirs
        for name, digest in read_shard(channel.files()[f"{subdir}/{SHARDS}"])["shards"].items()
        if name in names
    }


def documents(origin: RecordingServer) -> list[Seen]:
    """What was asked but for packages and conda's notices."""
    return [
        seen
        for seen in origin.seen
        if not seen.path.endswith((".conda", ".tar.bz2", "/notices.json"))
    ]


def asked(requests: list[Seen]) -> set[tuple[str, str, int]]:
    return {
        (seen.method, seen.path.removeprefix("/conda-forge/"), seen.status) for seen in requests
    }


def test_a_base_is_found_or_its_absence_is_explained() -> None:
    base = find_base()
    if base is None:
        pytest.skip(no_base())
    assert base.release >= (24,)
    assert "classic" in base.solvers


@pytest.mark.parametrize(("name", "sharded"), INSTALLS)
def test_every_client_installs_from_the_origin_and_records_it(
    tmp_path: Path, channel: Channel, origin: RecordingServer, name: str, *, sharded: bool
) -> None:
    client = CLIENTS[name](tmp_path / "home")
    url = channel.mount_origin(origin, sharded=sharded)
    client.create("env", "alpha", channel=url).ok()
    wanted = chosen(channel)
    meta = client.meta("env")
    assert set(meta) == {one.name for one in wanted}
    for one in wanted:
        assert one.installed_in(client.prefix("env"))
        assert meta[one.name]["url"] == f"{url}/{one.path}"
        assert meta[one.name]["channel"].startswith(url)
        assert meta[one.name]["sha256"] == one.sha256
        (seen,) = origin.requests(f"*/{one.path}")
        assert (seen.method, seen.status, seen.range) == ("GET", 200, None)
        # An encoding is offered even for packages, which a server may not take up.
        assert seen.headers["accept-encoding"].startswith("gzip")
    assert not origin.requests("*unrelated*")
    origin.forget()
    client.create("again", "alpha", channel=url).ok()
    # The documents are within their lifetime, the packages are at hand. That a flat channel has no
    # index of shards is remembered for seconds alone, and a slow run takes longer.
    lacking = [] if sharded else origin.requests("*/repodata_shards.msgpack.zst")
    assert [seen for seen in origin.seen if seen not in lacking] == []


@pytest.mark.parametrize("name", CLIENTS)
def test_documents_are_asked_for_once_and_later_conditionally(
    tmp_path: Path, channel: Channel, origin: RecordingServer, name: str
) -> None:
    client = CLIENTS[name](tmp_path / "home")
    url = channel.mount_origin(origin, cache_control="public, max-age=0")
    client.create("one", "alpha", channel=url).ok()
    page = SHARDS if knows_shards(name) else "current_repodata.json.zst"
    pages = {f"{subdir}/{page}" for subdir in channel.subdirs}
    shards = shards_of(channel, chosen(channel)) if knows_shards(name) else set()
    assert asked(documents(origin)) == {("GET", path, 200) for path in pages | shards}
    origin.forget()
    client.create("two", "alpha", channel=url).ok()
    assert asked(origin.seen) == {("GET", path, 304) for path in pages}
    for seen in origin.seen:
        assert seen.headers["if-none-match"].startswith('"')


def test_without_shards_rattler_asks_what_there_is_before_it_takes_it(
    tmp_path: Path, channel: Channel, origin: RecordingServer
) -> None:
    url = channel.mount_origin(origin, sharded=False)
    Rattler(tmp_path).create("env", "alpha", channel=url).ok()
    assert asked(documents(origin)) == {
        request
        for subdir in channel.subdirs
        for request in (
            ("GET", f"{subdir}/{SHARDS}", 404),
            ("HEAD", f"{subdir}/repodata.json.zst", 200),
            ("HEAD", f"{subdir}/repodata.json.bz2", 200),
            ("GET", f"{subdir}/repodata.json.zst", 200),
        )
    }


def test_rattler_tells_the_digest_that_it_expects(
    tmp_path: Path, channel: Channel, origin: RecordingServer
) -> None:
    url = channel.mount_origin(origin)
    Rattler(tmp_path).create("env", "alpha", channel=url).ok()
    for one in chosen(channel):
        (seen,) = origin.requests(f"*/{one.path}")
        assert seen.headers["x-expected-sha256"] == one.sha256


def test_rattler_takes_a_mirror_and_records_the_origin(
    tmp_path: Path, channel: Channel, origin: RecordingServer
) -> None:
    url = channel.mount_origin(origin)
    with RecordingServer(name="mirror") as mirror:
        root = channel.mount_mirror(mirror, documents=channel, sharded=True)
        rattler = Rattler(tmp_path, mirrors={origin.url: [root, origin.url]})
        rattler.create("env", "alpha", channel=url).ok()
        assert not origin.seen
        assert len(mirror.requests("*.conda")) == 2
    assert rattler.meta("env")["alpha"]["url"].startswith(url)
    assert not [f for f in rattler.mentions(root) if f.startswith("envs/")]


def test_rattler_goes_to_the_origin_when_the_mirror_is_dead(
    tmp_path: Path, channel: Channel, origin: RecordingServer
) -> None:
    url = channel.mount_origin(origin)
    with RecordingServer(name="mirror") as mirror:
        root = channel.mount_mirror(mirror)
    rattler = Rattler(tmp_path, mirrors={origin.url: [root, origin.url]})
    rattler.create("env", "alpha", channel=url).ok()
    assert len(origin.requests("*.conda")) == 2


def test_conda_goes_on_from_a_part_that_an_earlier_run_left(
    conda: Conda, channel: Channel, origin: RecordingServer
) -> None:
    url = channel.mount_origin(origin)
    alpha = channel.packages[0]
    conda.pkgs.mkdir()
    (conda.pkgs / f"{alpha.filename}.partial").write_bytes(alpha.data[:MB])
    conda.create("env", "alpha", channel=url).ok()
    (seen,) = origin.requests(f"*/{alpha.path}")
    assert (seen.range, seen.status, "if-range" in seen.headers) == ((MB, None), 206, False)
    assert alpha.installed_in(conda.prefix("env"))


def test_two_runs_of_conda_leave_the_same_packages_prefix_and_lists(
    tmp_path: Path, channel: Channel, origin: RecordingServer
) -> None:
    url = channel.mount_origin(origin)
    left = []
    for name in ("one", "two"):
        conda = Conda(need_base(), tmp_path / name)
        conda.create("env", "alpha", channel=url).ok()
        left.append((conda.package_cache(), conda.prefix_tree("env"), conda.export("env")))
        assert set(conda.list_explicit("env")) == {f"{url}/{one.path}" for one in chosen(channel)}
    assert left[0] == left[1]
    assert f"  - {url}\n" in left[0][2]


def test_a_channel_alias_of_the_condarc_leads_to_the_origin(
    conda: Conda, channel: Channel, origin: RecordingServer
) -> None:
    url = channel.mount_origin(origin)
    conda.configure(channel_alias=origin.url, channels=["conda-forge"])
    conda.create("env", "beta").ok()
    assert conda.meta("env")["beta"]["url"] == f"{url}/noarch/beta-1.5-0.tar.bz2"


def test_conda_sees_a_plugin_that_is_not_installed_in_its_base(conda: Conda) -> None:
    source = (
        "import conda.plugins\n"
        "from conda.plugins.types import CondaSubcommand\n"
        "@conda.plugins.hookimpl\n"
        "def conda_subcommands():\n"
        "    run = lambda args: print('hello', *args)\n"
        "    yield CondaSubcommand(name='greet', summary='', action=run)\n"
    )
    folder = conda.home / "elsewhere"
    folder.mkdir()
    (folder / "greeting.py").write_text(source, "utf-8")
    conda.see_plugin("greeting", folder)
    assert conda.run("greet", "you").ok().out == "hello you\n"
