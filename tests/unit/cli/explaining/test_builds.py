"""``headrace explain`` where there are builds for accelerators: described hosts, no gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.cli.context import Context
from headrace.cli.explaining import builds
from headrace.errors import LocalError, UsageError
from headrace.interface.manager import Plugins
from headrace.variants.hosts import Host, Variant, VariantRequest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HEADRACE_CUDA", "HEADRACE_TARGET", "UV_TORCH_BACKEND", "SUDO_UID"):
        monkeypatch.delenv(name, raising=False)

    def fail(*_: object) -> None:
        raise LocalError("no-origin", "none can be started")

    monkeypatch.setattr("headrace.cli.run.private_gateway", fail)


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["explain", *words]) == code
    return capsys.readouterr().out


def test_the_build_for_a_described_host_is_told_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = told(capsys, "torch", "--for", "driver=550.54.15,gpu=V100,python=3.12")
    first, *rest = said.splitlines()
    assert first == (
        "builds   torch 2.14.1+cu126: driver 550.54.15 = CUDA 12.4; 2.15 needs driver >= 580; "
        "covers sm_70 (Tesla V100)"
    )
    assert any("out: 2.15.0+cu132: needs driver >= 580" in line for line in rest), said
    assert rest[-1].strip().startswith("what is listed is told by headrace's tables")


def test_programs_get_the_same_as_values(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "--json", "torch", "--for", "driver=580.95.05,gpu=H100,python=3.12")
    table = json.loads(said)["tools"]["builds"]
    assert (table["outcome"], table["choice"], table["index"]) == (
        "chosen",
        "2.15.0+cu132",
        "",
    )
    assert table["host"]["accelerators"][0]["capability"] == [9, 0]
    assert ["nvidia", "sm_arch", "90_real"] in table["host"]["properties"]


def test_a_version_that_cannot_run_is_not_talked_away(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "torch==2.15.0", "--for", "driver=535,gpu=A100,python=3.12")
    assert "stays as the default index has it: 2.15.0 needs driver >= 580" in said
    assert "ask for torch<2.15 (2.14.1+cu126)" in said


def test_what_the_environment_decides_counts_for_this_host_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_CUDA", "cpu")
    assert "HEADRACE_CUDA=cpu says so" in told(capsys, "torch")
    assert "+cu126" in told(capsys, "torch", "--for", "driver=550,gpu=A100,python=3.12")


def test_a_description_that_says_nothing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "torch", "--for", "gpu=Voodoo2,driver=1"]) == 2
    assert "no GPU is known as" in capsys.readouterr().err


def test_other_packages_have_no_such_builds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "numpy"]) == 1
    assert "no gateway answers" in capsys.readouterr().err


def test_what_is_told_is_what_the_page_gives_not_what_would_be_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ("--json", "torch===2.14.1", "--for", "driver=550,gpu=A100,python=3.12")
    table = json.loads(told(capsys, *asked))["tools"]["builds"]
    assert (table["choice"], table["index"]) == ("2.14.1+cu130", "")
    # Where the default index's own does, the page stays as it is.
    said = told(capsys, "torch==2.12.1", "--for", "gpu=none,python=3.12")
    assert "there is no accelerator here" in said.splitlines()[0]


def test_third_partys_choice_counts_here_as_on_the_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[VariantRequest] = []

    def choose(_: Plugins, request: VariantRequest, accelerators: object) -> Variant:
        asked.append(request)
        assert accelerators
        return Variant("cpu", "the Acme One")

    monkeypatch.setattr(Plugins, "choose_variant", choose)
    said = told(capsys, "torch", "--for", "driver=550,gpu=A100,python=3.12")
    assert said.splitlines()[0].startswith("builds   torch 2.15.0+cpu: ")
    assert "the Acme One=cpu says so" in said
    assert [(each.project, each.platform) for each in asked] == [("torch", "linux_x86_64")]
    # What the user decides comes first.
    monkeypatch.setenv("HEADRACE_CUDA", "cu126")
    assert "+cu126" in told(capsys, "torch").splitlines()[0]
    assert len(asked) == 1


def test_images_are_judged_by_the_driver_and_not_by_a_newer_library_of_this_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = Context({})
    for reported, counts in (((13, 0), (12, 2)), (None, (12, 2)), ((12, 2), (12, 2))):
        host = Host(driver="535.183.01", cuda=reported)
        monkeypatch.setattr(builds, "found", lambda _, host=host: host)
        assert builds.host_for(context, None).cuda == counts


def test_what_for_leaves_out_and_this_host_does_not_tell_is_the_command_lines_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(builds, "found", lambda _: Host())
    with pytest.raises(UsageError, match="which driver") as caught:
        builds.host_for(Context({}), "gpu=A100")
    assert "driver=550" in (caught.value.hint or "")
    monkeypatch.setattr(builds, "found", lambda _: Host(driver="550.54.15", cuda=(12, 4)))
    assert builds.host_for(Context({}), "gpu=A100").driver == "550.54.15"
