"""``headrace explain`` where there are builds for accelerators: described hosts, no gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.errors import LocalError


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
    assert main(["explain", "torch", "--for", "gpu=Voodoo2,driver=1"]) == 1
    assert "no GPU is known as" in capsys.readouterr().err


def test_other_packages_have_no_such_builds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "numpy"]) == 1
    assert "no gateway answers" in capsys.readouterr().err
