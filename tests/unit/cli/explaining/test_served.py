"""What is told of builds that came, from two answers of /status and the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.cli.context import Context
from headrace.cli.explaining.served import lines
from headrace.gateway.builds.served import BuildsServed
from headrace.interface.hookspecs import Scope

WHEEL = "{}-cp312-cp312-manylinux_2_28_x86_64.whl"


def status(*files: str, at: float = 1.0) -> dict[str, Any]:
    served = BuildsServed(lambda: at)
    for file in files:
        served.given(file if file.endswith((".gz", ".metadata")) else WHEEL.format(file))
    return {"builds_served": served.table()}


def told(tmp_path: Path, before: Any, after: Any, **env: str) -> list[str]:
    return lines(before, after, Context({"HEADRACE_HOME": str(tmp_path), **env}, Scope.USER))


A100 = "driver=550.54.15,gpu=A100"


@pytest.mark.parametrize(
    ("file", "target", "said"),
    [
        ("torch-2.15.0", A100, "torch 2.15.0 will not use the GPU: 2.15.0 needs driver >= 580"),
        ("torch-2.14.1+cpu", A100, "torch 2.14.1+cpu will not use the GPU: it is a build for proc"),
        (
            "torch-2.14.1+rocm6.4",
            A100,
            "torch 2.14.1+rocm6.4 will not use the GPU: it is a build for AMD",
        ),
        (
            "torch-2.15.0",
            "driver=580,gpu=V100",
            "torch 2.15.0 will not use the GPU: 2.15.0 has no kern",
        ),
        ("torch-2.10.0", A100, ""),
        ("torch-2.15.0", "gpu=none", ""),
        # One of two GPUs is used.
        ("torch-2.15.0", "driver=580,gpu=GTX 1080 Ti,gpu=RTX 4090", ""),
        ("numpy-2.4.0", A100, ""),
        ("torch-2.15.0.tar.gz", A100, ""),
        ("torch-2.15.0-cp312-cp312-manylinux_2_28_x86_64.whl.metadata", A100, ""),
    ],
)
def test_a_gpu_that_will_not_be_used_is_told(
    tmp_path: Path, file: str, target: str, said: str
) -> None:
    found = told(tmp_path, {}, status(file), HEADRACE_TARGET=target)
    unused = [line for line in found if "will not use the GPU" in line]
    assert len(unused) == bool(said), found
    if said:
        assert unused[0].startswith(said)
        assert "install in one command, through headrace: torch==2.1" in unused[0]


def test_what_came_before_is_not_told_again(tmp_path: Path) -> None:
    before, again = status("torch-2.14.1+cu126"), status("torch-2.14.1+cu126", at=2.0)
    assert told(tmp_path, before, before) == []
    assert told(tmp_path, again, before)
    (said,) = told(tmp_path, before, again)
    assert said.startswith("torch 2.14.1+cu126 is a build that the default index does not list")
    assert "write torch==2.14.1," in said


@pytest.mark.parametrize("after", [None, [], {}, {"builds_served": 3}, {"builds_served": [1, {}]}])
def test_an_answer_of_another_version_says_nothing(tmp_path: Path, after: object) -> None:
    assert told(tmp_path, None, after) == []
