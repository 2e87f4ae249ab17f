"""explain is the oracle: what it says of a package is what the real conda then installs here."""

from __future__ import annotations

import pytest

from headrace.interface.hookspecs import Place, Scope
from headrace.variants.hosts import Accelerator, Host
from headrace_conda.builds.explaining import explain
from lib.conda.clients import Conda
from lib.conda.gpu_channel import CASES, Case

#: In every run: a constraint of a package below, and a GPU that no build is for.
SLICE = [CASES[1], CASES[17]]
V100 = Accelerator("nvidia", "Tesla V100", (7, 0))


def place(conda: Conda, **env: str) -> Place:
    mine = {**conda.variables, "HEADRACE_CONDA_BASE": str(conda.base.root), **env}
    return Place(Scope.USER, conda.home, mine, "linux", conda.home)


def told(conda: Conda, spec: str, host: Host, **env: str) -> tuple[dict[str, object], list[str]]:
    (found,) = explain(spec, None, place(conda, **env), lambda: host, lambda *_: None)
    return dict(found.table), list(found.lines)


def assert_right(conda: Conda, case: Case) -> None:
    """Hold what is told against the table, and against an environment that conda makes."""
    conda.variables["CONDA_PLUGINS_HEADRACE_CUDA_ARCH"] = "true"
    table, lines = told(conda, case.spec, Host(), **case.variables)
    assert table["asked"] is True, lines
    conda.variables |= case.variables
    made, name = conda.create("x", case.spec), case.spec.partition("=")[0].partition(">")[0]
    found = conda.meta("x")[name] if not made.code else {}
    installed = f"{found['version']} {found['build']}" if found else ""
    assert (table["choice"] or "") == (installed and f"{name} {installed}"), lines
    # Of a machine the classic solver sees what a package depends on, and no constraint.
    if conda.solver != "classic":
        assert installed == case.build


@pytest.mark.parametrize("case", SLICE, ids=lambda case: case.name)
def test_what_is_told_is_what_conda_installs(conda: Conda, case: Case) -> None:
    assert_right(conda, case)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "case", [each for each in CASES if each not in SLICE], ids=lambda case: case.name
)
def test_what_is_told_is_what_conda_installs_on_every_host(conda: Conda, case: Case) -> None:
    assert_right(conda, case)


@pytest.mark.nightly
def test_an_old_gpu_behind_a_new_driver_is_led_to_a_build_that_runs_there(conda: Conda) -> None:
    host = Host((V100,), driver="580.95.05", cuda=(13, 0), method="described")
    table, lines = told(conda, "pytorch", host)
    assert table["choice"] == "pytorch 2.13.0 cuda130_mkl_h4_300"
    assert lines[2].endswith(
        "`conda install pytorch cuda-version=12` brings 2.13.0 cuda129_mkl_h3_300"
    )
