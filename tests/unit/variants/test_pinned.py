"""A build that is pinned by its local version, on hosts that would choose otherwise."""

from __future__ import annotations

import pytest

from headrace.variants.builds import Candidate, Outcome
from headrace.variants.choose import decide
from headrace.variants.hosts import Accelerator, Host, VariantRequest
from headrace.variants.pages import serve
from headrace.variants.pinned import index_of, pinned_build, with_pins
from headrace.variants.taken import taken
from headrace.variants.target import NOTHING, VariantOverride
from lib.gpu.variant_listing import TABLES, listing

NAMES = {"V100": (7, 0), "A100": (8, 0), "H100": (9, 0), "RTX 5090": (12, 0)}


def host(driver: str = "", gpu: str = "", machine: str = "x86_64") -> Host:
    gpus = (Accelerator("nvidia", gpu, NAMES[gpu]),) if gpu else ()
    return Host(gpus, driver or None, libc=(2, 36), machine=machine)


OLD, NEW, NONE = host("550.54.15", "A100"), host("580.95.05", "H100"), host()
BLACKWELL = host("580.95.05", "RTX 5090")
ARM = host("580.95.05", "H100", "aarch64")


@pytest.mark.parametrize(
    ("specifier", "build"),
    [
        ("==2.14.1+cu126", "cu126"),
        ("===2.14.1+cpu", "cpu"),
        (">=2,==2.14.1+rocm6.4", "rocm6.4"),
        ("==2.5.1+cpu.cxx11.abi", "cpu.cxx11.abi"),
        ("==2.16.0.dev20261101+cu140", "cu140"),
        ("!=2.14.1+cu126", ""),
        ("==2.14.1", ""),
        ("==2.14.*", ""),
        ("===whatever+cu126+", ""),
        ("==2.14.1+nv26.1", ""),
        ("not a specifier", ""),
        ("", ""),
    ],
)
def test_pin_names_a_build_of_the_known_kinds(specifier: str, build: str) -> None:
    assert pinned_build(specifier) == build


def test_builds_stand_in_the_index_of_their_label() -> None:
    assert index_of("cu126") == "cu126"
    assert index_of("rocm6.4") == "rocm6.4"
    assert index_of("cpu.cxx11.abi") == "cpu-cxx11-abi"


def asked(project: str, specifier: str, *companions: tuple[str, str]) -> VariantRequest:
    return VariantRequest(project, "3.12", "linux_x86_64", specifier, companions, known=True)


def entry_of(request: VariantRequest, here: Host, override: VariantOverride = NOTHING) -> object:
    served = serve(here, request, listing(), TABLES, override)
    return taken(request, served, listing(), here, TABLES, override=override)


@pytest.mark.parametrize("here", [OLD, NEW, NONE], ids=["old", "new", "none"])
@pytest.mark.parametrize("build", ["cu126", "cu130", "xpu"])
def test_what_was_frozen_elsewhere_installs_here_with_its_family(here: Host, build: str) -> None:
    pin = ("torch", f"==2.14.1+{build}")
    got = entry_of(asked(*pin, ("torchvision", "")), here)
    assert got is not None
    assert got[0].candidate.name == f"2.14.1+{build}"  # type: ignore[index]
    # What is asked for with it is of that build, too, and so it is where only a follower is pinned.
    for request in (
        asked("torchvision", "", pin),
        asked("torchvision", "==0.29.1", pin),
        asked("torch", "==2.14.1", ("torchvision", f"==0.29.1+{build}")),
    ):
        got = entry_of(request, here)
        assert got is not None
        assert got[1] == build, request  # type: ignore[index]


@pytest.mark.parametrize(
    ("here", "pin", "why"),
    [
        (OLD, "==2.14.1+cu130", "headrace: torch 2.14.1+cu130 needs driver >= 580"),
        (BLACKWELL, "==2.14.1+cu126", "headrace: torch 2.14.1+cu126 has no kernels for sm_120"),
        (NEW, "==2.14.1+rocm7.2", "headrace: torch 2.14.1+rocm7.2 is a build for AMD's GPUs"),
        (NEW, "==2.14.1+cu126", ""),
        (NEW, "==2.14.1+cpu", ""),
        # A CUDA build runs on a processor, too.
        (NONE, "==2.14.1+cu126", ""),
    ],
)
def test_pin_that_cannot_run_here_is_there_with_the_reason_that_its_installer_shows(
    here: Host, pin: str, why: str
) -> None:
    entry = entry_of(asked("torch", pin), here)[0]  # type: ignore[index]
    assert entry.yanked.startswith(why)
    assert bool(entry.yanked) is bool(why)
    decision = decide(here, asked("torch", pin), listing(), TABLES)
    assert decision.outcome is Outcome.CHOSEN
    assert (why.partition("torch ")[2] in " ".join(decision.warnings)) or not why
    # A reason is for those who pin: who takes a follower along must find what goes with it.
    served = serve(here, asked("torch", "", ("torchvision", "==0.29.1+cu130")), listing(), TABLES)
    shown = [e for e in served.pages["torch"] if e.candidate.name == "2.14.1+cu130"]
    assert [e.yanked for e in shown if e.candidate.index] == [""]


def test_a_pin_comes_before_the_hosts_choice_and_off_before_a_pin() -> None:
    request = asked("torch", "==2.14.1+cu126")
    forced = VariantOverride(build="cpu")
    assert entry_of(request, NEW, forced)[0].candidate.name == "2.14.1+cu126"  # type: ignore[index]
    off = VariantOverride(build="off")
    assert with_pins(request, TABLES, off) == (request, off)
    hashed = VariantRequest("torch", "3.12", specifier="==2.14.1+cu126", explicit="hashes")
    assert entry_of(hashed, NEW)[0].candidate.name == "2.14.1+cu126"  # type: ignore[index]


def test_build_that_nobody_lists_leaves_the_page_and_says_so() -> None:
    for here, pin in ((ARM, "==2.14.1+rocm7.2"), (NEW, "==2.14.1+cu199"), (NEW, "==9.9+cu126")):
        assert entry_of(asked("torch", pin), here) is None
        label = pin.partition("+")[2]
        decision = decide(here, asked("torch", pin), listing(), TABLES)
        assert f"no build {label} is listed that the request admits" in decision.reason


def test_vendors_own_build_is_left_alone() -> None:
    decision = decide(NEW, asked("torch", "==2.14.1+nv26.1"), listing(), TABLES)
    assert decision.outcome is Outcome.HANDS_OFF
    own = [Candidate("torch", "2.14.1", "nv26.1")]
    assert decide(NEW, asked("torch", "==2.14.1+nv26.1"), own, TABLES).candidate is None
