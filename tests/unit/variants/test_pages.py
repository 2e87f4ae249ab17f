"""What the pages of torch and its family list on a host."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.variants.builds import Candidate, FamilyPages, Outcome
from headrace.variants.hosts import Accelerator, Host, Situation, VariantRequest
from headrace.variants.pages import arrange, serve
from headrace.variants.target import VariantOverride
from lib.gpu.variant_listing import TABLES, listing

LISTED = listing()


def nvidia(driver: str, *gpus: tuple[str, tuple[int, int]]) -> Host:
    return Host(
        tuple(Accelerator("nvidia", name, capability) for name, capability in gpus),
        driver,
        libc=(2, 36),
    )


V100 = nvidia("550.54.15", ("Tesla V100", (7, 0)))
A100 = nvidia("550.54.15", ("NVIDIA A100", (8, 0)))
RTX5090 = nvidia("620.70.06", ("RTX 5090", (12, 0)))
CPU = Host(libc=(2, 36))


def pages(host: Host, *more: Candidate, override: VariantOverride | None = None) -> FamilyPages:
    return arrange(
        host,
        VariantRequest("torch", "3.12"),
        [*LISTED, *more],
        TABLES,
        override or VariantOverride(),
    )


def listed(arrangement: FamilyPages, project: str) -> dict[str, str]:
    """Return what is on a page, with the reason where it is yanked."""
    entries = arrangement.pages[project]
    return {entry.candidate.name: entry.yanked for entry in entries if entry.listed}


def shown(arrangement: FamilyPages, project: str, version: str) -> list[str]:
    return [name for name in listed(arrangement, project) if name.partition("+")[0] == version]


def test_the_build_that_suits_is_listed_beside_the_default() -> None:
    page = pages(A100)
    assert page.decision.name == "2.14.1+cu126"
    assert shown(page, "torch", "2.14.1") == ["2.14.1", "2.14.1+cu126"]
    assert shown(page, "torchvision", "0.29.1") == ["0.29.1", "0.29.1+cu126"]
    assert shown(page, "torchaudio", "2.11.0") == ["2.11.0", "2.11.0+cu126"]


def test_what_is_newer_and_does_not_run_is_yanked_with_a_reason() -> None:
    page = listed(pages(A100), "torch")
    assert {name: why for name, why in page.items() if why} == {
        "2.15.0": "headrace: torch 2.15.0 needs driver >= 580"
    }


def test_a_follower_that_the_newer_release_needs_is_yanked_with_it() -> None:
    vision = listed(pages(A100), "torchvision")
    assert {name: why for name, why in vision.items() if why} == {
        "0.29.2": "headrace: no torchvision 0.29.2 is built for cu126"
    }
    pinned = Candidate("torchvision", "0.30.0", requires="==2.15.0")
    vision = listed(pages(A100, pinned), "torchvision")
    assert vision["0.30.0"] == "headrace: torch 2.15.0 needs driver >= 580"


def test_every_release_has_its_own_best_build_for_those_who_pin_it() -> None:
    page = pages(RTX5090)
    assert shown(page, "torch", "2.7.1") == ["2.7.1", "2.7.1+cu128"]
    # Their followers take the same.
    assert shown(page, "torchvision", "0.22.1") == ["0.22.1", "0.22.1+cu128"]
    assert shown(page, "torchaudio", "2.7.1") == ["2.7.1", "2.7.1+cu128"]


@pytest.mark.parametrize("driver", ["525.60.13", "550.54.15", "560.28.03", "580.95.05"])
@pytest.mark.parametrize("version", ["2.7.1", "2.8.0", "2.10.0"])
def test_a_default_that_runs_is_not_exchanged(driver: str, version: str) -> None:
    page = pages(nvidia(driver, ("NVIDIA A100", (8, 0))))
    assert shown(page, "torch", version) == [version]


def test_of_builds_that_are_not_the_default_the_drivers_own_major_comes_first() -> None:
    host = replace(nvidia("528.33", ("RTX 3060", (8, 6))), platform="win32", libc=None)
    # Windows' default is a CPU build; CUDA 12.0 runs cu126, and has cu118 below it.
    assert shown(pages(host), "torch", "2.7.1") == ["2.7.1", "2.7.1+cu126"]


def test_an_old_release_without_kernels_is_a_cpu_build_and_is_never_yanked() -> None:
    page = pages(RTX5090)
    assert shown(page, "torch", "2.5.1") == ["2.5.1", "2.5.1+cpu"]
    assert not any(listed(page, "torch").values())
    notes = {entry.candidate.name: entry.note for entry in page.pages["torch"]}
    assert notes["2.5.1+cpu"] == "headrace: torch 2.5.1 has no kernels for sm_120 (RTX 5090)"
    assert shown(page, "torchvision", "0.20.1") == ["0.20.1", "0.20.1+cpu"]


def test_a_newer_release_without_kernels_is_yanked_and_its_pin_is_a_cpu_build() -> None:
    page = listed(pages(V100), "torch")
    why = "headrace: torch 2.15.0 has no kernels for sm_70 (Tesla V100)"
    assert page["2.15.0"] == page["2.15.0+cpu"] == why


MIXED = nvidia("580.95.05", ("GTX 1080 Ti", (6, 1)), ("RTX 4090", (8, 9)))


def test_what_runs_on_one_of_the_gpus_is_not_hidden_for_another() -> None:
    arrangement = served(MIXED)
    assert arrangement.decision.name == "2.15.0+cu132"
    assert "torch==2.14.1 (2.14.1+cu126) is the newest for all of the GPUs" in (
        arrangement.decision.warnings
    )
    assert not any(listed(arrangement, "torch").values())
    # Who pins a release gets its build for all of them.
    assert shown(arrangement, "torch", "2.15.0") == ["2.15.0"]
    assert shown(arrangement, "torch", "2.14.1") == ["2.14.1", "2.14.1+cu126"]
    assert shown(arrangement, "torchvision", "0.29.1") == ["0.29.1", "0.29.1+cu126"]


def test_an_older_default_that_runs_wins_over_a_newer_one_that_does_not() -> None:
    # As where the variant indexes list nothing newer.
    few = [each for each in LISTED if not each.index]
    arrangement = serve(A100, VariantRequest("torch", "3.12"), few, TABLES)
    assert arrangement.decision.name == "2.10.0+cu128"
    hidden = {name for name, why in listed(arrangement, "torch").items() if why}
    assert "2.15.0" in hidden
    assert "2.10.0" not in hidden


def test_where_the_default_suits_nothing_is_added_to_its_release() -> None:
    page = pages(RTX5090)
    assert page.decision.candidate
    assert page.decision.candidate.index == ""
    assert shown(page, "torch", "2.15.0") == ["2.15.0"]
    assert shown(page, "torchvision", "0.29.2") == ["0.29.2"]


def test_without_an_accelerator_plain_builds_are_added_and_nothing_is_yanked() -> None:
    new = Candidate("torch", "2.16.0", wheels=("cp312-cp312-manylinux_2_28_x86_64",))
    page = pages(CPU, new)
    assert shown(page, "torch", "2.15.0") == ["2.15.0", "2.15.0+cpu"]
    assert shown(page, "torchvision", "0.29.2") == ["0.29.2", "0.29.2+cpu"]
    assert not any(listed(page, "torch").values())


def test_where_an_amd_gpu_has_no_build_of_the_newest_release_that_does_not_win() -> None:
    gpu = Accelerator("amd", "RX 7900 XTX", architecture="gfx1100")
    page = pages(Host((gpu,), libc=(2, 36)))
    assert page.decision.name == "2.14.1+rocm7.2"
    assert listed(page, "torch")["2.15.0"]
    assert listed(page, "torch")["2.14.1+rocm7.2"] == ""


@pytest.mark.parametrize(
    "host",
    [
        Host(situation=Situation.CONTAINER),
        Host(situation=Situation.LOGIN_NODE),
        nvidia("390.10", ("Tesla K80", (3, 7))),
        Host(platform="darwin", machine="aarch64", os_version=(15, 0)),
    ],
)
def test_where_nothing_can_be_said_the_pages_stay_as_they_are(host: Host) -> None:
    assert pages(host).pages == {}


def test_a_vendors_torch_and_off_leave_the_pages_alone() -> None:
    kept = arrange(V100, VariantRequest("torch", "3.12", installed="2.1.0+metax3"), LISTED, TABLES)
    assert kept.decision.outcome is Outcome.HANDS_OFF
    assert kept.pages == {}
    assert pages(V100, override=VariantOverride(build="off")).pages == {}


def test_an_override_is_every_releases_build() -> None:
    page = pages(V100, override=VariantOverride(build="cu130"))
    assert page.decision.name == "2.15.0+cu130"
    assert shown(page, "torch", "2.9.1") == ["2.9.1", "2.9.1+cu130"]
    assert shown(page, "torchvision", "0.24.1") == ["0.24.1", "0.24.1+cu130"]
    assert shown(page, "torch", "2.5.1") == ["2.5.1"]


def test_a_follower_of_which_little_is_known_follows_where_it_has_the_build() -> None:
    more = [
        Candidate("torchcodec", "0.9.0"),
        Candidate("torchcodec", "0.9.0", "cu126", "cu126"),
        Candidate("torchcodec", "0.9.0", "cu130", "cu130"),
        Candidate("torchcodec", "0.10.0"),
    ]
    page = pages(V100, *more)
    assert listed(page, "torchcodec") == {"0.9.0": "", "0.9.0+cu126": "", "0.10.0": ""}


def test_every_file_of_the_default_index_stays_on_its_page() -> None:
    for host in (V100, A100, RTX5090, CPU):
        arrangement = pages(host)
        for project, entries in arrangement.pages.items():
            there = {entry.candidate for entry in entries if entry.listed}
            default = {c for c in LISTED if c.project == project and not c.index}
            assert default <= there
            # Of one version, one variant at most.
            variants = [c.version for c in there if c.index]
            assert len(variants) == len(set(variants))


H100 = nvidia("580.95.05", ("NVIDIA H100", (9, 0)))


def served(host: Host, override: VariantOverride | None = None) -> FamilyPages:
    return serve(
        host, VariantRequest("torch", "3.12"), LISTED, TABLES, override or VariantOverride()
    )


def test_pages_stay_where_the_default_runs_although_another_build_is_nearer() -> None:
    assert pages(H100).decision.name == "2.15.0+cu132"
    assert not served(H100).pages
    assert served(H100).decision.name == "2.15.0+cu132"


def test_pages_stay_where_there_is_no_accelerator() -> None:
    assert pages(CPU).pages
    assert not served(CPU).pages


def test_pages_are_arranged_where_the_default_is_older_or_covers_less() -> None:
    assert served(A100).pages == pages(A100).pages
    assert served(MIXED).pages == pages(MIXED).pages
    windows = replace(nvidia("591.44", ("RTX 3060", (8, 6))), platform="win32", libc=None)
    assert served(windows).decision.name == "2.15.0+cu130"
    assert served(windows).pages


def test_pages_follow_what_the_user_decided_whatever_runs() -> None:
    assert (
        served(H100, VariantOverride(build="cpu")).pages
        == pages(H100, override=VariantOverride("cpu")).pages
    )
