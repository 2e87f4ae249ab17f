"""Laws of choosing builds, whatever the host, the request and the listing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from headrace.variants.builds import Candidate, Decision, Outcome, PageEntry
from headrace.variants.choose import decide
from headrace.variants.compatibility.coverage import covers, find_build
from headrace.variants.compatibility.drivers import cuda_of
from headrace.variants.compatibility.labels import (
    Kind,
    belongs,
    kind_of,
    label_of,
    same_stack,
    toolkit_of,
)
from headrace.variants.hosts import Accelerator, Host, Situation, VariantRequest
from headrace.variants.pages import arrange
from headrace.variants.target import VariantOverride
from headrace.variants.wheels import misfit
from lib.gpu.variant_listing import TABLES, listing

LISTED = [each for each in listing() if each.project != "torchaudio"]
TORCH = [each for each in LISTED if each.project == "torch"]
LAWS = settings(max_examples=50, deadline=None)

DRIVERS = sorted(
    {toolkit.linux for toolkit in TABLES.toolkits} | {"390.10", "450.80.02", "580.95.05", "700.1"},
    key=Version,
)
capabilities = st.sampled_from(sorted({*TABLES.gpus.values(), (13, 0)}))
nvidia_gpus = st.builds(
    Accelerator, st.just("nvidia"), st.sampled_from(["one", "two"]), st.none() | capabilities
)
other_gpus = st.one_of(
    st.builds(
        Accelerator,
        st.just("amd"),
        st.just("a card"),
        architecture=st.sampled_from([None, "gfx1100", "gfx1036", "gfx1103", "gfx90a"]),
        integrated=st.booleans(),
    ),
    st.builds(Accelerator, st.just("intel"), st.sampled_from(["Arc B580", "UHD Graphics 770"])),
    st.builds(Accelerator, st.just("huawei"), st.just("Ascend 910B")),
)


@st.composite
def nvidia_hosts(draw: st.DrawFn) -> Host:
    return Host(
        tuple(draw(st.lists(nvidia_gpus, min_size=1, max_size=3))),
        draw(st.sampled_from(DRIVERS)),
        platform=draw(st.sampled_from(["linux", "linux", "win32"])),
        machine=draw(st.sampled_from(["x86_64", "x86_64", "aarch64"])),
        libc=draw(st.sampled_from([None, (2, 17), (2, 36)])),
    )


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    host = draw(nvidia_hosts())
    gpus = draw(st.lists(nvidia_gpus | other_gpus, max_size=3))
    return replace(
        host,
        accelerators=tuple(gpus),
        driver=draw(st.none() | st.just(host.driver)),
        platform=draw(st.sampled_from(["linux", "win32", "darwin"])),
        situation=draw(st.sampled_from(Situation)),
        wsl=draw(st.booleans()),
    )


specifiers = st.sampled_from(
    ["", "", "==2.15.0", "==2.8.0", "<2.6", ">=2.11", "~=2.5.0", "!=2.15.0"]
)
requests = st.builds(
    VariantRequest,
    st.just("torch"),
    st.sampled_from([None, "3.9", "3.10", "3.12", "3.15"]),
    st.none(),
    specifiers,
    companions=st.sampled_from([(), (("torchvision", ""),), (("torch-npu", "==2.14.0"),)]),
)
subsets = st.lists(st.sampled_from(TORCH), max_size=60, unique=True)


def gpu_build(decision: Decision) -> bool:
    return kind_of(decision.label) is Kind.CUDA


@LAWS
@given(nvidia_hosts(), requests)
def test_a_build_that_lacks_the_best_gpu_is_never_chosen_in_silence(
    host: Host, request: VariantRequest
) -> None:
    decision = decide(host, request, LISTED, TABLES)
    best = max((gpu.capability for gpu in host.accelerators if gpu.capability), default=None)
    if decision.candidate is None or best is None:
        assert decision.reason
        return
    said = " ".join(decision.warnings) + decision.reason
    if gpu_build(decision):
        known = find_build(TABLES, decision.candidate.version, decision.label)
        assert known
        kernels = known.build.architectures[host.machine]
        jit = host.platform == "linux" and (cuda_of(host, TABLES) or (0, 0)) >= known.build.toolkit
        for place, gpu in enumerate(host.accelerators):
            if gpu.capability:
                covered = covers(kernels, gpu.capability, TABLES, translates=jit)
                assert covered is (place in decision.covered)
                assert covered or f"sm_{gpu.capability[0]}{gpu.capability[1]}" in said
    else:
        assert decision.warnings or "torch-npu" in decision.reason


@LAWS
@given(nvidia_hosts(), requests, st.sampled_from([None, (11, 4), (12, 8), (13, 0)]))
def test_a_builds_cuda_is_never_of_a_newer_major_than_the_drivers(
    host: Host, request: VariantRequest, reported: tuple[int, int] | None
) -> None:
    if reported:
        host = replace(host, cuda=reported, driver=None)
    decision = decide(host, request, LISTED, TABLES)
    cuda = cuda_of(host, TABLES)
    if gpu_build(decision):
        assert cuda
        assert toolkit_of(decision.label)[0] <= cuda[0]


@LAWS
@given(nvidia_hosts(), requests, st.sampled_from(DRIVERS))
def test_a_newer_driver_never_makes_the_choice_older(
    host: Host, request: VariantRequest, other: str
) -> None:
    older, newer = sorted((host.driver or "0", other), key=Version)
    before = decide(replace(host, driver=older), request, LISTED, TABLES)
    after = decide(replace(host, driver=newer), request, LISTED, TABLES)
    if not gpu_build(before):
        return
    assert gpu_build(after)
    # What a newer driver brings may cover more GPUs, and only for that be older.
    if len(after.covered) == len(before.covered):
        assert before.candidate
        assert after.candidate
        assert Version(after.candidate.version) >= Version(before.candidate.version)
    else:
        capability = [gpu.capability or (0, 0) for gpu in host.accelerators]
        best = max(capability)
        gained = len(after.covered) > len(before.covered)
        assert gained or any(capability[place] == best for place in after.covered)


@LAWS
@given(hosts(), requests, subsets)
def test_only_what_is_listed_is_chosen(
    host: Host, request: VariantRequest, some: list[Candidate]
) -> None:
    decision = decide(host, request, some, TABLES)
    assert decision.candidate is None or decision.candidate in some
    assert (decision.candidate is not None) is (decision.outcome is Outcome.CHOSEN)
    assert {each.candidate for each in decision.rejections} <= set(some)


@LAWS
@given(hosts(), requests, subsets, st.randoms())
def test_the_order_of_the_candidates_does_not_matter_and_every_run_is_alike(
    host: Host, request: VariantRequest, some: list[Candidate], chance: object
) -> None:
    shuffled = [*some, *some[:3]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first = decide(host, request, some, TABLES)
    assert decide(host, request, shuffled, TABLES) == first
    assert decide(host, request, some, TABLES) == first


@LAWS
@given(hosts(), requests, subsets)
def test_taking_away_what_was_not_chosen_changes_nothing(
    host: Host, request: VariantRequest, some: list[Candidate]
) -> None:
    decision = decide(host, request, some, TABLES)
    if decision.candidate is None:
        return
    # A build for CPUs stands in only while the others are there to show that they do not suit.
    if kind_of(decision.label) is Kind.CPU and host.accelerators:
        return
    alone = decide(host, request, [decision.candidate], TABLES)
    assert alone.candidate == decision.candidate
    assert alone.label == decision.label


@LAWS
@given(hosts(), requests)
def test_every_candidate_is_the_chosen_one_or_is_told_why_not(
    host: Host, request: VariantRequest
) -> None:
    decision = decide(host, request, TORCH, TABLES)
    assert decision.reason
    assert "\n" not in decision.reason
    assert all(decision.warnings)
    if decision.outcome is Outcome.CHOSEN:
        told = {each.candidate for each in decision.rejections} | {decision.candidate}
        assert all(each.reason for each in decision.rejections)
        assert told >= set(TORCH) or host.platform == "darwin"


@LAWS
@given(hosts(), st.sampled_from([None, "3.10", "3.12"]), st.sampled_from(["", "cu126", "cpu"]))
def test_a_page_lets_the_choice_win_and_keeps_what_it_had(
    host: Host, python: str | None, build: str
) -> None:
    arrangement = arrange(
        host, VariantRequest("torch", python), LISTED, TABLES, VariantOverride(build=build)
    )
    decision = arrangement.decision
    if decision.candidate is None:
        assert arrangement.pages == {}
    for project, entries in arrangement.pages.items():
        mine = {each for each in LISTED if each.project == project}
        assert {entry.candidate for entry in entries} == mine
        assert all(entry.listed for entry in entries if not entry.candidate.index)


def taken(entries: Iterable[PageEntry], host: Host, python: str) -> Candidate | None:
    """Return what an installer takes of a page when nothing is asked of the version."""
    open_ones = [
        entry.candidate
        for entry in entries
        if entry.listed
        and not entry.yanked
        and not misfit(entry.candidate.wheels, host, python, (2, 17))
    ]
    return max(open_ones, key=lambda each: Version(each.name), default=None)


@LAWS
@given(nvidia_hosts(), st.sampled_from(["3.10", "3.12"]))
def test_an_installer_takes_the_choice_and_followers_that_go_with_it(
    host: Host, python: str
) -> None:
    # An unknown glibc admits everything here, and the tables may still know better.
    host = replace(host, libc=(2, 36))
    arrangement = arrange(host, VariantRequest("torch", python), LISTED, TABLES)
    decision = arrangement.decision
    if decision.candidate is None:
        return
    assert taken(arrangement.pages["torch"], host, python) == decision.candidate
    follower = taken(arrangement.pages["torchvision"], host, python)
    assert follower
    assert belongs(TABLES, follower, decision.candidate.version)
    assert same_stack(label_of(follower, host, TABLES), decision.label)
