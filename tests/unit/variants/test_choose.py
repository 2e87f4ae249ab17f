"""Which build of torch a host gets: forty-one hosts, and the cases beside them."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.variants.builds import Candidate, Decision, Outcome
from headrace.variants.choose import decide
from headrace.variants.hosts import Accelerator, Host, Situation, VariantRequest
from headrace.variants.target import VariantOverride, parse_target
from lib.gpu.variant_listing import TABLES, listing

FILE = Path(__file__).with_name("hosts.toml")
HOSTS: list[dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))["host"]
LISTED = listing()


def pair(text: str | None) -> tuple[int, int] | None:
    major, _, minor = (text or "").partition(".")
    return (int(major), int(minor)) if text else None


def host_of(row: dict[str, Any]) -> Host:
    gpus = tuple(
        Accelerator(
            gpu.get("maker", "nvidia"),
            gpu["name"],
            pair(gpu.get("capability")),
            gpu.get("architecture"),
            integrated=gpu.get("integrated", False),
        )
        for gpu in row.get("gpus", ())
    )
    return Host(
        accelerators=gpus,
        driver=row.get("driver"),
        cuda=pair(row.get("cuda")),
        platform=row.get("platform", "linux"),
        machine=row.get("machine", "x86_64"),
        libc=pair(row.get("libc", "2.36")),
        os_version=pair(row.get("os_version")),
        situation=Situation(row.get("situation", "ordinary")),
        wsl=row.get("wsl", False),
        notes=tuple(row.get("notes", ())),
        extra=tuple(row.get("extra", {}).items()),
    )


def request_of(row: dict[str, Any]) -> VariantRequest:
    return VariantRequest(
        "torch",
        row.get("python", "3.12"),
        specifier=row.get("specifier", ""),
        companions=tuple(row.get("companions", {}).items()),
    )


def without(*names: str) -> list[Candidate]:
    return [each for each in LISTED if each.name not in names]


def chosen(host: Host, specifier: str = "", **fields: Any) -> Decision:
    return decide(host, VariantRequest("torch", "3.12", None, specifier, **fields), LISTED, TABLES)


def nvidia(driver: str, *gpus: tuple[str, str | None]) -> Host:
    found = tuple(Accelerator("nvidia", name, pair(capability)) for name, capability in gpus)
    return Host(found, driver, libc=(2, 36))


V100 = nvidia("550.54.15", ("Tesla V100", "7.0"))
A100 = nvidia("550.54.15", ("NVIDIA A100", "8.0"))
H100 = nvidia("580.95.05", ("NVIDIA H100", "9.0"))


# ---------------------------------------------------------------- the hosts


@pytest.mark.parametrize("row", HOSTS, ids=lambda row: row["row"])
def test_a_host_gets_what_it_can_run_and_is_told_why(row: dict[str, Any]) -> None:
    override = VariantOverride()
    if "target" in row:
        override = VariantOverride(host=parse_target(row["target"], TABLES))
    listed = without(*row.get("listed", {}).get("without", ()))
    for version, _, label in (n.partition("+") for n in row.get("listed", {}).get("also", ())):
        listed.append(Candidate(TABLES.lead, version, label, label))
    decision = decide(host_of(row), request_of(row), listed, TABLES, override)
    assert decision.outcome == row.get("outcome", "chosen"), decision.reason
    assert decision.name == row["expect"], decision.reason
    if "index" in row:
        assert decision.candidate
        assert decision.candidate.index == row["index"]
    for words in row["reason"]:
        assert words in decision.reason
    for words in row.get("warnings", ()):
        assert any(words in said for said in decision.warnings), decision.warnings
    companions = {each.project: f"{each.version}+{each.label}" for each in decision.companions}
    for project, name in row.get("partners", {}).items():
        assert companions[project] == name
    assert decision.reason.count("\n") == 0
    assert not decision.reason.endswith(".")


def test_all_forty_one_rows_are_there() -> None:
    assert {int(row["row"].partition(",")[0]) for row in HOSTS} == set(range(1, 42))


# ---------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (
            chosen(V100),
            (
                "torch 2.14.1+cu126: driver 550.54.15 = CUDA 12.4; 2.15 needs driver >= 580; "
                "covers sm_70 (Tesla V100)"
            ),
        ),
        (
            chosen(nvidia("580.95.05", ("Tesla V100", "7.0"))),
            (
                "torch 2.14.1+cu126: driver 580.95.05 = CUDA 13.0; "
                "2.15 has no kernels for sm_70 (Tesla V100); covers sm_70 (Tesla V100)"
            ),
        ),
        (
            chosen(H100),
            "torch 2.15.0+cu132: driver 580.95.05 = CUDA 13.0; covers sm_90 (NVIDIA H100)",
        ),
        (
            chosen(A100, "==2.15.0"),
            (
                "torch stays as the default index has it: 2.15.0 needs driver >= 580, and this is "
                "driver 550.54.15 = CUDA 12.4; update the driver or ask for torch<2.15 "
                "(2.14.1+cu126)"
            ),
        ),
        (
            chosen(nvidia("580.95.05", ("NVIDIA GeForce RTX 5090", "12.0")), "==2.5.1"),
            (
                "torch 2.5.1+cpu: every other build of 2.5 has no kernels for "
                "sm_120 (NVIDIA GeForce RTX 5090)"
            ),
        ),
        (
            chosen(nvidia("440.33.01", ("Tesla P100", "6.0"))),
            (
                "torch stays as the default index has it: 2.7.1 needs driver >= 450, and this is "
                "driver 440.33.01 = CUDA 10.2; update the driver"
            ),
        ),
        (chosen(Host(libc=(2, 36))), "torch 2.15.0+cpu: there is no accelerator here"),
        (
            chosen(Host(situation=Situation.DRIVER_MISSING)),
            (
                "torch stays as the default index has it: there is a GPU and no driver for it; "
                "install the driver first, or set HEADRACE_CUDA=cpu"
            ),
        ),
        (
            chosen(V100, "===2.8.0"),
            "torch is left alone: the very build was asked for (===2.8.0)",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Decision) else "",
)
def test_the_reason_is_one_plain_sentence(decision: Decision, sentence: str) -> None:
    assert decision.reason == sentence


def test_a_cpu_build_on_a_gpu_host_is_never_silent() -> None:
    decision = chosen(nvidia("580.95.05", ("NVIDIA GeForce RTX 5090", "12.0")), "==2.5.1")
    assert decision.warnings == (
        (
            "the accelerator will not be used: 2.5.1 has no kernels for "
            "sm_120 (NVIDIA GeForce RTX 5090); ask for torch>=2.7.0 (2.7.0+cu128)"
        ),
    )


def test_every_other_candidate_is_told_why_it_is_out() -> None:
    decision = chosen(V100)
    why = {r.candidate.name + "@" + r.candidate.index: r.reason for r in decision.rejections}
    assert why["2.15.0@"] == "needs driver >= 580, has no kernels for sm_70 (Tesla V100)"
    assert why["2.15.0+cpu@cpu"] == "is a build for cpu"
    assert why["2.12.1+cu129@cu129"] == "has no kernels for sm_70 (Tesla V100)"
    assert why["2.13.0+cu126@cu126"] == "is older than 2.14.1+cu126"
    assert why["1.13.1+cu117@cu117"] == "has no wheel for Python 3.12"
    assert "2.14.1+cu126@cu126" not in why
    assert len(why) == len([each for each in LISTED if each.project == "torch"]) - 1


# ---------------------------------------------------------------- hands off


@pytest.mark.parametrize(
    ("specifier", "fields", "words"),
    [
        ("===2.15.0", {}, "very build"),
        ("==2.8.0+nv25.11", {}, "very build"),
        ("", {"explicit": "hashes"}, "(hashes)"),
        ("", {"companions": (("torchvision", "===0.23.0"),)}, "===0.23.0"),
        ("", {"installed": "2.10.0a0+b558c98.nv25.11"}, "a vendor's own build"),
        ("", {"installed": "2.1.0+das.opt1.dtk24"}, "a vendor's own build"),
        ("nonsense", {}, "cannot be read"),
    ],
)
def test_what_the_user_chose_is_left_alone(
    specifier: str, fields: dict[str, Any], words: str
) -> None:
    decision = chosen(V100, specifier, **fields)
    assert decision.outcome is Outcome.HANDS_OFF
    assert words in decision.reason


@pytest.mark.parametrize("installed", ["2.5.1+cu124", "2.5.1+cpu", "2.5.1", "2.7.0+rocm6.3", None])
def test_an_ordinary_torch_that_is_there_already_is_no_obstacle(installed: str | None) -> None:
    assert chosen(V100, installed=installed).name == "2.14.1+cu126"


def test_other_projects_are_left_alone() -> None:
    decision = decide(V100, VariantRequest("numpy"), LISTED, TABLES)
    assert decision.outcome is Outcome.HANDS_OFF


# ---------------------------------------------------------------- what is listed


def test_a_release_newer_than_the_tables_is_taken_to_be_like_the_last_which_is_said() -> None:
    new = Candidate("torch", "2.16.0", "cu132", "cu132", ("cp312-cp312-manylinux_2_28_x86_64",))
    host = nvidia("620.70.06", ("NVIDIA H100", "9.0"))
    request = VariantRequest("torch", "3.12")
    decision = decide(host, request, [*LISTED, new], TABLES)
    assert decision.name == "2.16.0+cu132"
    assert any("taken to be as in 2.15.0" in said for said in decision.warnings)
    newer = replace(new, label="cu134", index="cu134")
    assert decide(host, request, [*LISTED, newer], TABLES).name == "2.16.0+cu134"
    unknown = replace(new, label="cu140", index="cu140")
    assert decide(host, request, [*LISTED, unknown], TABLES).name == "2.15.0+cu132"


def test_the_default_of_a_release_that_is_newer_than_the_tables_is_the_last_default() -> None:
    new = Candidate("torch", "2.16.0", wheels=("cp312-cp312-manylinux_2_28_x86_64",))
    host = nvidia("620.70.06", ("NVIDIA H100", "9.0"))
    decision = decide(host, VariantRequest("torch", "3.12"), [*LISTED, new], TABLES)
    assert (decision.name, decision.label) == ("2.16.0+cu132", "cu132")


def test_what_was_withdrawn_is_for_those_who_pin_it() -> None:
    listed = [replace(each, yanked=True) if each.version == "2.14.1" else each for each in LISTED]
    request = VariantRequest("torch", "3.12")
    assert decide(V100, request, listed, TABLES).name == "2.14.0+cu126"
    pinned = replace(request, specifier="==2.14.1")
    assert decide(V100, pinned, listed, TABLES).name == "2.14.1+cu126"


def test_a_pre_release_is_for_those_who_ask_for_one() -> None:
    new = Candidate("torch", "2.16.0rc1", "cu126", "cu126")
    request = VariantRequest("torch", "3.12")
    assert decide(V100, request, [*LISTED, new], TABLES).name == "2.14.1+cu126"
    asked = replace(request, specifier=">=2.16.0rc1")
    assert decide(V100, asked, [*LISTED, new], TABLES).name == "2.16.0rc1+cu126"


def test_nothing_listed_leaves_the_default() -> None:
    decision = decide(V100, VariantRequest("torch", "3.12"), [], TABLES)
    assert decision.outcome is Outcome.UPSTREAM
    assert "nothing that is listed" in decision.reason


def test_without_a_build_for_cuda_in_the_listing_a_gpu_host_keeps_the_default() -> None:
    only_cpu = [each for each in LISTED if each.index == "cpu"]
    decision = decide(V100, VariantRequest("torch", "3.12"), only_cpu, TABLES)
    assert decision.outcome is Outcome.UPSTREAM
    assert "no build of torch for this host is listed" in decision.reason


def test_what_no_wheel_is_made_for_is_said() -> None:
    request = VariantRequest("torch", "3.10", specifier="==2.15.0")
    decision = decide(H100, request, LISTED, TABLES)
    assert decision.outcome is Outcome.UPSTREAM
    assert decision.reason.endswith("2.15.0 needs Python >= 3.11")


def test_where_nothing_is_known_of_the_builds_the_default_stays() -> None:
    new = Candidate("torch", "3.0.0", "cu140", "cu140")
    host = nvidia("620.70.06", ("NVIDIA X100", "13.0"))
    request = VariantRequest("torch", "3.12", specifier="==3.0.0")
    old = decide(host, request, [*LISTED, new], TABLES)
    assert "needs driver of CUDA 14" not in old.reason
    assert old.outcome is Outcome.UPSTREAM
    assert "is a build for cu140 of which nothing is known" in old.reason


# ---------------------------------------------------------------- odd hosts


def test_one_unreadable_gpu_beside_a_known_one_is_said_and_does_not_decide() -> None:
    host = nvidia("580.95.05", ("Tesla V100", "7.0"), ("GRID vGPU", None))
    decision = chosen(host)
    assert decision.name == "2.14.1+cu126"
    assert any("GRID vGPU" in said for said in decision.warnings)


def test_a_driver_that_may_not_be_asked_is_still_a_driver() -> None:
    host = Host(driver="550.54.15", situation=Situation.UNREADABLE, libc=(2, 36))
    assert chosen(host).name == "2.14.1+cu126"
    nothing = replace(host, driver=None)
    assert chosen(nothing).outcome is Outcome.UPSTREAM
    assert "`headrace doctor` says why" in chosen(nothing).reason


def test_a_gpu_on_a_login_node_decides_and_the_doubt_is_said() -> None:
    decision = chosen(replace(V100, situation=Situation.LOGIN_NODE))
    assert decision.name == "2.14.1+cu126"
    assert any("jobs may run on other GPUs" in said for said in decision.warnings)


def test_a_card_without_a_driver_is_not_hidden_by_the_processors_own_graphics() -> None:
    uhd = Accelerator("intel", "UHD Graphics 770", integrated=True)
    decision = chosen(Host((uhd,), situation=Situation.DRIVER_MISSING))
    assert decision.outcome is Outcome.UPSTREAM


def test_the_user_mode_driver_counts_before_the_kernels_number() -> None:
    # cuda-compat: a newer libcuda over an older kernel driver.
    host = replace(H100, driver="535.183.01", cuda=(13, 0))
    assert chosen(host).name == "2.15.0+cu130"


def test_amd_on_windows_is_pointed_to_amds_own_index() -> None:
    gpu = Accelerator("amd", "Radeon RX 7900 XTX", architecture="gfx1100")
    decision = chosen(Host((gpu,), platform="win32"))
    assert decision.name == "2.15.0+cpu"
    assert decision.candidate
    assert not decision.candidate.index
    assert any("AMD's own index" in said for said in decision.warnings)


def test_a_first_driver_of_cuda_11_runs_only_its_own_toolkit() -> None:
    decision = chosen(nvidia("450.51.05", ("Tesla V100", "7.0")))
    assert decision.outcome is Outcome.UPSTREAM
    assert "needs driver >= 450.80.02" in decision.reason


def test_projects_with_channels_of_their_own_are_told_the_major() -> None:
    decision = chosen(V100, companions=(("vllm", ""),))
    assert "vllm has to be a build for CUDA 12 too" in decision.warnings


# ---------------------------------------------------------------- the family


@pytest.mark.parametrize(
    ("host", "specifier", "expected"),
    [
        (V100, "", ["2.14.1+cu126", "0.29.1+cu126", "2.11.0+cu126"]),
        (V100, "==2.5.1", ["2.5.1+cu124", "0.20.1", "2.5.1"]),
        # torchaudio stopped at 2.11 and has no cu132: one of the same CUDA major will do.
        (
            nvidia("620.70.06", ("NVIDIA H100", "9.0")),
            "",
            ["2.15.0+cu132", "0.29.2", "2.11.0"],
        ),
        (H100, "", ["2.15.0+cu132", "0.29.2", "2.11.0"]),
        (Host(libc=(2, 36)), "", ["2.15.0+cpu", "0.29.2+cpu", "2.11.0+cpu"]),
    ],
)
def test_the_family_takes_one_build(host: Host, specifier: str, expected: list[str]) -> None:
    decision = chosen(host, specifier, companions=(("torchvision", ""), ("torchaudio", "")))
    assert [decision.name, *(each.name for each in decision.companions)] == expected


def test_a_companions_version_decides_which_torch_goes_with_it() -> None:
    decision = chosen(V100, companions=(("torchvision", "==0.20.1"),))
    assert decision.name == "2.5.1+cu124"
    why = {r.candidate.name: r.reason for r in decision.rejections}
    assert why["2.14.1+cu126"] == "no torchvision==0.20.1 that is listed goes with it"


def test_a_follower_by_itself_gets_the_leads_build() -> None:
    request = VariantRequest("torchvision", "3.12")
    decision = decide(V100, request, LISTED, TABLES)
    assert (decision.project, decision.name) == ("torchvision", "0.29.1+cu126")
    assert decision.reason.startswith(
        "torchvision 0.29.1+cu126: goes with torch 2.14.1+cu126: driver 550.54.15"
    )
    alone = [each for each in LISTED if each.project != "torchvision"]
    missing = decide(V100, request, alone, TABLES)
    assert missing.outcome is Outcome.UPSTREAM
    assert missing.reason.endswith("nothing that is listed goes with torch 2.14.1+cu126")
    old = decide(nvidia("390.10", ("Tesla K80", "3.7")), request, LISTED, TABLES)
    assert (old.outcome, old.project) == (Outcome.UPSTREAM, "torchvision")


def test_metadata_counts_before_the_tables() -> None:
    wheels = ("cp312-cp312-manylinux_2_28_x86_64",)
    new = Candidate("torchvision", "0.31.0", "cu126", "cu126", wheels, requires="==2.15.0")
    decision = decide(V100, VariantRequest("torchvision", "3.12"), [*LISTED, new], TABLES)
    assert decision.name == "0.29.1+cu126"
    fitting = replace(new, requires="==2.14.1")
    decision = decide(V100, VariantRequest("torchvision", "3.12"), [*LISTED, fitting], TABLES)
    assert decision.name == "0.31.0+cu126"


@pytest.mark.parametrize(
    ("specifier", "listed", "expected"),
    [
        ("==2.14.0", [], "2.14.0+cpu"),
        ("==2.14.0.post2", [], "2.14.0+cpu"),
        ("<2.14", [], "2.13.0+cpu"),
        ("", [Candidate("torch-npu", "2.13.0")], "2.13.0+cpu"),
        ("", [Candidate("torch-npu", "2.14.0"), Candidate("torch-npu", "2.8.0")], "2.14.0+cpu"),
    ],
)
def test_an_npus_companion_fixes_the_version(
    specifier: str, listed: list[Candidate], expected: str
) -> None:
    request = VariantRequest("torch", "3.12", companions=(("torch-npu", specifier),))
    decision = decide(Host(libc=(2, 36)), request, [*LISTED, *listed], TABLES)
    assert decision.name == expected


# ---------------------------------------------------------------- overrides


def test_an_override_decides_and_what_the_host_cannot_run_is_said() -> None:
    request = VariantRequest("torch", "3.12")
    forced = decide(V100, request, LISTED, TABLES, VariantOverride(build="cu130"))
    assert forced.name == "2.15.0+cu130"
    assert any("needs driver >= 580; this is driver 550.54.15" in said for said in forced.warnings)
    fitting = decide(V100, request, LISTED, TABLES, VariantOverride(build="cu124"))
    assert fitting.name == "2.6.0+cu124"
    assert fitting.warnings == ()
    assert fitting.reason.startswith("torch 2.6.0+cu124: HEADRACE_CUDA=cu124 says so; driver")
    plain = decide(V100, request, LISTED, TABLES, VariantOverride(build="cpu"))
    assert plain.reason == "torch 2.15.0+cpu: HEADRACE_CUDA=cpu says so"
    off = decide(V100, request, LISTED, TABLES, VariantOverride(build="off"))
    assert off.outcome is Outcome.HANDS_OFF
    nothing = decide(V100, request, LISTED, TABLES, VariantOverride(build="cu92"))
    assert nothing.outcome is Outcome.UPSTREAM
    assert "no build cu92 is listed" in nothing.reason
