"""What explain tells of conda's own view, from what conda prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.interface.hookspecs import Explanation
from headrace_conda import plugin
from headrace_conda.channels import explaining
from headrace_conda.channels.explaining import explain
from headrace_conda.tools import bases
from lib.conda.bases import at, stand_in

URL = "https://conda.anaconda.org/conda-forge/linux-64"


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    bases._seen.cache_clear()


def record(version: str, build: str, *depends: str, **more: Any) -> dict[str, Any]:
    name = more.pop("name", "torch")
    form = more.pop("form", ".conda")
    url = f"{URL}/{name}-{version}-{build}{form}"
    fixed = {"version": version, "build": build, "size": 1_500_000, "url": url, "timestamp": 5}
    return {**fixed, "depends": list(depends), **more}


NEW = record("2.9", "cuda129_0", "python", "__cuda >=12.9", size=330_000_000)
OLD = record("2.9", "cuda120_0", "__cuda >=12.0", "python", timestamp=4)
CPU = record("2.9", "cpu_0", "python", timestamp=3)
ALL = [CPU, OLD, NEW]


def told(
    tmp_path: Path,
    records: object,
    *,
    cuda: str | None = "12.4",
    env: dict[str, str] | None = None,
    version: str | None = None,
) -> Explanation:
    virtual = [["__linux", "6.1", "0"], *([["__cuda", cuda, "0"]] if cuda else [])]
    answers = {"info": {"virtual_pkgs": virtual}, "search": records}
    base = stand_in(tmp_path / "base", answers=answers)
    (found,) = explain("torch", version, at(tmp_path, base, env=env))
    assert found.tool == "conda"
    return found


def test_builds_come_newest_first_with_size_need_and_verdict(tmp_path: Path) -> None:
    found = told(tmp_path, {"torch": ALL})
    assert found.lines == (
        "__cuda is 12.4: the newest CUDA that the driver of this host runs",
        "2.9 cuda129_0, 330.0 MB; needs __cuda >=12.9: out",
        "2.9 cuda120_0, 1.5 MB; needs __cuda >=12.0",
        "2.9 cpu_0, 1.5 MB",
    )
    assert [build["fits"] for build in found.table["builds"]] == [False, True, True]  # type: ignore[attr-defined]


def test_the_gateway_is_asked_for_the_newest_build_that_fits(tmp_path: Path) -> None:
    assert told(tmp_path, {"torch": ALL}).paths == (
        "/conda/conda.anaconda.org/conda-forge/linux-64/torch-2.9-cuda120_0.conda",
    )


def test_without_a_driver_cpu_builds_are_left_and_the_way_out_is_named(tmp_path: Path) -> None:
    found = told(tmp_path, {"torch": ALL}, cuda=None)
    assert "CONDA_OVERRIDE_CUDA=12.4" in found.lines[0]
    assert [line.endswith(": out") for line in found.lines[1:]] == [True, True, False]


def test_where_no_build_fits_that_is_said(tmp_path: Path) -> None:
    found = told(tmp_path, {"torch": [NEW]})
    assert "none of these can be solved for here" in found.lines[-1]
    assert found.paths == ()


@pytest.mark.parametrize(
    ("value", "cuda", "words"),
    [
        ("12.4", "12.4", "because CONDA_OVERRIDE_CUDA says so"),
        ("", None, "CONDA_OVERRIDE_CUDA is set to nothing"),
    ],
)
def test_an_override_is_the_reason_where_there_is_one(
    tmp_path: Path, value: str, cuda: str | None, words: str
) -> None:
    found = told(tmp_path, {"torch": ALL}, cuda=cuda, env={"CONDA_OVERRIDE_CUDA": value})
    assert words in found.lines[0]


def test_a_build_in_two_formats_is_told_once_as_conda_takes_it(tmp_path: Path) -> None:
    both = [record("1", "0", form=".tar.bz2"), record("1", "0"), record("1", "0", form=".tar.bz2")]
    found = told(tmp_path, {"torch": both})
    assert len(found.lines) == 2
    assert found.paths[0].endswith(".conda")


def test_versions_are_ordered_as_versions_and_only_a_few_are_told(tmp_path: Path) -> None:
    records = [record(f"1.{n}", "0") for n in (2, 10, 9, 1, 3, 4, 5, 6)]
    found = told(tmp_path, {"torch": records})
    assert [line.split()[0] for line in found.lines[1:4]] == ["1.10", "1.9", "1.6"]
    assert len(found.lines) == 7


def test_versions_that_are_no_versions_are_ordered_by_their_age(tmp_path: Path) -> None:
    records = [record("2024_x", "0", timestamp=1), record("2025_x", "0", timestamp=2)]
    found = told(tmp_path, {"torch": records})
    assert [line.split()[0] for line in found.lines[1:]] == ["2025_x", "2024_x"]


@pytest.mark.parametrize(
    "answer", [{"error": "PackagesNotFoundError"}, {}, [], None, {"torch": None}, {"torch": [1]}]
)
def test_a_package_that_conda_does_not_know_is_said(tmp_path: Path, answer: object) -> None:
    found = told(tmp_path, answer, version="9")
    assert found.lines[1:] == ("conda knows no torch=9 in its channels",)


def test_records_with_holes_break_nothing(tmp_path: Path) -> None:
    found = told(tmp_path, {"torch": [{"version": "1"}, {"build": "x", "depends": None}]})
    assert len(found.lines) == 3
    assert found.paths == ()


def test_conda_is_asked_for_the_version_and_lives_with_any_answer(tmp_path: Path) -> None:
    told(tmp_path, {"torch": ALL}, version="2.9")
    heard = (tmp_path / "base" / "heard.txt").read_text().splitlines()
    assert heard == ["info --json", "search --json torch=2.9"]


def test_without_conda_and_for_other_ecosystems_nothing_is_told(tmp_path: Path) -> None:
    where = at(tmp_path)
    assert explain("torch", None, where) == []
    assert plugin.headrace_explanations("torch", None, "python", where) == []
    assert plugin.headrace_explanations("torch", None, None, where) == []
    assert plugin.headrace_explanations("/conda/x", None, "conda", where) == []


@pytest.mark.parametrize(
    ("needs", "fits"),
    [
        ("", True),
        (">=12", True),
        (">=12.0,<13", True),
        (">=12.9", False),
        (">=12.9|<12.5", True),
        (">=12.9,<13|>=11,<12", False),
        ("12.*", True),
        ("=12", True),
        ("==12.4", True),
        ("12", True),
        ("11.8.*", False),
        ("!=12.4", False),
        (">=12.0 cuda*", True),
        ("what is this", True),
    ],
)
def test_conditions_are_read_as_conda_writes_them(needs: str, *, fits: bool) -> None:
    assert explaining._satisfies("12.4", needs) is fits
