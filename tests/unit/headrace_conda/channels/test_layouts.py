from __future__ import annotations

import dataclasses

import pytest

from headrace.models import Artifact, Digest, Mirror, Origin
from headrace_conda.channels import known, layouts
from headrace_conda.channels.locating import locate, word

NAME = "python-3.12.3-hab00c5b_0_cpython.conda"
FORGE = "https://conda.anaconda.org/conda-forge"
MIRRORS = {mirror.id: mirror for mirror in known.mirrors()}
DEFAULT = [mirror for mirror in MIRRORS.values() if not mirror.opt_in]
TUNA = "https://mirrors.tuna.tsinghua.edu.cn/anaconda"


def artifact(url: str, *, private: bool = False) -> Artifact:
    name = url.rpartition("/")[2]
    origin = Origin("conda", url.rpartition("/")[0], private=private)
    return Artifact("conda", "/x", name, url, origin, Digest("sha256", "a" * 64))


def own(layout: str, url: str = "https://m.example/c", *carries: str) -> Mirror:
    return Mirror("own", "conda", url, layout, carries=carries)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{FORGE}/linux-64", "cloud/conda-forge/linux-64"),
        (f"{FORGE}/linux-64/", "cloud/conda-forge/linux-64"),
        (f"{FORGE}/noarch/repodata.json.zst", "cloud/conda-forge/noarch"),
        (f"{FORGE}/emscripten-wasm32/{NAME}", "cloud/conda-forge/emscripten-wasm32"),
        ("HTTPS://Conda.Anaconda.org:443/conda-forge/noarch", "cloud/conda-forge/noarch"),
        ("http://conda.anaconda.org/conda%2Dforge/noarch", "cloud/conda-forge/noarch"),
        ("https://conda.anaconda.org/somebody/win-64", "cloud/somebody/win-64"),
        ("https://repo.anaconda.com/pkgs/main/osx-arm64", "pkgs/main/osx-arm64"),
        ("https://prefix.dev/conda-forge/noarch", "cloud/conda-forge/noarch"),
        (f"{FORGE}/label/dev/linux-64", "cloud/conda-forge/label/dev/linux-64"),
        (f"{FORGE}/label/my%20label/noarch/a.conda", "cloud/conda-forge/label/my label/noarch"),
        (f"{TUNA}/cloud/pytorch/label/x/noarch/a.conda", "cloud/pytorch/label/x/noarch"),
        ("https://repo.prefix.dev/bioconda/noarch/a.conda", "cloud/bioconda/noarch"),
        ("https://repo.prefix.dev/robostack-jazzy/noarch", "cloud/robostack-jazzy/noarch"),
        (f"{TUNA}/cloud/pytorch/linux-64", "cloud/pytorch/linux-64"),
        (f"{TUNA}/pkgs/r/noarch/a.tar.bz2", "pkgs/r/noarch"),
        (
            "https://mirrors.sustech.edu.cn/anaconda-extra/cloud/nvidia/linux-64/a.conda",
            "cloud/nvidia/linux-64",
        ),
    ],
)
def test_a_folder_has_one_word_wherever_it_lies(url: str, expected: str) -> None:
    assert word(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        FORGE,
        f"{FORGE}/label/dev",
        f"{FORGE}/label/dev/other/linux-64",
        f"{FORGE}/label/dev/label/more/linux-64",
        f"{FORGE}/labels/dev/linux-64",
        "https://repo.prefix.dev/mine/label/dev/linux-64",
        f"{FORGE}/channeldata.json",
        f"{FORGE}/linux-64/shards/{'a' * 64}.msgpack.zst",
        f"{FORGE}/../mine/linux-64",
        f"{FORGE}/%2e%2e/mine/linux-64",
        f"{FORGE}/linux-64?x=1",
        "https://conda.anaconda.org",
        "https://conda.anaconda.org/t/secret/mine/linux-64",
        "https://conda.anaconda.org/%74/secret/linux-64",
        "https://me:secret@conda.anaconda.org/mine/linux-64",
        "https://conda.anaconda.org:8443/conda-forge/linux-64",
        "https://conda.anaconda.org.example/conda-forge/linux-64",
        "ftp://conda.anaconda.org/conda-forge/linux-64",
        "https://[conda/conda-forge/linux-64",
        "https://repo.anaconda.com/cloud/conda-forge/linux-64",
        "https://repo.anaconda.com/miniconda/linux-64",
        f"{TUNA}/archive/x/linux-64",
        "https://mirrors.tuna.tsinghua.edu.cn/other/cloud/conda-forge/linux-64",
        "https://conda.company.example/conda-forge/linux-64",
    ],
)
def test_what_is_no_folder_of_a_known_place_has_no_word(url: str) -> None:
    assert word(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://prefix.dev/pytorch/linux-64",
        "https://repo.prefix.dev/my-company/linux-64",
        "https://conda-static.anaconda.org/main/linux-64",
    ],
)
def test_another_hosts_channel_of_the_same_name_is_not_the_mirrors(url: str) -> None:
    assert known.is_public(url)
    assert word(url) is None


# ---------------------------------------------------------------- the shipped mirrors


def places(mirror: Mirror, url: str) -> str | None:
    return locate(mirror, artifact(url))


@pytest.mark.parametrize("mirror", DEFAULT, ids=lambda mirror: mirror.id)
def test_a_mirror_gives_a_real_file_where_it_says_that_it_carries_it(mirror: Mirror) -> None:
    url = f"{FORGE}/linux-64/{NAME}"
    found = places(mirror, url)
    if mirror.id == "anaconda-org":
        assert found is None  # it is where the file is from
        assert places(mirror, f"{TUNA}/cloud/conda-forge/linux-64/{NAME}") == url
    elif mirror.id == "sustech-extra":
        assert found is None
    else:
        cloud = "" if mirror.layout == "channels" else "/cloud"
        assert found == f"{mirror.url}{cloud}/conda-forge/linux-64/{NAME}"
    assert places(mirror, f"https://conda.anaconda.org/nobody-mirrors-me/noarch/{NAME}") is None
    assert places(mirror, f"https://conda.company.example/conda-forge/linux-64/{NAME}") is None


SUBDIRS = ("linux-64", "linux-aarch64", "osx-arm64", "noarch")


def had(mirror: str, channel: str) -> list[str]:
    """Return the subdirs of a channel for which this mirror is asked."""
    top, name = channel.split("/")
    base = "https://conda.anaconda.org" if top == "cloud" else "https://repo.anaconda.com/pkgs"
    urls = {subdir: f"{base}/{name}/{subdir}/x-1-0.tar.bz2" for subdir in SUBDIRS}
    return [subdir for subdir, url in urls.items() if places(MIRRORS[mirror], url)]


@pytest.mark.parametrize(
    ("mirror", "channel", "subdirs"),
    [
        ("tuna-conda", "cloud/conda-forge", SUBDIRS),
        ("tuna-conda", "cloud/Paddle", SUBDIRS),
        ("tuna-conda", "cloud/paddle", ()),
        ("tuna-conda", "cloud/nvidia", ()),
        ("tuna-conda", "pkgs/main", SUBDIRS),
        ("ustc-conda", "cloud/bioconda", SUBDIRS),
        ("ustc-conda", "cloud/pytorch", ()),
        ("ustc-conda", "pkgs/main", ()),
        ("sjtu-conda", "cloud/conda-forge", ("linux-64", "osx-arm64", "noarch")),
        ("sjtu-conda", "cloud/bioconda", ("linux-64", "noarch")),
        ("sjtu-conda", "pkgs/main", ("linux-64", "noarch")),
        ("sustech-conda", "cloud/nvidia", ()),
        ("sustech-extra", "cloud/nvidia", SUBDIRS),
        ("prefix-dev", "cloud/conda-forge", SUBDIRS),
        ("prefix-dev", "cloud/pytorch", ()),
        ("prefix-dev", "pkgs/main", ()),
        ("nju-conda", "cloud/pytorch", SUBDIRS),
        ("nju-conda", "cloud/bioconda", ()),
    ],
)
def test_a_mirror_is_asked_by_channel_and_subdir(
    mirror: str, channel: str, subdirs: tuple[str, ...]
) -> None:
    assert had(mirror, channel) == list(subdirs)


def test_the_defaults_come_from_mirrors_and_nobody_is_sent_to_their_origin_unasked() -> None:
    url = f"{TUNA}/pkgs/main/linux-64/x-1-0.conda"
    found = {mirror.id for mirror in DEFAULT if places(mirror, url)}
    assert {"bfsu-conda", "sjtu-conda"} <= found
    assert not {"anaconda-defaults", "anaconda-org", "tuna-conda", "ustc-conda"} & found
    assert places(MIRRORS["anaconda-defaults"], url) == (
        "https://repo.anaconda.com/pkgs/main/linux-64/x-1-0.conda"
    )


@pytest.mark.parametrize("mirror", MIRRORS.values(), ids=lambda mirror: mirror.id)
def test_a_mirror_is_never_a_second_source_for_itself(mirror: Mirror) -> None:
    urls = [mirror.url]
    urls += ["https://prefix.dev"] * (mirror.id == "prefix-dev")
    urls += ["https://conda-static.anaconda.org"] * (mirror.id == "anaconda-org")
    for base in urls:
        cloud = "" if mirror.layout == "channels" else "/cloud"
        for channel in ("conda-forge", "nvidia"):
            assert places(mirror, f"{base}{cloud}/{channel}/linux-64/{NAME}") is None


@pytest.mark.parametrize("base", ["https://c.example/", "http://C.example:80"])
def test_a_file_is_not_found_where_it_is_from(base: str) -> None:
    mirror = own("same-path", base)
    assert places(mirror, f"https://c.example/mine/noarch/{NAME}") is None
    assert places(mirror, f"https://d.example/mine/noarch/{NAME}")


# ---------------------------------------------------------------- a user's own


@pytest.mark.parametrize(
    ("layout", "url", "expected"),
    [
        ("anaconda", f"{FORGE}/noarch/a.conda", "/cloud/conda-forge/noarch/a.conda"),
        ("anaconda", "https://repo.anaconda.com/pkgs/r/noarch/a.conda", "/pkgs/r/noarch/a.conda"),
        (
            "anaconda",
            f"{FORGE}/noarch/a-1%213-0.conda",
            "/cloud/conda-forge/noarch/a-1%213-0.conda",
        ),
        (
            "anaconda",
            f"{FORGE}/label/my%20label/noarch/a.conda",
            "/cloud/conda-forge/label/my%20label/noarch/a.conda",
        ),
        ("anaconda", f"{TUNA}/cloud/x/label/y/noarch/a.conda", "/cloud/x/label/y/noarch/a.conda"),
        ("channels", f"{FORGE}/label/dev/noarch/a.conda", "/conda-forge/label/dev/noarch/a.conda"),
        ("anaconda", "https://c.example/mine/noarch/a.conda", None),
        ("channels", f"{TUNA}/cloud/x/noarch/a.conda", "/x/noarch/a.conda"),
        ("channels", "https://repo.anaconda.com/pkgs/r/noarch/a.conda", None),
        ("channels", "https://c.example/mine/noarch/a.conda", None),
        ("same-path", f"{FORGE}/noarch/a.conda", "/conda-forge/noarch/a.conda"),
        ("same-path", "https://c.example/mine/noarch/a.conda", "/mine/noarch/a.conda"),
        ("same-path", f"{FORGE}/label/dev/noarch/a.conda", "/conda-forge/label/dev/noarch/a.conda"),
        ("same-path", "https://c.example/mine/noarch/a.conda?sig=1", None),
        ("same-path", "https://c.example/t/secret/mine/noarch/a.conda", None),
        ("packages", f"{FORGE}/noarch/a.conda", None),
    ],
)
def test_where_an_own_mirror_keeps_a_file(layout: str, url: str, expected: str | None) -> None:
    found = locate(own(layout, "https://m.example/c/"), artifact(url))
    assert found == (expected and f"https://m.example/c{expected}")


def test_an_own_mirror_is_asked_only_for_what_it_carries() -> None:
    forge, other = (
        artifact(f"{FORGE}/noarch/a.conda"),
        artifact("https://c.example/mine/noarch/a.conda"),
    )
    some = own("same-path", "https://m.example", "cloud/conda-forge/*")
    assert locate(some, forge)
    assert locate(some, other) is None
    named_by_path = dataclasses.replace(some, carries=("mine/*",))
    assert locate(named_by_path, forge) is None
    assert locate(named_by_path, other)


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_no_mirror_hears_of_a_private_name(layout: str) -> None:
    url = f"{FORGE}/noarch/a.conda"
    assert locate(own(layout), artifact(url))
    assert locate(own(layout), artifact(url, private=True)) is None


def test_every_layout_says_what_it_is() -> None:
    assert all(layout.meaning for layout in layouts.LAYOUTS.values())
