"""What is read without a solver, held against a solver: py-rattler's, which conda and pixi use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import rattler
from rattler.exceptions import SolverError

from headrace.interface.hookspecs import AskGateway
from headrace.variants.hosts import Accelerator, Host
from headrace_conda.builds.listing import Shards
from headrace_conda.builds.machines import arch_of, machine_of, subdir, variables
from headrace_conda.builds.reading import RecordReader, SeenMachine
from headrace_conda.builds.records import PackageBuild, builds_in, newest_first
from headrace_conda.builds.versions import condition
from lib.conda.gpu_channel import CASES, Case, channel
from lib.places import place

ABOVE = "/conda/conda.anaconda.org/conda-forge/"
V100 = Accelerator("nvidia", "Tesla V100", (7, 0))
RTX = Accelerator("nvidia", "GeForce RTX 5090", (12, 0))


def listed(name: str) -> list[PackageBuild]:
    return Shards(gateway(channel().documents()), "linux-64").of(name)


def gateway(documents: Mapping[str, bytes]) -> AskGateway:
    return lambda path, accept: documents.get(path.removeprefix(ABOVE))


def taken(case: Case) -> str:
    """Give version and build as we read them."""
    wanted = condition(case.spec)
    assert wanted is not None
    seen = {"__unix": "0", "__linux": "6.1", "__glibc": case.glibc}
    seen |= {"__cuda": case.cuda} if case.cuda else {}
    seen |= {"__cuda_arch": case.arch} if case.arch else {}
    machine = SeenMachine({name: (version, "0") for name, version in seen.items()})
    builds = [each for each in listed(wanted.name) if wanted.met_by(each.version, each.build)]
    for verdict in RecordReader(machine, listed).verdicts(builds):
        if not verdict.obstacle:
            return f"{verdict.build.version} {verdict.build.build}"
    return ""


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("channels") / "conda-forge"
    for path, data in channel().documents().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def solved(case: Case, root: Path) -> str:
    """Give version and build as a solver has them; empty: it finds no way."""
    wanted = condition(case.spec)
    assert wanted is not None
    versions = {"__unix": "0", "__linux": "6.1", "__glibc": case.glibc}
    versions |= {"__cuda": case.cuda, "__cuda_arch": case.arch}
    text: Any = getattr(rattler, "BuildString", str)  # a class of its own since 0.27
    machine = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), text("0")
        )
        for name, version in versions.items()
        if version
    ]
    spec = f"{wanted.name} {wanted.version or '*'} {wanted.build or '*'}"
    at = [rattler.Channel(root.as_uri())]
    try:
        records = asyncio.run(
            rattler.solve(at, [spec], platforms=["linux-64", "noarch"], virtual_packages=machine)
        )
    except SolverError:
        return ""
    return next(f"{r.version} {r.build}" for r in records if r.name.normalized == wanted.name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_read_is_what_a_solver_takes(case: Case, mounted: Path) -> None:
    assert taken(case) == solved(case, mounted) == case.build


# ------------------------------------------------------------------ records


def build(version: str = "1", name: str = "0", **more: Any) -> PackageBuild:
    (made,) = builds_in("x", [{"version": version, "build": name, **more}])
    return made


def test_a_feature_that_is_tracked_makes_conda_take_others_first() -> None:
    plain = build("1.0")
    for tracked in ("blas_mkl", "a, b", ["blas_mkl"]):
        assert newest_first([build("2.0", track_features=tracked), plain])[0] == plain
    assert newest_first([build("2.0", track_features=""), plain])[0].version == "2.0"


def test_the_version_goes_before_the_number_of_the_build_and_that_before_its_age() -> None:
    old = build("1.0", "a", build_number=9, timestamp=9)
    new = build("2.0", "b", build_number=0, timestamp=1)
    newer = build("2.0", "c", build_number=0, timestamp=2)
    rebuilt = build("2.0", "d", build_number=1, timestamp=0)
    assert newest_first([old, new, newer, rebuilt]) == [rebuilt, newer, new, old]


@pytest.mark.parametrize(
    ("record", "for_gpu"),
    [
        ({"depends": ["__cuda"]}, True),
        ({"depends": ["cuda-version >=12,<13"]}, True),
        ({"depends": ["cuda-cudart >=12"]}, True),
        ({"depends": ["cudatoolkit 11.8.*"]}, True),
        ({"build": "py312_cuda129_1"}, True),
        ({"build": "gpu_mkl_1"}, True),
        ({"build": "cpu_mkl_1", "depends": ["mkl"]}, False),
        ({"build": "h1_cpython", "depends": ["python"]}, False),
    ],
)
def test_a_build_for_gpus_is_known_by_its_needs_or_its_name(
    record: Mapping[str, Any], *, for_gpu: bool
) -> None:
    (made,) = builds_in("x", [record])
    assert made.for_gpu is for_gpu


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"version": None, "build": 5, "depends": "python", "constrains": {"a": 1}},
        {"depends": [None, 5, "!"], "build_number": "x", "timestamp": 1e400, "size": True},
        {"track_features": 5, "url": 7, "channel": None},
    ],
)
def test_a_record_with_holes_is_read_as_far_as_it_goes(record: dict[str, Any]) -> None:
    (made,) = builds_in("x", [record])
    assert (made.number, made.size, made.url) == (0, None, "")


def test_what_is_no_record_or_anothers_is_left_out() -> None:
    assert builds_in("x", [1, None, "a", {"name": "y"}]) == []


# ------------------------------------------------------------------ machines


def test_the_oldest_gpu_of_all_is_the_capability_that_solvers_see() -> None:
    assert arch_of(Host((RTX, V100))) == "7.0"
    assert arch_of(Host((Accelerator("amd", "x"),))) == ""
    # Of one that could not be asked nobody knows whether it is older.
    assert arch_of(Host((RTX, Accelerator("nvidia", "vGPU")))) == ""


def test_rattler_sees_of_a_machine_what_is_said_of_it() -> None:
    host = Host((RTX, V100), cuda=(13, 0), libc=(2, 36))
    seen = {name: pair for name, pair in machine_of(host, {}).virtual.items() if pair[0]}
    versions = {"__cuda": "13.0", "__cuda_arch": "7.0", "__glibc": "2.36"}
    assert seen == {name: (version, "0") for name, version in versions.items()}
    overridden = machine_of(
        host, {"CONDA_OVERRIDE_CUDA": "12.4", "CONDA_OVERRIDE_CUDA_ARCH": "8.6"}
    )
    assert (overridden.virtual["__cuda"][0], overridden.virtual["__cuda_arch"][0]) == (
        "12.4",
        "8.6",
    )
    hidden = machine_of(
        host, {"CONDA_OVERRIDE_CUDA": "", "CONDA_OVERRIDE_CUDA_ARCH": "8.6"}
    ).virtual
    assert not {"__cuda", "__cuda_arch"} & set(hidden)


@pytest.mark.parametrize(
    ("platform", "machine", "folder"),
    [
        ("linux", "x86_64", "linux-64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("linux", "ppc64le", "linux-ppc64le"),
        ("darwin", "aarch64", "osx-arm64"),
        ("win32", "x86_64", "win-64"),
    ],
)
def test_a_platform_has_its_folder(platform: str, machine: str, folder: str) -> None:
    assert subdir(Host(platform=platform, machine=machine)) == folder


def test_a_python_that_is_described_counts() -> None:
    builds = [build("2", "py313", depends=["python >=3.13,<3.14.0a0"]), build("1", "any")]
    reading = RecordReader(SeenMachine({}, "3.12"), lambda _: None)
    old, new = sorted(reading.verdicts(builds), key=lambda each: each.build.version)
    assert not old.obstacle
    assert new.obstacle == "needs python >=3.13,<3.14.0a0, and Python is to be 3.12"


def test_what_the_users_environment_says_of_a_host_conda_hears_from_it_alone(
    tmp_path: Path,
) -> None:
    found = Host(cuda=(12, 4), method="override", target=True)
    assert variables(found, place(tmp_path)) == {}
    assert variables(Host(platform="win32"), place(tmp_path)) == {"CONDA_SUBDIR": "win-64"}


def test_a_channel_without_end_is_read_to_a_bound() -> None:
    asked: list[str] = []

    def endless(name: str) -> list[PackageBuild]:
        asked.append(name)
        needs = [f"{name}{number}" for number in range(100)]
        return builds_in(name, [{"version": "1", "build": "0", "depends": needs}])

    verdicts = RecordReader(SeenMachine({}), endless).verdicts(endless("x"))
    assert [each.obstacle for each in verdicts] == [""]
    assert len(asked) < 50


def test_packages_that_need_each_other_are_read_to_an_end() -> None:
    records = {"a": ["b"], "b": ["a", "__cuda"]}

    def of(name: str) -> list[PackageBuild]:
        return builds_in(name, [{"version": "1", "build": "0", "depends": records[name]}])

    (verdict,) = RecordReader(SeenMachine({}), of).verdicts(of("a"))
    assert verdict.obstacle == "needs b, and b 1 needs __cuda, and there is none"


def test_records_of_a_channel_are_where_its_index_says() -> None:
    (url,) = {each.url.rpartition("/")[0] for each in listed("pytorch")}
    assert url == "https://conda.anaconda.org/conda-forge/linux-64"
    documents = channel().documents(base_url="https://files.example/conda-forge/")
    elsewhere = Shards(gateway(documents), "linux-64").of("pytorch")
    (url,) = {each.url.rpartition("/")[0] for each in elsewhere}
    assert url == "https://files.example/conda-forge/linux-64"
