"""Tags as real repositories have them: what they say, what they do not, and their order."""

from __future__ import annotations

import random

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from headrace.interface import BuildKind, ConfigurationError, Host, catalogue
from headrace.variants.hosts import Accelerator
from headrace_docker.finding.families import families, read_families
from headrace_docker.finding.tags import ImageTag, admitted, in_order, read_tag, read_tags

KNOWN = families()


@pytest.mark.parametrize(
    ("name", "kind", "text", "version", "cuda", "rocm", "flavour"),
    [
        ("pytorch", "cuda", "2.15.0-cuda13.2-cudnn9-runtime", "2.15.0", (13, 2), "", "runtime"),
        ("pytorch", "cuda", "2.14.1-cuda12.6-cudnn9-devel", "2.14.1", (12, 6), "", "devel"),
        ("pytorch", "cuda", "1.13.1-cuda11.6-cudnn8-runtime", "1.13.1", (11, 6), "", "runtime"),
        ("pytorch", "cuda", "1.0-cuda10.0-cudnn7-devel", "1.0", (10, 0), "", "devel"),
        (
            *("pytorch", "rocm", "rocm7.1_ubuntu24.04_py3.12_pytorch_release_2.8.0"),
            *("2.8.0", None, "7.1", ""),
        ),
        (
            *("pytorch", "rocm", "rocm6.2.3_ubuntu22.04_py3.10_pytorch_release_2.3.0"),
            *("2.3.0", None, "6.2.3", ""),
        ),
        ("pytorch", "xpu", "2.8.10-xpu", "2.8.10", None, "", ""),
        ("ngc-pytorch", "cuda", "26.05-py3", "26.05", None, "", ""),
        ("cuda", "cuda", "12.6.3-cudnn-runtime-ubuntu24.04", "12.6.3", (12, 6), "", "runtime"),
        ("cuda", "cuda", "11.8.0-cudnn8-devel-ubuntu22.04", "11.8.0", (11, 8), "", "devel"),
        ("cuda", "cuda", "13.0.1-base-rockylinux9", "13.0.1", (13, 0), "", "base"),
        ("cuda", "cuda", "10.2-base-ubuntu18.04", "10.2", (10, 2), "", "base"),
        ("vllm", "cuda", "v0.11.0", "0.11.0", None, "", ""),
        ("vllm", "cuda", "v0.9.0.1", "0.9.0.1", None, "", ""),
        ("vllm", "cuda", "v0.12.0-cu130", "0.12.0", (13, 0), "", ""),
        ("tensorflow", "cuda", "2.20.0-gpu", "2.20.0", None, "", ""),
        ("tensorflow", "cpu", "2.20.0", "2.20.0", None, "", ""),
        (
            *("tensorflow", "rocm", "rocm7.1-py3.12-tf2.19-runtime"),
            *("2.19", None, "7.1", "runtime"),
        ),
        ("jax", "cuda", "25.10-py3", "25.10", None, "", ""),
        ("rocm", "rocm", "7.1.1-complete", "7.1.1", None, "7.1.1", "complete"),
        ("rocm", "rocm", "7.1", "7.1", None, "7.1", ""),
        # What is beside them, and is none of theirs.
        ("pytorch", "cuda", "latest", None, None, "", ""),
        ("pytorch", "cuda", "2.9-cuda11.8-ubuntu20.04", None, None, "", ""),
        ("pytorch", "cuda", "nightly-devel-cuda10.0-cudnn7", None, None, "", ""),
        ("ngc-pytorch", "cuda", "25.05-py3-igpu", None, None, "", ""),
        ("cuda", "cuda", "12.6.3-runtime-ubuntu24.04-extra", None, None, "", ""),
        ("tensorflow", "cuda", "2.20.0-gpu-jupyter", None, None, "", ""),
        ("tensorflow", "cpu", "nightly-gpu", None, None, "", ""),
        ("jax", "cuda", "sha256-" + "0" * 64 + ".sig", None, None, "", ""),
    ],
)
def test_tag_of_a_family_says_what_its_image_holds(  # noqa: PLR0917 - a table
    name: str,
    kind: str,
    text: str,
    version: str | None,
    cuda: tuple[int, int] | None,
    rocm: str,
    flavour: str,
) -> None:
    row = KNOWN.named(name, BuildKind(kind))
    assert row is not None
    assert row.kind is BuildKind(kind)
    tag = read_tag(text, row)
    if version is None:
        assert tag is None
    else:
        assert tag is not None
        assert (tag.version, tag.cuda) == (Version(version), cuda)
        assert (tag.rocm, tag.flavour) == (rocm, flavour)


@pytest.mark.parametrize(
    ("text", "version", "cuda"),
    [
        ("v1.2.3", "1.2.3", None),
        ("1.10", "1.10", None),
        ("2024.11.3-cuda12.4", "2024.11.3", (12, 4)),
        ("cuda12.6-v3", "3", (12, 6)),
        ("ubuntu22.04", "0.dev0", None),
        ("py3.12-1.4.0", "1.4.0", None),
        ("latest", "0.dev0", None),
        ("1.2.0rc1", "1.2.0rc1", None),
        ("main-cu126", "0.dev0", (12, 6)),
        ("1" * 128, "0.dev0", None),
    ],
)
def test_tag_of_ones_own_is_read_by_what_most_write(
    text: str, version: str, cuda: tuple[int, int] | None
) -> None:
    tag = read_tag(text, None)
    assert tag is not None
    assert (tag.version, tag.cuda) == (Version(version), cuda)


def test_signatures_that_lie_beside_images_are_no_images() -> None:
    texts = ["v1", f"sha256-{'a' * 64}", f"sha256-{'a' * 64}.sig", f"sha256-{'a' * 64}.att"]
    assert [tag.text for tag in read_tags(texts, None)] == ["v1"]


def test_order_is_that_of_versions_whatever_the_order_of_the_list() -> None:
    texts = [f"1.{minor}.{patch}" for minor in range(12) for patch in (0, 2, 10)]
    shuffled = texts[:]
    random.Random(7).shuffle(shuffled)
    found = in_order(read_tags(shuffled, None), None)
    assert [tag.text for tag in found] == texts[::-1]


def test_of_one_version_the_cuda_nearest_to_the_driver_comes_first() -> None:
    row = KNOWN.named("pytorch", BuildKind.CUDA)
    texts = [f"2.9.1-cuda{cuda}-cudnn9-runtime" for cuda in ("13.0", "12.6", "12.8", "12.9")]
    found = in_order(read_tags(texts, row), (12, 8))
    assert [tag.cuda for tag in found] == [(13, 0), (12, 8), (12, 6), (12, 9)]


def test_what_is_no_release_comes_only_where_there_is_nothing_else() -> None:
    def texts(tags: list[ImageTag]) -> list[str]:
        return [tag.text for tag in tags]

    every = list(read_tags(["1.0", "1.1rc1", "2.0-nightly"], None))
    assert texts(admitted(every, None, "")) == ["1.0"]
    assert texts(admitted(every, SpecifierSet("==1.1.*"), "")) == ["1.1rc1"]


def test_every_row_has_its_source_and_its_date() -> None:
    for row in KNOWN.rows:
        assert row.sources, row.name
        assert row.date.startswith("20"), row.name


@pytest.mark.parametrize(
    ("key", "value"),
    [("kind", "gpu"), ("spellings", ["("]), ("spellings", ["x"]), ("sources", []), ("shape", 1)],
)
def test_row_that_makes_no_sense_is_named(key: str, value: object) -> None:
    table = catalogue.table("images")
    table["family"][0][key] = value
    with pytest.raises(ConfigurationError, match="family number 1"):
        read_families(table)


@pytest.mark.parametrize(
    ("registry", "repository", "name"),
    [
        ("docker.io", "pytorch/pytorch", "pytorch"),
        ("harbor.example", "hub/pytorch/pytorch", "pytorch"),
        ("nvcr.io", "nvidia/pytorch", "ngc-pytorch"),
        ("docker.io", "me/pytorch", None),
        ("docker.io", "x/pytorch/pytorch", None),
    ],
)
def test_copy_of_a_repository_is_spelt_as_the_first_one(
    registry: str, repository: str, name: str | None
) -> None:
    row = KNOWN.at(registry, repository, BuildKind.CUDA)
    assert (row.name if row else None) == name


@pytest.mark.parametrize(
    ("card", "is_one"),
    [
        *((f"NVIDIA {name}", False) for name in ("T400", "T400 4GB", "T600 Laptop GPU", "GB10")),
        *((f"NVIDIA {name}", True) for name in ("L40S", "A100-SXM4-40GB", "H200", "GB200")),
        ("Tesla T4", True),
        ("NVIDIA-T4-SHARED", True),
    ],
)
def test_cards_of_workstations_are_no_data_centres(card: str, *, is_one: bool) -> None:
    host = Host((Accelerator("nvidia", card),))
    assert families().is_datacentre(host) is is_one
