"""What ``image find`` says: which image, why no newer one, and what to do where there is none."""

from __future__ import annotations

import pytest

from headrace.variants.hosts import Accelerator, Host
from headrace_docker.finding.find import find
from lib.images.content import Image
from lib.images.families import cuda_demand, multi_platform, shaped
from lib.images.in_memory import Registries

TORCH = "docker.io/pytorch/pytorch"
PLAIN = shaped("torch", {"PATH": "/x"})


def nvidia(driver: str, cuda: tuple[int, int], *gpus: tuple[str, tuple[int, int] | None]) -> Host:
    found = tuple(Accelerator("nvidia", name, capability) for name, capability in gpus)
    return Host(found, driver, cuda)


A100 = nvidia("550.54.15", (12, 4), ("NVIDIA A100", (8, 0)))
V100 = nvidia("580.95.05", (13, 0), ("Tesla V100", (7, 0)))
RTX5090 = nvidia("580.95.05", (13, 0), ("RTX 5090", (12, 0)))
AMD = Host((Accelerator("amd", "MI300X", architecture="gfx942"),))


def torch(*tags: str) -> dict[str, Image]:
    return {f"{tag}-cudnn9-{flavour}": PLAIN for tag in tags for flavour in ("runtime", "devel")}


EVERY = torch(
    *("2.15.0-cuda13.2", "2.15.0-cuda13.0", "2.14.1-cuda13.2", "2.14.1-cuda12.6"),
    *("2.9.1-cuda12.6", "2.9.1-cuda12.8", "2.9.1-cuda13.0", "2.7.1-cuda11.8"),
)


def test_newer_ones_are_told_by_groups_and_names_alone_decide_of_them() -> None:
    ask = Registries({TORCH: EVERY})
    found = find("pytorch", "", A100, ask)
    assert found.lines[0] == f"{TORCH}:2.14.1-cuda12.6-cudnn9-runtime"
    assert found.table["passed_over"] == [
        {
            "why": "needs driver >= 580",
            "tags": [
                "2.15.0-cuda13.0-cudnn9-runtime",
                "2.15.0-cuda13.2-cudnn9-runtime",
                "2.14.1-cuda13.2-cudnn9-runtime",
            ],
        }
    ]
    assert len(ask.asked) == 3  # the tags, one manifest, one configuration


def test_what_is_found_is_pinned_by_the_digest_of_its_tag() -> None:
    both = multi_platform({"amd64": PLAIN, "arm64": shaped("arm", {}, architecture="arm64")})
    found = find("torch", "", A100, Registries({TORCH: {"2.14.1-cuda12.6-cudnn9-runtime": both}}))
    assert found.table["pinned"] == f"{TORCH}@{both.digest}"
    assert found.table["platforms"] == ["linux/amd64", "linux/arm64"]
    # The sources that are told are those of this machine's manifest and of its largest layer.
    assert found.paths == (
        f"/v2/{TORCH}/manifests/{PLAIN.digest}",
        f"/v2/{TORCH}/blobs/{PLAIN.layer.digest}",
    )


def test_size_on_a_disk_is_told_where_the_manifest_tells_it_and_not_guessed() -> None:
    tag = "2.14.1-cuda12.6-cudnn9-runtime"
    told = shaped("lazy", {}, sizes=(2_000, 300), unpacked=True)
    found = find("torch", "", A100, Registries({TORCH: {tag: told}}))
    assert found.table["unpacked"] == 23_000
    found = find("torch", "", A100, Registries({TORCH: {tag: PLAIN}}))
    assert found.table["unpacked"] is None
    assert found.table["size"] == sum(
        len(blob.data) for blob in PLAIN.blobs if "layer" in blob.media_type
    )
    assert any("its manifest does not tell" in line for line in found.lines)


@pytest.mark.parametrize(
    ("what", "flavour", "host", "tag"),
    [
        ("torch==2.9", "", A100, "2.9.1-cuda12.6-cudnn9-runtime"),
        ("torch==2.9.1", "", RTX5090, "2.9.1-cuda13.0-cudnn9-runtime"),
        ("torch<2.9", "", V100, "2.7.1-cuda11.8-cudnn9-runtime"),
        ("pytorch", "devel", A100, "2.14.1-cuda12.6-cudnn9-devel"),
        ("pytorch/pytorch", "", V100, "2.14.1-cuda12.6-cudnn9-runtime"),
        ("docker.io/pytorch/pytorch>=2.8,<2.10", "", V100, "2.9.1-cuda12.8-cudnn9-runtime"),
        # The tag that is named says which release, and which flavour.
        (f"{TORCH}:2.9.1-cuda13.0-cudnn9-devel", "", V100, "2.9.1-cuda12.8-cudnn9-devel"),
        (f"{TORCH}:latest", "", V100, "2.14.1-cuda12.6-cudnn9-runtime"),
    ],
)
def test_version_and_flavour_are_as_they_are_asked_for(
    what: str, flavour: str, host: Host, tag: str
) -> None:
    assert find(what, flavour, host, Registries({TORCH: EVERY})).table["tag"] == tag


def test_image_of_an_article_is_answered_with_why_it_is_not_there_and_what_is() -> None:
    ask = Registries({TORCH: EVERY})
    what = "mirrors.tuna.tsinghua.edu.cn/pytorch/cuda:2.9-cuda11.8-ubuntu20.04"
    found = find(what, "", RTX5090, ask)
    assert found.answers
    host, build, home, image = found.lines[:4]
    assert "is a mirror of packages, and no registry of images" in host
    assert build.startswith("torch 2.9.1 has no build for CUDA 11.8, but for 13.0, 12.8, 12.6")
    assert build.endswith("the last one with CUDA 11.8 is 2.7.1")
    assert home == f"images of pytorch are those of {TORCH}"
    assert image == f"{TORCH}:2.9.1-cuda13.0-cudnn9-runtime"


@pytest.mark.parametrize("place", ["docker.io/pytorch/cuda", "docker.io/cuda/pytorch"])
def test_repository_that_is_not_there_leads_to_the_one_that_is_meant(place: str) -> None:
    family = "pytorch" if place.endswith("cuda") else "cuda"
    cuda = {"12.4.1-runtime-ubuntu22.04": shaped("c", {"CUDA_VERSION": "12.4.1"})}
    ask = Registries({TORCH: EVERY, "docker.io/nvidia/cuda": cuda})
    found = find(f"{place}:2.9-cuda11.8", "", A100, ask)
    assert found.lines[0].startswith(f"docker.io has no {place.partition('/')[2]} for strangers")
    assert any(line.startswith(f"images of {family} are") for line in found.lines)


def test_nothing_runs_says_why_and_what_asks_for_the_least() -> None:
    old = nvidia("440.33", (10, 2), ("Tesla V100", (7, 0)))
    found = find("pytorch", "", old, Registries({TORCH: EVERY}))
    assert not found.answers
    assert "nothing of docker.io/pytorch/pytorch that was looked at runs here" in found.lines[0]
    assert found.lines[1] == (
        "what asks for the least: 2.7.1-cuda11.8-cudnn9-runtime needs driver >= 450"
    )
    found = find("torch==2.7", "", RTX5090, Registries({TORCH: EVERY}))
    assert not found.answers
    assert any("has no kernels for sm_120 (RTX 5090)" in line for line in found.lines)


def test_host_without_a_gpu_is_told_so_and_given_what_needs_none() -> None:
    found = find("pytorch", "", Host(), Registries({TORCH: EVERY}))
    assert not found.answers
    assert any("needs an NVIDIA GPU" in line for line in found.lines)
    place = "docker.io/tensorflow/tensorflow"
    there = {"2.20.0": PLAIN, "2.20.0-gpu": PLAIN, "2.19.0": PLAIN, "latest": PLAIN}
    assert find("tensorflow", "", Host(), Registries({place: there})).table["tag"] == "2.20.0"


def test_gpus_of_another_maker_have_a_repository_of_their_own() -> None:
    place = "docker.io/rocm/pytorch"
    tags = [
        f"rocm{rocm}_ubuntu24.04_py3.12_pytorch_release_{version}"
        for rocm, version in (("7.2", "2.13.0"), ("6.0", "2.3.1"), ("5.3", "2.12.0"))
    ]
    found = find("pytorch", "", AMD, Registries({place: dict.fromkeys(tags, PLAIN)}))
    assert found.table["image"] == f"{place}:{tags[0]}"
    assert found.table["rocm"] == "7.2"
    # Its kernels are those of the ROCm in it, and of 5.3 nothing is known.
    found = find("pytorch", "", AMD, Registries({place: {tags[2]: PLAIN}}))
    assert any("a build for ROCm 5.3, of which nothing is known" in line for line in found.lines)


def test_requirement_that_the_runtime_would_refuse_is_no_image_for_this_host() -> None:
    geforce = nvidia("550.54.15", (12, 4), ("NVIDIA GeForce RTX 4090", (8, 9)))
    images = {
        name: shaped(name, {"CUDA_VERSION": toolkit, "NVIDIA_REQUIRE_CUDA": demand})
        for name, toolkit, demand in (
            ("v3", "12.8.1", cuda_demand("12.8", [535, 550])),
            ("v2", "12.4.1", cuda_demand("12.4", [470, 535])),
        )
    }
    ask = Registries({"ghcr.io/me/x": images})
    found = find("ghcr.io/me/x", "", geforce, ask)
    assert found.table["tag"] == "v2"
    assert any("v3" in line and "cuda>=12.8" in line for line in found.lines)
    # Of a data centre's card the driver's branch is among those that v3 takes.
    assert find("ghcr.io/me/x", "", A100, ask).table["tag"] == "v3"


def test_newer_major_runs_on_an_older_driver_by_its_own_libraries_where_it_says_so() -> None:
    demand = cuda_demand("13.0", [550])
    variables = {"CUDA_VERSION": "13.0.1", "NVIDIA_REQUIRE_CUDA": demand}
    brings = shaped("a", {**variables, "_CUDA_COMPAT_PATH": "/usr/local/cuda/compat"})
    found = find("ghcr.io/me/x", "", A100, Registries({"ghcr.io/me/x": {"v1": brings}}))
    assert found.answers
    assert found.table["forward_compatibility"] is True
    lacks = Registries({"ghcr.io/me/x": {"v1": shaped("b", variables)}})
    assert not find("ghcr.io/me/x", "", A100, lacks).answers


def test_torch_of_a_derived_image_is_known_by_what_it_inherited() -> None:
    variables = {"PYTORCH_VERSION": "2.15.0", "CUDA_VERSION": "13.0.1"}
    ask = Registries({"ghcr.io/me/x": {"v1": shaped("d", variables)}})
    found = find("ghcr.io/me/x", "", V100, ask)
    assert any("has no kernels for sm_70" in line for line in found.lines)


def test_kernels_of_nvidias_own_builds_are_those_that_they_name() -> None:
    place = "nvcr.io/nvidia/pytorch"
    variables = {"CUDA_VERSION": "12.9.1", "NVIDIA_PYTORCH_VERSION": "25.06"}
    images = {
        "25.06-py3": shaped("n", {**variables, "TORCH_CUDA_ARCH_LIST": "7.5 8.0 9.0 12.0+PTX"}),
        "24.12-py3": shaped("o", {**variables, "TORCH_CUDA_ARCH_LIST": "7.0 8.0 9.0+PTX"}),
    }
    found = find("ngc-pytorch", "", V100, Registries({place: images}))
    assert found.table["tag"] == "24.12-py3"


def test_monthly_images_that_are_surely_too_new_are_not_read() -> None:
    images = {
        f"{year}.{month:02}-py3": shaped(
            f"{year}.{month}", {"CUDA_VERSION": "13.0.1" if (year, month) >= (25, 9) else "12.8.1"}
        )
        for year in (24, 25, 26)
        for month in range(1, 13)
    }
    ask = Registries({"nvcr.io/nvidia/pytorch": images})
    found = find("ngc-pytorch", "", A100, ask)
    assert found.table["tag"] == "25.08-py3"
    assert found.table["images_read"] == 1


def test_bound_on_what_is_read_is_said_with_what_helps() -> None:
    images = {f"1.{n}": shaped(str(n), {"CUDA_VERSION": "13.0"}) for n in range(12)}
    found = find("ghcr.io/me/x", "", A100, Registries({"ghcr.io/me/x": images}))
    assert not found.answers
    assert found.table["images_read"] == 8
    assert any("4 tags more, the newest being 1.3" in line for line in found.lines)


def test_image_for_another_machine_is_passed_over() -> None:
    arm = shaped("arm", {}, architecture="arm64")
    ask = Registries({"ghcr.io/me/x": {"v2": arm, "v1": PLAIN}})
    found = find("ghcr.io/me/x", "", Host(), ask)
    assert found.table["tag"] == "v1"
    assert any("v2" in line and "is for linux/arm64" in line for line in found.lines)


def test_registry_without_a_list_of_tags_is_told_from_one_without_images() -> None:
    place = "ghcr.io/me/x"
    there = Registries({place: {"latest": PLAIN}}, unlisted=frozenset({place}))
    found = find(place, "", A100, there)
    assert not found.answers
    assert "gives images of me/x, and no list of its tags" in found.lines[0]
    empty = Registries({place: {}}, unlisted=frozenset({place}))
    assert "has no me/x for strangers" in find(place, "", A100, empty).lines[0]
    other = find("harbor.example/me/x", "", A100, there)
    assert "is no registry that the gateway leads" in other.lines[0]


@pytest.mark.parametrize(
    "what", ["", "Torch!", "torch==", "torch==x.y", "a" * 600, "https://x/y", "torch == 2.9 =="]
)
def test_words_that_are_no_name_are_answered_and_nobody_is_asked(what: str) -> None:
    ask = Registries({TORCH: EVERY})
    found = find(what, "", A100, ask)
    assert not found.answers
    assert len(found.lines) == 1
    assert ask.asked == []


@pytest.mark.parametrize("what", ["PyTorch", "Torch==2.9", "PYTORCH", "ToRcH>=2.9"])
def test_family_is_known_however_its_letters_are_written(what: str) -> None:
    assert find(what, "", A100, Registries({TORCH: EVERY})).table["repository"] == TORCH


@pytest.mark.parametrize(
    ("what", "right"),
    [
        *(
            ("torch 2.9", "torch==2.9"),
            ("Torch=2.9.1", "torch==2.9.1"),
            ("vLLM v0.12", "vllm==0.12"),
        ),
        ("Me/X:v1", "me/x:v1"),
    ],
)
def test_name_in_another_programs_spelling_is_answered_with_ours(what: str, right: str) -> None:
    found = find(what, "", A100, Registries({TORCH: EVERY}))
    assert not found.answers
    assert found.lines[0].endswith(f"; did you mean '{right}'?")


@pytest.mark.parametrize(
    ("what", "right"),
    [("pytroch", "pytorch"), ("tensorfow", "tensorflow"), ("pytroch:2.9", "pytorch")],
)
def test_family_that_is_misspelt_is_named(what: str, right: str) -> None:
    found = find(what, "", A100, Registries({TORCH: EVERY}))
    assert found.lines[0].endswith(f"; did you mean '{right}'?")
    for other in ("me/pytroch", "docker.io/library/pytroch", "zzz"):
        assert "mean" not in find(other, "", A100, Registries({TORCH: EVERY})).lines[0]


def test_flavour_that_no_tag_has_is_named_also_where_the_family_has_it_by_itself() -> None:
    python = "docker.io/library/python"
    ask = Registries({python: {"3.13.1-slim-trixie": PLAIN}})
    found = find("python", "devel", Host(), ask)
    assert f"no tag of {python} is devel" in found.lines
    rocm = "docker.io/rocm/dev-ubuntu-24.04"
    found = find("rocm", "", AMD, Registries({rocm: {"7.2-complete": PLAIN}}))
    assert f"no tag of {rocm} is runtime" in found.lines


def test_machine_without_a_gpu_is_told_how_to_ask_for_another_one() -> None:
    def told(what: str, host: Host) -> list[str]:
        cuda = {"12.4.1-runtime-ubuntu22.04": PLAIN}
        found = find(what, "", host, Registries({TORCH: EVERY, "docker.io/nvidia/cuda": cuda}))
        return [line for line in found.lines if line.startswith("for ")]

    other, slim = told("pytorch", Host())
    assert "--for driver=550,gpu=A100" in other
    assert "`headrace image write pytorch DIR --slim`" in slim
    assert told("cuda", Host()) == [other]
    # Who described a host has said which.
    assert told("pytorch", Host(target=True)) == []
    assert told("pytorch", nvidia("440.33", (10, 2), ("Tesla V100", (7, 0)))) == []


def test_gpu_that_cannot_be_read_is_told_beside_the_answer() -> None:
    vgpu = nvidia("535.183.01", (12, 2), ("GRID", None))
    found = find("pytorch", "", vgpu, Registries({TORCH: EVERY}))
    assert found.table["tag"] == "2.14.1-cuda12.6-cudnn9-runtime"
    assert any("could not be read" in line for line in found.lines)
