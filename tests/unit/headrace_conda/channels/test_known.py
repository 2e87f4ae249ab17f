from __future__ import annotations

import pytest

from headrace_conda.channels import known
from headrace_conda.channels.known import is_public, needs_no_token

TUNA = "https://mirrors.tuna.tsinghua.edu.cn/anaconda"


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.anaconda.org",
        "https://conda.anaconda.org/whoever/label/dev",
        "http://conda.anaconda.org/whoever/linux-64",
        "https://CONDA.anaconda.org.:443/whoever",
        "https://repo.anaconda.com/pkgs/main/linux-64/x.conda",
        "https://repo.prefix.dev/conda-forge",
        TUNA,
        f"{TUNA}/cloud/conda-forge/",
        "https://mirrors.sustech.edu.cn/anaconda-extra/cloud/nvidia",
        "https://mirrors.hit.edu.cn/anaconda/cloud/conda-forge",
    ],
)
def test_a_place_of_the_catalogue_is_public(url: str) -> None:
    assert is_public(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.company.example/conda-forge",
        "https://conda.anaconda.org.company.example/conda-forge",
        "https://conda.anaconda.org:8443/conda-forge",
        "https://user@conda.anaconda.org/conda-forge",
        "https://user:secret@conda.anaconda.org/conda-forge",
        "https://conda.anaconda.org/t/secret/conda-forge",
        "https://conda.anaconda.org/t/secret",
        "https://conda.anaconda.org/%74/secret/conda-forge",
        "https://conda.anaconda.org/x?token=secret",
        f"{TUNA}/../private",
        f"{TUNA}/%2e%2e/private",
        f"{TUNA}/..%2fprivate",
        f"{TUNA}x/cloud",
        "https://mirrors.tuna.tsinghua.edu.cn",
        "https://ghcr.io/channel-mirrors/conda-forge",
        "ftp://conda.anaconda.org/conda-forge",
        "file:///conda.anaconda.org",
        "conda-forge",
        "https://[conda",
        "",
    ],
)
def test_every_other_place_is_not(url: str) -> None:
    assert not is_public(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.anaconda.org/conda-forge",
        "https://conda.anaconda.org/conda-forge/label/dev/linux-64",
        "https://conda.anaconda.org/t/secret/conda-forge/linux-64/repodata.json",
        "https://user:secret@conda.anaconda.org/nvidia/linux-64",
        "https://repo.anaconda.com/t/secret/pkgs/main/noarch",
        "https://prefix.dev/bioconda",
        "https://repo.prefix.dev/robostack-jazzy/noarch",
    ],
)
def test_a_channel_that_everybody_knows_needs_no_token(url: str) -> None:
    assert needs_no_token(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.anaconda.org",
        "https://conda.anaconda.org/t/secret",
        "https://conda.anaconda.org/my-company/linux-64",
        "https://conda.anaconda.org/t/secret/my-company/linux-64",
        "https://conda.anaconda.org/t/secret/conda-forge/../my-company",
        "https://conda.anaconda.org/t/conda-forge/my-company",
        "https://prefix.dev/my-company",
        "https://repo.anaconda.com/pkgs/snowflake/linux-64",
        "https://conda.company.example/conda-forge",
        f"{TUNA}/cloud/conda-forge",
        "ftp://conda.anaconda.org/conda-forge",
        "https://[conda",
    ],
)
def test_any_other_channel_may_need_one(url: str) -> None:
    assert not needs_no_token(url)


def test_the_mirrors_are_the_catalogues_best_guess_first() -> None:
    mirrors = known.mirrors()
    assert {mirror.ecosystem for mirror in mirrors} == {"conda"}
    assert [m.rank for m in mirrors] == sorted(m.rank for m in mirrors)
    mirrors.clear()
    assert known.mirrors()


def test_no_root_lies_below_another() -> None:
    places = [root.place for root in known._roots()]
    for one in places:
        assert not [other for other in places if other != one and other[: len(one)] == one]


def test_two_names_of_one_service_are_one() -> None:
    there = "https://prefix.dev/conda-forge/noarch/a.conda"
    assert known.same_service("https://repo.prefix.dev/", there)
    assert not known.same_service(TUNA, there)
    assert not known.same_service("https://repo.prefix.dev", "https://c.example/noarch/a.conda")
