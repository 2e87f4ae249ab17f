"""Drivers, kernels, labels and wheels: the parts that a decision is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.variants.admission import near
from headrace.variants.builds import Architectures, Candidate, ListedFile
from headrace.variants.compatibility.coverage import covers, find_build, gpu_text
from headrace.variants.compatibility.drivers import (
    by_library,
    cuda_of,
    describe,
    needed_driver,
    obstacle,
    own_cuda,
)
from headrace.variants.compatibility.intel_gpus import family_of_name, validated
from headrace.variants.compatibility.labels import (
    Kind,
    belongs,
    is_ours,
    kind_of,
    label_of,
    partners_of,
    toolkit_of,
)
from headrace.variants.hosts import Accelerator, Host, Situation
from headrace.variants.wheels import candidates_from, candidates_of_pages, misfit
from lib.gpu.variant_listing import TABLES

# ---------------------------------------------------------------- drivers


@pytest.mark.parametrize(
    ("driver", "platform", "wsl", "cuda"),
    [
        ("550.54.15", "linux", False, (12, 4)),
        ("550.54.14", "linux", False, (12, 4)),
        ("550.40.07", "linux", False, (12, 3)),
        ("550", "linux", False, (12, 4)),
        ("535", "linux", False, (12, 2)),
        ("525.60.13", "linux", False, (12, 0)),
        ("620.70.06", "linux", False, (13, 5)),
        ("700.1", "linux", False, (13, 5)),
        ("440.33.01", "linux", False, (10, 2)),
        ("390.157", "linux", False, (0, 0)),
        ("552.22", "win32", False, (12, 4)),
        ("591.44", "win32", False, (13, 0)),
        ("572.60", "linux", True, (12, 8)),
        ("535.183.01-open", "linux", False, (12, 2)),
        ("unknown", "linux", False, None),
        (None, "linux", False, None),
    ],
)
def test_a_driver_stands_for_a_cuda(
    driver: str | None, platform: str, *, wsl: bool, cuda: tuple[int, int] | None
) -> None:
    assert cuda_of(Host(driver=driver, platform=platform, wsl=wsl), TABLES) == cuda


def test_what_the_driver_itself_reports_comes_first() -> None:
    host = Host(driver="535.183.01", cuda=(13, 0))
    assert cuda_of(host, TABLES) == (13, 0)
    assert describe(host, TABLES) == "driver 535.183.01 with a library of CUDA 13.0"
    assert describe(Host(cuda=(12, 8)), TABLES) == "CUDA 12.8"
    assert describe(Host(driver="390.10"), TABLES) == "driver 390.10 = no known CUDA"


@pytest.mark.parametrize(
    ("host", "newer"),
    [
        (Host(driver="535.183.01", cuda=(13, 0)), True),
        (Host(driver="535.183.01", cuda=(12, 4)), True),
        (Host(driver="535.183.01", cuda=(12, 2)), False),
        (Host(driver="535.183.01", cuda=(14, 3)), True),
        # Before the first driver of the tables, and after all of them.
        (Host(driver="570.10.01", cuda=(12, 8)), False),
        (Host(driver="565.57.01", cuda=(12, 7)), False),
        (Host(driver="640.10", cuda=(13, 7)), False),
        (Host(driver="535.183.01"), False),
        (Host(cuda=(13, 0)), False),
        (Host(driver="572.60", cuda=(13, 0), wsl=True), False),
        (Host(driver="540.4.0", cuda=(12, 6), situation=Situation.TEGRA), False),
    ],
)
def test_a_library_newer_than_the_driver_is_told_by_their_cudas(host: Host, *, newer: bool) -> None:
    assert by_library(host, TABLES) is newer


def test_a_newer_library_runs_builds_up_to_its_own_cuda() -> None:
    host = Host(driver="535.183.01", cuda=(13, 0))
    assert obstacle((13, 0), host, TABLES) == ""
    assert obstacle((13, 2), host, TABLES) == "needs driver >= 580"
    assert own_cuda(host, TABLES) == (12, 2)


@pytest.mark.parametrize(
    ("driver", "toolkit", "text"),
    [
        ("525.60.13", (12, 9), ""),
        ("550.54.15", (13, 0), "needs driver >= 580"),
        ("580.20.00", (13, 0), "needs driver >= 580.65.06"),
        ("450.51.05", (11, 0), ""),
        ("450.51.05", (11, 8), "needs driver >= 450.80.02"),
        ("580.95.05", (10, 2), ""),
        ("620.70.06", (14, 0), "needs driver of CUDA 14"),
    ],
)
def test_a_build_runs_from_the_first_driver_of_its_major_on(
    driver: str, toolkit: tuple[int, int], text: str
) -> None:
    assert obstacle(toolkit, Host(driver=driver), TABLES) == text


def test_kernels_packed_with_zstd_need_a_newer_driver_of_the_same_major() -> None:
    old, new = Host(driver="535.183.01"), Host(driver="550.54.15")
    assert obstacle((12, 8), old, TABLES) == ""
    assert obstacle((12, 8), old, TABLES, zstd=True) == "needs a driver of CUDA >= 12.4"
    assert obstacle((12, 8), new, TABLES, zstd=True) == ""


def test_on_windows_the_numbers_are_those_of_windows() -> None:
    assert needed_driver((12, 0), Host(platform="win32"), TABLES) == "driver >= 528"
    assert needed_driver((12, 0), Host(wsl=True), TABLES) == "driver >= 528"


# ---------------------------------------------------------------- kernels


SASS = Architectures(((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0)))
BLACKWELL = Architectures(((7, 5), (10, 0), (11, 0), (12, 0)), ((12, 0),))


@pytest.mark.parametrize(
    ("kernels", "capability", "jit", "covered"),
    [
        (SASS, (6, 1), False, True),
        (SASS, (8, 9), False, True),
        (SASS, (7, 0), False, True),
        (SASS, (3, 7), False, False),
        (SASS, (10, 0), False, False),
        (SASS, (12, 0), True, False),
        (SASS, (8, 7), False, False),  # a board, not a card
        (SASS, (7, 2), False, False),
        (BLACKWELL, (10, 3), False, True),
        (BLACKWELL, (12, 1), False, True),
        (BLACKWELL, (11, 0), False, True),
        (BLACKWELL, (7, 0), True, False),
        (BLACKWELL, (13, 0), False, False),
        (BLACKWELL, (13, 0), True, True),
    ],
)
def test_machine_code_runs_within_a_major_and_ptx_on_what_is_newer(
    kernels: Architectures, capability: tuple[int, int], *, jit: bool, covered: bool
) -> None:
    assert covers(kernels, capability, TABLES, translates=jit) is covered


@pytest.mark.parametrize(
    ("version", "label", "toolkit", "assumed"),
    [
        ("2.14.1", "cu126", (12, 6), ""),
        ("2.14.0", "cu126", (12, 6), ""),
        ("2.14.7", "cu126", (12, 6), ""),
        ("2.16.0", "cu132", (13, 2), "2.15.0"),
        ("2.16.0", "cu126", (12, 6), "2.14.1"),
        ("2.14.1", "cu129", (12, 9), "2.13.0"),
        ("2.16.0", "cu134", (13, 4), "2.15.0"),
        ("2.16.0", "cu135", (13, 4), "2.15.0"),
        ("2.15.0", "cu131", (13, 0), "2.15.0"),
    ],
)
def test_what_the_tables_lack_is_like_the_last_before_it(
    version: str, label: str, toolkit: tuple[int, int], assumed: str
) -> None:
    known = find_build(TABLES, version, label)
    assert known
    assert (known.build.toolkit, known.assumed) == (toolkit, assumed)


def test_what_is_older_than_the_tables_or_of_a_new_major_is_not_known() -> None:
    assert find_build(TABLES, "1.12.1", "cu116") is None
    assert find_build(TABLES, "2.15.0", "cu140") is None


def test_a_gpu_is_told_by_what_builds_are_made_for() -> None:
    assert gpu_text(Accelerator("nvidia", "T4", (7, 5))) == "sm_75 (T4)"
    assert gpu_text(Accelerator("nvidia", "", (7, 5))) == "sm_75"
    assert gpu_text(Accelerator("nvidia", "GRID")) == "GRID"
    assert gpu_text(Accelerator("amd", "gfx1100", architecture="gfx1100")) == "gfx1100"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Intel Arc A-series (Alchemist)", True),
        ("Intel Arc B-series (Battlemage)", True),
        ("Intel(R) Arc(TM) B580 Graphics", True),
        ("DG2 [Arc A770]", True),
        ("Arc Pro B60", True),
        ("Intel Data Center GPU Max", True),
        ("Intel Arc Graphics (Meteor Lake-H)", True),
        ("Intel Arc Graphics (Arrow Lake-H)", True),
        ("Lunar Lake [Intel Arc Graphics 130V / 140V]", True),
        ("Intel Graphics (Panther Lake)", True),
        ("Intel(R) Arc(TM) 140V GPU (16GB)", True),
        ("Intel(R) Arc(TM) 130V GPU (8GB)", True),
        ("Intel(R) Arc(TM) 140T GPU (16GB)", True),
        ("Intel® Arc™ Pro 140T GPU", True),
        ("Intel(R) Arc(TM) Graphics", True),
        ("Intel(R) Arc(TM) A350M Graphics", True),
        ("Intel(R) Arc(TM) Pro A60M Graphics", True),
        ("Intel(R) Arc(TM) B390 GPU", True),
        ("Panther Lake [Arc B390]", True),
        ("Intel Graphics (Panther Lake without Arc)", False),
        ("Intel(R) Graphics", False),
        ("Intel(R) Iris(R) Xe Graphics", False),
        ("Intel(R) UHD Graphics 770", False),
        ("Intel Graphics (Meteor Lake-U)", False),
        ("Intel Graphics (Arrow Lake-S)", False),
        ("Intel Data Center GPU Flex", False),
        ("UHD Graphics 770", False),
        ("Raptor Lake-P [Iris Xe Graphics]", False),
        ("Intel graphics", False),
    ],
)
def test_an_intel_gpu_is_known_by_its_name(name: str, *, known: bool) -> None:
    assert validated(Accelerator("intel", name), TABLES) is known


def test_an_intel_gpu_is_known_by_its_family_before_its_name() -> None:
    named = Accelerator("intel", "Intel(R) Graphics")
    assert not validated(named, TABLES)
    assert validated(replace(named, architecture="lnl"), TABLES)
    assert not validated(replace(named, name="Arc A770", architecture="mtl-u"), TABLES)


def test_no_device_is_of_two_families() -> None:
    devices = [number for family in TABLES.intel for number in family.devices]
    assert len(devices) == len(set(devices))
    for family in TABLES.intel:
        assert family_of_name(family.name, TABLES) == family


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("label", "kind", "toolkit"),
    [
        ("cu126", Kind.CUDA, (12, 6)),
        ("cu118", Kind.CUDA, (11, 8)),
        ("cu92", Kind.CUDA, (9, 2)),
        ("cpu", Kind.CPU, (0, 0)),
        ("xpu", Kind.XPU, (0, 0)),
        ("rocm6.2.4", Kind.ROCM, (0, 0)),
        ("", Kind.OTHER, (0, 0)),
        ("das.opt1", Kind.OTHER, (0, 0)),
        ("cu126full", Kind.OTHER, (0, 0)),
    ],
)
def test_a_label_says_what_it_is_for(label: str, kind: Kind, toolkit: tuple[int, int]) -> None:
    assert (kind_of(label), toolkit_of(label)) == (kind, toolkit)


def test_vendors_write_labels_of_their_own() -> None:
    assert all(map(is_ours, ("cpu", "cu126", "rocm6.2", "xpu", "cu117.with.pypi.cudnn")))
    assert not any(map(is_ours, ("das.opt1", "nv25.11", "metax3", "cpuish", "musa", "git1234")))


@pytest.mark.parametrize(
    ("project", "version", "host", "label"),
    [
        ("torch", "2.15.0", Host(), "cu132"),
        ("torch", "2.14.0", Host(), "cu130"),
        ("torch", "2.10.0", Host(machine="aarch64"), "cpu"),
        ("torch", "2.15.0", Host(platform="win32"), "cpu"),
        ("torch", "2.15.0", Host(platform="darwin", machine="aarch64"), ""),
        ("torch", "2.15.0", Host(machine="riscv64"), ""),
        ("torch", "2.17.0", Host(), "cu132"),
        ("torch", "1.0.0", Host(), ""),
        ("torchvision", "0.29.2", Host(), "cu132"),
        ("torchvision", "0.29.0", Host(), "cu130"),
        ("torchvision", "0.31.0", Host(), "cu132"),
        ("torchaudio", "2.11.0", Host(), "cu130"),
        ("torchaudio", "2.0.1", Host(), "cu117"),
        ("torchcodec", "0.9.0", Host(), ""),
    ],
)
def test_the_default_indexs_build_is_known_by_its_release(
    project: str, version: str, host: Host, label: str
) -> None:
    assert label_of(Candidate(project, version), host, TABLES) == label


def test_an_indexs_name_tells_where_the_file_does_not() -> None:
    assert label_of(Candidate("torchao", "0.9.0", index="cu126"), Host(), TABLES) == "cu126"


@pytest.mark.parametrize(
    ("vision", "torch", "expected"),
    [
        ("0.29.0", "2.14.0", True),
        ("0.29.0", "2.14.1", False),
        ("0.29.1", "2.14.1", True),
        ("0.29.1", "2.15.0", False),
        ("0.29.2", "2.14.1", True),
        ("0.28.1", "2.13.1", True),
        ("0.28.1", "2.13.0", False),
        ("0.30.0", "2.16.0", True),
        ("0.13.0", "1.12.0", None),
    ],
)
def test_releases_belong_together_by_the_tables(
    vision: str, torch: str, *, expected: bool | None
) -> None:
    assert belongs(TABLES, Candidate("torchvision", vision), torch) is expected


def test_metadata_says_more_than_the_tables() -> None:
    one = Candidate("xformers", "0.0.40", requires="==2.13.0")
    assert belongs(TABLES, one, "2.13.0") is True
    assert belongs(TABLES, one, "2.15.0") is False
    assert partners_of(TABLES, "1.0.0") == {}


def test_a_follower_is_of_the_same_build_or_of_the_same_major() -> None:
    exact, same, far = near("cu130", "cu130"), near("cu130", "cu132"), near("cu126", "cu129")
    assert exact
    assert same
    assert far
    assert exact > same > far
    assert near("cu126", "cu130") is None
    assert near("", "cu130") is None
    assert near("cpu", "cu130") is None
    assert near("rocm7.1", "rocm7.2") is None


# ---------------------------------------------------------------- wheels


LINUX = Host(libc=(2, 31))


@pytest.mark.parametrize(
    ("wheel", "host", "python", "text"),
    [
        ("cp312-cp312-manylinux_2_28_x86_64", LINUX, "3.12", ""),
        ("cp312-cp312-manylinux_2_28_x86_64", LINUX, "3.12.4", ""),
        ("cp312-cp312-manylinux_2_28_x86_64", LINUX, None, ""),
        ("cp312-cp312-manylinux_2_34_x86_64", LINUX, "3.12", "needs glibc >= 2.34"),
        ("cp312-cp312-manylinux_2_34_x86_64", Host(), "3.12", ""),
        ("cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64", LINUX, "3.12", ""),
        ("cp312-cp312-manylinux1_x86_64", Host(libc=(2, 17)), "3.12", ""),
        ("cp312-cp312-linux_x86_64", LINUX, "3.12", ""),
        ("cp313-cp313-manylinux_2_28_x86_64", LINUX, "3.12", "needs Python >= 3.13"),
        ("cp311-cp311-manylinux_2_28_x86_64", LINUX, "3.12", "has no wheel for Python 3.12"),
        ("cp313-cp313t-manylinux_2_28_x86_64", LINUX, "3.13t", ""),
        ("cp313-cp313t-manylinux_2_28_x86_64", LINUX, "3.13", "has no wheel for Python 3.13"),
        ("cp313-cp313-manylinux_2_28_x86_64", LINUX, "3.13t", "has no wheel for Python 3.13t"),
        ("cp310-abi3-manylinux_2_28_x86_64", LINUX, "3.12", ""),
        ("cp310-abi3-manylinux_2_28_x86_64", LINUX, "3.9", "needs Python >= 3.10"),
        ("py3-none-any", LINUX, "3.12", ""),
        ("py2.py3-none-any", LINUX, "3.12", ""),
        ("py2-none-any", LINUX, "3.12", "has no wheel for Python 3.12"),
        ("cp312-cp312-manylinux_2_28_aarch64", LINUX, "3.12", "has no wheel for Linux x86_64"),
        ("cp312-cp312-musllinux_1_2_x86_64", LINUX, "3.12", "has no wheel for Linux x86_64"),
        ("cp312-cp312-win_amd64", Host(platform="win32"), "3.12", ""),
        ("cp312-cp312-win_arm64", Host(platform="win32", machine="aarch64"), "3.12", ""),
        ("cp312-cp312-win_amd64", LINUX, "3.12", "has no wheel for Linux x86_64"),
        (
            "cp312-cp312-macosx_14_0_arm64",
            Host(platform="darwin", machine="aarch64", os_version=(13, 6)),
            "3.12",
            "needs macOS >= 14",
        ),
        (
            "cp312-none-macosx_11_0_universal2",
            Host(platform="darwin", machine="x86_64", os_version=(13, 6)),
            "3.12",
            "",
        ),
    ],
)
def test_a_wheel_fits_a_host_or_says_what_it_needs(
    wheel: str, host: Host, python: str | None, text: str
) -> None:
    assert misfit([wheel], host, python, (2, 17)) == text


def test_of_several_wheels_the_mildest_complaint_counts() -> None:
    wheels = [f"cp3{n}-cp3{n}-manylinux_2_28_x86_64" for n in (11, 12, 13, 15)]
    assert misfit([*wheels, "cp311-cp311-win_amd64"], LINUX, "3.10", None) == "needs Python >= 3.11"
    assert misfit([], LINUX, "3.10", None) == ""


def test_a_plain_linux_tag_needs_what_the_tables_say() -> None:
    old = Host(libc=(2, 12))
    assert misfit(["cp312-cp312-linux_x86_64"], old, "3.12", (2, 17)) == "needs glibc >= 2.17"


def test_what_has_no_time_is_no_candidate_beside_files_that_have_one() -> None:
    def files(label: str, *, dated: bool) -> list[ListedFile]:
        return [ListedFile(f"torch-2.14.1{label}-cp312-cp312-win_amd64.whl", dated=dated)]

    def labels(*, default: bool, variant: bool) -> list[str]:
        pages = {
            ("torch", ""): files("", dated=default),
            ("torch", "cu126"): files("+cu126", dated=variant),
        }
        return [each.label for each in candidates_of_pages(pages)]

    assert labels(default=True, variant=True) == ["", "cu126"]
    assert labels(default=True, variant=False) == [""]
    assert labels(default=False, variant=False) == ["", "cu126"]
    assert labels(default=False, variant=True) == ["", "cu126"]


def test_candidates_are_made_of_file_names() -> None:
    files = [
        "torch-2.14.1+cu126-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.14.1+cu126-cp312-cp312-win_amd64.whl",
        "torch-2.14.0+cu126-1-cp312-cp312-win_amd64.whl",
        "torchvision-0.29.0+cu126-cp312-cp312-win_amd64.whl",
        "torch-2.14.1.tar.gz",
        "torch-2.14.1+cu126-cp312-cp312-win_amd64-variant.whl",
        "nonsense",
    ]
    listed = [ListedFile(name, yanked=name == files[2]) for name in files]
    found = candidates_from("torch", listed, index="cu126")
    tags = ("cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-win_amd64")
    assert found == (
        Candidate("torch", "2.14.0", "cu126", "cu126", tags[1:], yanked=True),
        Candidate("torch", "2.14.1", "cu126", "cu126", tags),
    )
