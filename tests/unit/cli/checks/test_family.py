"""What the doctor makes of a family as it is installed, and of the GPU and driver beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from headrace.cli.checks.family import judged
from headrace.cli.checks.installed import Installed, InstalledFamily
from headrace.interface.hookspecs import Finding
from headrace.variants.compatibility.labels import kind_of, same_stack
from headrace.variants.hosts import Accelerator, Host
from lib.gpu.variant_listing import TABLES

A100 = Host((Accelerator("nvidia", "NVIDIA A100", (8, 0)),), "550.54.15", libc=(2, 36))
V100 = Host((Accelerator("nvidia", "Tesla V100", (7, 0)),), "580.95.05", libc=(2, 36))
H100 = Host((Accelerator("nvidia", "NVIDIA H100", (9, 0)),), "580.95.05", libc=(2, 36))
PREFIX = Path("/venv")


def findings(host: Host, lead: Installed | None, *others: Installed) -> list[Finding]:
    return list(judged(InstalledFamily(PREFIX, "3.12", lead, others), host, TABLES))


def of(project: str, name: str, recorded: str = "", **more: object) -> Installed:
    version, _, label = name.partition("+")
    return Installed(project, version, label, recorded=recorded or name, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "host", "level", "said"),
    [
        ("2.14.1+cu126", A100, "ok", "runs on what is here"),
        ("2.15.0+cu132", A100, "warning", "needs driver >= 580"),
        ("2.15.0+cu132", V100, "warning", "sm_70"),
        ("2.15.0+cpu", A100, "warning", "it is a build for processors alone"),
        ("2.15.0+cpu", Host(), "note", "no accelerator"),
        # A record without a label is the default index's.
        ("2.15.0", A100, "warning", "needs driver >= 580"),
        ("2.15.0", H100, "ok", "torch 2.15.0+cu132 in /venv runs"),
    ],
)
def test_lead_is_compared_with_the_driver_and_the_gpus(
    build: str, host: Host, level: str, said: str
) -> None:
    (finding,) = findings(host, of("torch", build))
    assert (finding.check, finding.level) == ("torch", level), finding
    assert said in finding.text, finding
    if level == "warning":
        assert finding.hint.endswith(
            "install in one command, through headrace: torch==2.14.1+cu126"
        )


VISION_CU126 = of("torchvision", "0.29.1+cu126", "0.29.1")
VISION_CU132 = of("torchvision", "0.30.0+cu132", "0.30.0")


@pytest.mark.parametrize(
    ("lead", "others", "said"),
    [
        ("2.14.1+cu126", [VISION_CU126], ""),
        ("2.15.0+cu132", [VISION_CU132], ""),
        # One CUDA major is one stack.
        ("2.14.1+cu130", [of("torchvision", "0.29.1+cu132")], ""),
        (
            "2.14.1+cu126",
            [of("torchvision", "0.29.1+cu130", "0.29.1")],
            "torchvision 0.29.1+cu130 is built for CUDA 13, torch 2.14.1+cu126 for CUDA 12",
        ),
        (
            "2.14.1+cu126",
            [of("torchvision", "0.29.1+cpu"), of("torchaudio", "2.14.1+cu126")],
            "torchvision 0.29.1+cpu is built for processors alone, torch 2.14.1+cu126 for CUDA 12",
        ),
        (
            "2.15.0+cpu",
            [VISION_CU132],
            "torchvision 0.30.0+cu132 is built for CUDA 13, torch 2.15.0+cpu for processors alone",
        ),
        # Of one stack, and made for another release.
        (
            "2.15.0+cu132",
            [of("torchvision", "0.28.0+cu130", requires="==2.13.0")],
            "torchvision 0.28.0+cu130 was made for torch==2.13.0, not for torch 2.15.0+cu132",
        ),
        ("2.15.0+cu132", [of("torchvision", "0.28.0+cu130")], "was made for another torch"),
        # What has no code for any machine goes with all of them.
        ("2.14.1+cu126", [of("torchtune", "0.6.1", plain=True, requires=">=2.4")], ""),
        # Projects with channels of their own: one CUDA major is enough, and what bears no label
        # brings what it needs.
        ("2.14.1+cu126", [of("flash-attn", "2.8.3+cu12torch2.14cxx11abitrue")], ""),
        ("2.14.1+cu126", [of("bitsandbytes", "0.49.0")], ""),
        (
            "2.15.0+cu132",
            [of("flash-attn", "2.8.3+cu12torch2.14cxx11abitrue")],
            "is built for CUDA 12, torch 2.15.0+cu132 for CUDA 13",
        ),
        ("2.15.0+cu132", [of("vllm", "0.20.0", requires="==2.14.1")], "made for torch==2.14.1"),
        # A vendor's own build is the vendor's to judge.
        ("2.15.0+nv26.01", [VISION_CU126], ""),
        ("2.8.0+cu128", [of("vllm", "0.10.0", requires="==2.8.0+cu128")], ""),
    ],
)
def test_others_are_of_the_leads_stack_and_release(
    lead: str, others: list[Installed], said: str
) -> None:
    found = [each for each in findings(Host(), of("torch", lead), *others) if each.check != "torch"]
    assert [each.level for each in found] == ["warning" if said else "ok"], found
    assert said in found[0].text
    assert found[0].hint or not said


@pytest.mark.parametrize("host", [A100, H100, Host()], ids=["A100", "H100", "none"])
def test_one_command_mends_the_whole_family(host: Host) -> None:
    """What is to be installed is of one stack, is not met by what is there, and is nothing else."""
    pairs = [("2.15.0", "0.29.1+cu126"), ("2.15.0+cu126", "0.30.0"), ("2.14.1+cu126", "0.29.1+cpu")]
    for lead, vision in (*pairs, ("2.15.0+cpu", "0.30.0+cu130")):
        there = of("torch", lead), of("torchvision", vision)
        found = [each for each in findings(host, *there) if each.level == "warning"]
        hints = [each.hint for each in found if "install in one command" in each.hint]
        assert len(hints) == bool(found), (lead, vision, found)
        for hint in hints:
            wanted = [Requirement(each) for each in re.findall(r"torch\S*==\S+", hint)]
            assert [each.name for each in wanted] == ["torch", "torchvision"], hint
            pins = [next(iter(each.specifier)).version for each in wanted]
            labels = [pin.partition("+")[2] or "cu132" for pin in pins]
            assert same_stack(*labels), hint
            for requirement, now in zip(wanted, there, strict=True):
                pin = next(iter(requirement.specifier)).version
                if Version(pin) != Version(now.recorded):
                    assert not requirement.specifier.contains(now.recorded), (hint, now)
            if host.accelerators:
                assert kind_of(labels[0]).value == "cuda"


def test_followers_without_their_lead_are_told() -> None:
    (finding,) = findings(A100, None, VISION_CU126)
    assert (finding.check, finding.level) == ("family", "note")
    assert finding.text == "torchvision 0.29.1+cu126 in /venv, and no torch"
    assert "torch==2.14.1+cu126 torchvision==0.29.1+cu126" in finding.hint
