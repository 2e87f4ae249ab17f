"""conda is given the capability of its GPUs by our plugin (CEP 46); the driver is a stand-in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.conda.clients import Conda
from lib.gpu.hosts import Libraries, compiler


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """A folder with a driver's library, as LD_LIBRARY_PATH has it."""
    if compiler() is None:
        pytest.skip(lacks("programs", "a stand-in for the driver's library wants a C compiler"))
    return Libraries.compiled(tmp_path / "libraries").cuda


def virtual(conda: Conda, **env: str) -> dict[str, str]:
    """Give what ``conda info`` shows of NVIDIA's GPUs, by name."""
    said = json.loads(conda.run("info", "--json", env=env).ok().out)
    return {name: version for name, version, _ in said["virtual_pkgs"] if "cuda" in name}


def test_conda_gives_the_capability_of_the_oldest_gpu_when_it_is_switched_on(
    conda: Conda, driver: Path
) -> None:
    gpus = "RTX 5090|12.0|32607;Tesla V100|7.0|16384"
    env = {"LD_LIBRARY_PATH": str(driver), "FAKE_CUDA_GPUS": gpus, "CUDA_VISIBLE_DEVICES": ""}
    assert virtual(conda, **env) == {"__cuda": "12.4"}
    conda.variables["CONDA_PLUGINS_HEADRACE_CUDA_ARCH"] = "true"
    assert virtual(conda, **env) == {"__cuda": "12.4", "__cuda_arch": "7.0"}


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("env", "seen"),
    [
        # No `__cuda`, no capability: whatever is said of it.
        ({"FAKE_CUDA_GPUS": ""}, {}),
        ({"CONDA_OVERRIDE_CUDA": ""}, {}),
        ({"CONDA_OVERRIDE_CUDA": "", "CONDA_OVERRIDE_CUDA_ARCH": "8.6"}, {}),
        # What is said counts, also that there is none.
        ({"CONDA_OVERRIDE_CUDA_ARCH": "8.6"}, {"__cuda": "12.4", "__cuda_arch": "8.6"}),
        ({"CONDA_OVERRIDE_CUDA_ARCH": ""}, {"__cuda": "12.4"}),
        ({"CONDA_OVERRIDE_CUDA_ARCH": "sm_86"}, {"__cuda": "12.4"}),
        ({"CONDA_OVERRIDE_CUDA": "13.0"}, {"__cuda": "13.0", "__cuda_arch": "9.0"}),
        # A driver that fails, or dies, on the question.
        ({"FAKE_CUDA_ERR_Attribute": "999"}, {"__cuda": "12.4"}),
        ({"FAKE_CUDA_CRASH_Count": "1"}, {"__cuda": "12.4"}),
    ],
)
def test_the_capability_is_there_as_the_standard_has_it(
    conda: Conda, driver: Path, env: dict[str, str], seen: dict[str, str]
) -> None:
    conda.variables["CONDA_PLUGINS_HEADRACE_CUDA_ARCH"] = "true"
    fixed = {"LD_LIBRARY_PATH": str(driver), "FAKE_CUDA_GPUS": "H100|9.0|81920"}
    assert virtual(conda, **{**fixed, **env}) == seen


@pytest.mark.nightly
def test_another_plugin_that_gives_it_goes_before_ours(
    conda: Conda, tmp_path: Path, driver: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "acme_arch.py").write_text(
        "from conda import plugins\n"
        "@plugins.hookimpl\n"
        "def conda_virtual_packages():\n"
        "    yield plugins.CondaVirtualPackage('cuda_arch', '5.0', '0')\n"
    )
    conda.see_plugin("acme_arch", theirs, name="acme-arch")
    conda.variables["CONDA_PLUGINS_HEADRACE_CUDA_ARCH"] = "true"
    env = {"LD_LIBRARY_PATH": str(driver), "FAKE_CUDA_GPUS": "H100|9.0|81920"}
    assert virtual(conda, **env) == {"__cuda": "12.4", "__cuda_arch": "5.0"}
