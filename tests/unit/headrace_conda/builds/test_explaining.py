"""What explain tells of a package of conda's, from what conda prints; and without any conda."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from headrace.interface.hookspecs import Explanation
from headrace.variants.hosts import Accelerator, Host
from headrace_conda import plugin
from headrace_conda.builds.explaining import explain
from headrace_conda.tools import bases
from lib.conda.bases import at, stand_in
from lib.conda.gpu_channel import channel

URL = "https://conda.anaconda.org/conda-forge/linux-64"
BARE = Host()
V100 = Accelerator("nvidia", "Tesla V100", (7, 0))
RTX = Accelerator("nvidia", "GeForce RTX 5090", (12, 0))
OLD_GPU = Host((V100,), driver="580.95.05", cuda=(13, 0))


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    bases._seen.cache_clear()


def record(version: str, build: str, *depends: str, **more: Any) -> dict[str, Any]:
    name = more.pop("name", "torch")
    form = more.pop("form", ".conda")
    url = f"{URL}/{name}-{version}-{build}{form}"
    fixed = {"version": version, "build": build, "size": 1_500_000, "url": url, "timestamp": 5}
    return {**fixed, "name": name, "depends": list(depends), **more}


NEW = record("2.9", "cuda129_0", "python", "__cuda >=12.9", size=330_000_000)
OLD = record("2.9", "cuda120_0", "__cuda >=12.0", "python", timestamp=4)
CPU = record("2.9", "cpu_0", "python", timestamp=3)
ALL = [CPU, OLD, NEW]
VERSIONS = [
    record(v, "h_0", name="cuda-version", constrains=[f"__cuda >={v[:2]}"])
    for v in ("12.9", "13.0")
]


def solved(*records: Mapping[str, Any], cached: bool = False) -> dict[str, Any]:
    """Give what a dry run prints."""
    link = [
        {"name": r["name"], "version": r["version"], "build_string": r["build"]} for r in records
    ]
    fetch = [] if cached else list(records)
    return {"success": True, "actions": {"LINK": link, "FETCH": fetch}}


def told(
    tmp_path: Path,
    records: object,
    dry_run: object = None,
    *,
    cuda: str | None = "12.4",
    arch: str | None = None,
    env: dict[str, str] | None = None,
    version: str | None = None,
    host: Host = BARE,
) -> Explanation:
    virtual = [["__linux", "6.1", "0"], *([["__cuda", cuda, "0"]] if cuda else [])]
    virtual += [["__cuda_arch", arch, "0"]] if arch else []
    info = {"virtual_pkgs": virtual, "conda_version": "26.7.1", "solver": {"name": "rattler"}}
    answers = {"info": info, "search": records, "create": dry_run}
    base = stand_in(tmp_path / "base", answers=answers)
    (found,) = explain("torch", version, at(tmp_path, base, env=env), lambda: host, nobody)
    assert found.tool == "conda"
    return found


def nobody(path: str, accept: str) -> bytes | None:
    del path, accept
    return None


def heard(tmp_path: Path) -> list[str]:
    return (tmp_path / "base" / "heard.txt").read_text().splitlines()


# ------------------------------------------------------------------ what conda says


def test_what_conda_takes_comes_first_and_then_all_builds_with_what_they_need(
    tmp_path: Path,
) -> None:
    found = told(tmp_path, {"torch": ALL}, solved(OLD))
    assert found.lines == (
        "torch 2.9 cuda120_0, 1.5 MB",
        "conda 26.7.1 says so, by a dry run with its rattler solver",
        "__cuda is 12.4: the newest CUDA that the driver of this host runs",
        "2.9 cuda129_0, 330.0 MB; needs __cuda >=12.9, and it is 12.4: out",
        "2.9 cuda120_0, 1.5 MB; needs __cuda >=12.0",
        "2.9 cpu_0, 1.5 MB",
    )
    assert [build["fits"] for build in found.table["builds"]] == [False, True, True]  # type: ignore[attr-defined]
    assert found.table["choice"] == "torch 2.9 cuda120_0"


@pytest.mark.parametrize("cached", [False, True])
def test_the_gateway_is_asked_for_the_build_that_conda_takes(
    tmp_path: Path, *, cached: bool
) -> None:
    found = told(tmp_path, {"torch": ALL}, solved(CPU, cached=cached))
    assert found.paths == ("/conda/conda.anaconda.org/conda-forge/linux-64/torch-2.9-cpu_0.conda",)


def test_conda_is_right_where_the_records_seem_to_say_otherwise(tmp_path: Path) -> None:
    assert told(tmp_path, {"torch": ALL}, solved(CPU)).table["choice"] == "torch 2.9 cpu_0"


def test_nothing_is_made_and_conda_has_its_channels_plugins_and_solver(tmp_path: Path) -> None:
    told(tmp_path, {"torch": ALL}, solved(OLD), version="2.9")
    nowhere = tmp_path / "home" / ".conda" / "headrace-explains-and-makes-nothing"
    assert heard(tmp_path) == [
        "info --json",
        f"create --dry-run --json -p {nowhere} -- torch==2.9",
        "search --json -- torch==2.9",
    ]
    assert not nowhere.exists()


@pytest.mark.parametrize(
    ("version", "spec"),
    [
        ("2.9", "torch==2.9"),
        ("=2.9", "torch=2.9"),
        (">=2.9,<3", "torch>=2.9,<3"),
        ("=*=cuda*", "torch=*=cuda*"),
        ("[build=cuda*]", "torch[build=cuda*]"),
    ],
)
def test_conda_hears_the_condition_as_it_was_written(
    tmp_path: Path, version: str, spec: str
) -> None:
    told(tmp_path, {"torch": ALL}, solved(OLD), version=version)
    assert heard(tmp_path)[1].endswith(f" -- {spec}")


def test_an_option_is_no_package(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "base", answers={})
    (found,) = explain("--file=x", None, at(tmp_path, base), lambda: BARE, nobody)
    assert found.lines == ("--file=x names no package of conda's",)
    assert found.table["file"] is None
    assert not (tmp_path / "base" / "heard.txt").exists()


def test_what_conda_says_against_it_is_told_in_its_words(tmp_path: Path) -> None:
    message = "Packages missing:\n\n  - torch==9\n\nCurrent channels:\n\n  - https://x\n"
    answer = {"message": message, "exception_name": "PackagesNotFoundInChannelsError"}
    found = told(tmp_path, {}, answer, version="9")
    assert found.lines[0] == "conda takes no torch==9 here: Packages missing: - torch==9"
    assert found.table["file"] is None


def test_the_reason_is_read_from_the_records_where_it_can_and_the_solvers_follows(
    tmp_path: Path,
) -> None:
    answer = {"message": "a\n├─ b\n│  └─ c", "exception_name": "RattlerUnsatisfiableError"}
    found = told(tmp_path, {"torch": [NEW]}, answer)
    assert found.lines[:2] == (
        "conda takes no torch here: 2.9 cuda129_0 needs __cuda >=12.9, and it is 12.4",
        "a b c",
    )


def test_a_channel_that_cannot_be_read_is_no_solvers_word(tmp_path: Path) -> None:
    answer = {"message": "HTTP 000 CONNECTION FAILED", "exception_name": "CondaHTTPError"}
    found = told(tmp_path, {"torch": ALL}, answer)
    assert found.lines[:2] == (
        "torch 2.9 cuda120_0, 1.5 MB",
        "read without a solver: conda's dry run failed: HTTP 000 CONNECTION FAILED",
    )


@pytest.mark.parametrize("answer", [None, [], {}, {"success": True}, {"success": 1, "actions": 5}])
def test_where_the_dry_run_gives_no_answer_the_records_are_read_and_that_is_said(
    tmp_path: Path, answer: object
) -> None:
    found = told(tmp_path, {"torch": ALL}, answer)
    assert found.lines[:2] == (
        "torch 2.9 cuda120_0, 1.5 MB",
        "read without a solver: conda's dry run gave no answer",
    )


@pytest.mark.parametrize(
    "answer", [{"error": "PackagesNotFoundError"}, {}, [], None, {"torch": None}, {"torch": [1]}]
)
def test_a_package_that_conda_does_not_know_is_said(tmp_path: Path, answer: object) -> None:
    found = told(tmp_path, answer, version="9")
    assert found.lines[0] == "conda names no torch==9: neither by a dry run nor by a search"
    assert found.table["file"] is None


def test_records_with_holes_break_nothing(tmp_path: Path) -> None:
    holes = [{"version": "1"}, {"build": "x", "depends": None, "constrains": 5, "size": -1}]
    assert told(tmp_path, {"torch": holes}).paths == ()


def test_a_build_in_two_formats_is_told_once_as_conda_takes_it(tmp_path: Path) -> None:
    both = [record("1", "0", form=".tar.bz2"), record("1", "0"), record("1", "0", form=".tar.bz2")]
    found = told(tmp_path, {"torch": both})
    assert len(found.table["builds"]) == 1  # type: ignore[arg-type]
    assert found.paths[0].endswith(".conda")


def test_only_the_newest_are_told_and_the_one_that_is_taken(tmp_path: Path) -> None:
    records = [record(f"1.{n}", "0") for n in (2, 10, 9, 1, 3, 4, 5, 6)]
    found = told(tmp_path, {"torch": records}, solved(records[3]))
    shown = [build["version"] for build in found.table["builds"]]  # type: ignore[attr-defined]
    assert shown == ["1.10", "1.9", "1.6", "1.5", "1.4", "1.3", "1.1"]


# ------------------------------------------------------------------ the GPU


def test_a_cpu_build_on_a_host_with_a_gpu_is_told_first_and_why(tmp_path: Path) -> None:
    found = told(tmp_path, {"torch": [CPU, NEW]}, solved(CPU), host=OLD_GPU)
    assert found.lines[0] == (
        "torch 2.9 cpu_0 is a CPU build, and there is a GPU: "
        "2.9 cuda129_0 needs __cuda >=12.9, and it is 12.4"
    )
    assert found.table["cpu_on_gpu"] is True


def test_a_driver_that_a_package_below_asks_for_is_the_reason(tmp_path: Path) -> None:
    gpu = record("2.9", "cuda129_1", "__cuda", "cuda-version >=12.9,<13")
    records = {"torch": [CPU, gpu], "cuda-version": VERSIONS}
    found = told(tmp_path, records, solved(CPU), cuda="11.8", host=OLD_GPU)
    assert found.lines[0].endswith(
        "2.9 cuda129_1 needs cuda-version >=12.9,<13, "
        "and cuda-version 12.9 needs __cuda >=12, and it is 11.8"
    )


def test_without_cuda_that_is_the_reason_on_a_host_with_a_gpu(tmp_path: Path) -> None:
    found = told(tmp_path, {"torch": ALL}, solved(CPU), cuda=None, host=OLD_GPU)
    assert found.lines[0].endswith("2.9 cuda120_0 needs __cuda >=12.0, and there is none")


@pytest.mark.parametrize(
    ("records", "host"), [([CPU], OLD_GPU), (ALL, BARE), (ALL, Host((Accelerator("amd", "x"),)))]
)
def test_nobody_is_told_of_a_cpu_build_who_could_have_no_other(
    tmp_path: Path, records: list[Any], host: Host
) -> None:
    found = told(tmp_path, {"torch": records}, solved(CPU), cuda=None, host=host)
    assert found.lines[0] == "torch 2.9 cpu_0, 1.5 MB"
    assert found.table["cpu_on_gpu"] is False


def test_an_old_gpu_behind_a_new_driver_gets_the_condition_that_helps_after_conda_was_asked(
    tmp_path: Path,
) -> None:
    gpu = record("2.9", "cuda130_0", "__cuda", "cuda-version >=13.0,<14")
    dry_run = solved(gpu, VERSIONS[1])
    found = told(tmp_path, {"torch": [gpu]}, dry_run, cuda="13.0", host=OLD_GPU)
    assert found.lines[2] == (
        "CUDA 13.0 makes no code for Tesla V100 (7.0), which the solver cannot know; "
        "`conda install torch cuda-version=12` brings 2.9 cuda130_0"
    )
    assert found.table["hint"] == "cuda-version=12"
    assert [line for line in heard(tmp_path) if line.endswith("-- torch cuda-version=12")]


@pytest.mark.parametrize(
    ("host", "version"),
    [(OLD_GPU, VERSIONS[0]), (Host((RTX,), driver="580", cuda=(13, 0)), VERSIONS[1])],
)
def test_a_gpu_that_the_cuda_makes_code_for_gets_no_hint(
    tmp_path: Path, host: Host, version: dict[str, Any]
) -> None:
    found = told(tmp_path, {"torch": [NEW]}, solved(NEW, version), cuda="13.0", host=host)
    assert found.table["hint"] is None


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
    env = {"CONDA_OVERRIDE_CUDA": value}
    # As detection has it, which obeys the variable too.
    host = Host(cuda=(12, 4) if value else None, method="override", target=True)
    found = told(tmp_path, {"torch": ALL}, solved(OLD), cuda=cuda, env=env, host=host)
    assert words in found.lines[2]


def test_without_a_driver_the_way_out_is_named(tmp_path: Path) -> None:
    found = told(tmp_path, {"torch": ALL}, solved(CPU), cuda=None)
    assert "CONDA_OVERRIDE_CUDA=12.4" in found.lines[2]


def test_who_wants_builds_by_their_capability_is_told_how_conda_learns_it(tmp_path: Path) -> None:
    kernels = record("1", "sm90", "__cuda_arch >=9.0")
    host = Host((RTX,), driver="580", cuda=(13, 0))
    answer = {"message": "no", "exception_name": "RattlerUnsatisfiableError"}
    found = told(tmp_path, {"torch": [kernels]}, answer, cuda="13.0", host=host)
    assert found.lines[0].endswith("1 sm90 needs __cuda_arch >=9.0, and there is none")
    assert "`conda config --set plugins.headrace_cuda_arch true`" in found.lines[3]


def test_the_capability_is_told_to_whom_it_is_known(tmp_path: Path) -> None:
    both = Host((RTX, V100), driver="580", cuda=(13, 0))
    found = told(tmp_path, {"torch": ALL}, solved(NEW), cuda="13.0", host=both)
    assert found.lines[3] == "__cuda_arch is 7.0 for pixi and rattler, and this conda has none"
    (tmp_path / "more").mkdir()
    bases._seen.cache_clear()
    known = told(tmp_path / "more", {"torch": ALL}, solved(NEW), cuda="13.0", arch="7.0", host=both)
    assert known.lines[3] == "__cuda_arch is 7.0: the lowest capability of all GPUs"


# ------------------------------------------------------------------ another host


def test_a_described_host_is_told_to_conda_by_its_own_variables(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "base", answers={"create": solved(OLD), "search": {"torch": ALL}})
    main = next((base / "lib").glob("python3*/site-packages/conda/__main__.py"))
    shown = tmp_path / "environment"
    main.write_text(
        f"import os\nopen({str(shown)!r}, 'w').write(repr({{n: os.environ[n] for n in os.environ "
        f"if n.startswith('CONDA_')}}))\n{main.read_text()}"
    )
    host = Host(
        (V100,),
        driver="550",
        cuda=(12, 4),
        libc=(2, 28),
        machine="aarch64",
        python="3.12",
        method="described",
    )
    explain("torch", None, at(tmp_path, base), lambda: host, nobody)
    assert eval(shown.read_text()) == {
        "CONDA_OVERRIDE_CUDA": "12.4",
        "CONDA_OVERRIDE_CUDA_ARCH": "7.0",
        "CONDA_OVERRIDE_GLIBC": "2.28",
        "CONDA_SUBDIR": "linux-aarch64",
    }
    assert heard(tmp_path)[1].endswith("-- torch python=3.12")


# ------------------------------------------------------------------ without conda


def shards() -> Callable[[str, str], bytes | None]:
    documents = channel().documents()
    above = "/conda/conda.anaconda.org/conda-forge/"
    return lambda path, accept: documents.get(path.removeprefix(above))


def test_without_conda_the_records_are_read_and_that_is_said(tmp_path: Path) -> None:
    host = Host((V100,), driver="470", cuda=(11, 8), libc=(2, 36))
    (found,) = explain("pytorch", None, at(tmp_path), lambda: host, shards())
    assert found.lines[0] == (
        "pytorch 2.13.0 cpu_mkl_h2_100 is a CPU build, and there is a GPU: "
        "2.13.0 cuda129_mkl_h3_300 needs cuda-version >=12.9,<13, "
        "and cuda-version 12.9 needs __cuda >=12, and it is 11.8"
    )
    assert found.lines[1] == (
        "read without a solver from conda-forge's records: there is no conda here to ask"
    )
    folder = "/conda/conda.anaconda.org/conda-forge/linux-64/"
    assert found.paths == (f"{folder}pytorch-2.13.0-cpu_mkl_h2_100.conda",)


def test_without_conda_an_old_gpu_gets_its_hint_too(tmp_path: Path) -> None:
    host = Host((V100,), driver="580", cuda=(13, 0), libc=(2, 36))
    (found,) = explain("pytorch", None, at(tmp_path), lambda: host, shards())
    assert found.table["choice"] == "pytorch 2.13.0 cuda130_mkl_h4_300"
    assert found.lines[2].endswith("ask for `pytorch cuda-version=12`")


def test_without_conda_and_without_records_that_is_told_and_not_an_unknown_name(
    tmp_path: Path,
) -> None:
    junk: Callable[[str, str], bytes | None] = lambda *_: b"junk"  # noqa: E731
    for ask in (nobody, junk):
        (found,) = explain("torch", None, at(tmp_path), lambda: BARE, ask)
        assert "no conda here to ask, and conda-forge's records cannot be had" in found.lines[0]
        assert found.table == {"file": None}
    assert explain("unheard-of", None, at(tmp_path), lambda: BARE, shards()) == []


def test_other_ecosystems_and_paths_are_left_to_others(tmp_path: Path) -> None:
    where = at(tmp_path)
    for what, ecosystem in (("torch", "python"), ("torch", None), ("/conda/x", "conda")):
        found = plugin.headrace_explanations(what, None, ecosystem, where, lambda: BARE, nobody)
        assert found == []
