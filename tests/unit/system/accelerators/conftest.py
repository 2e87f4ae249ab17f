from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.gpu.hosts import Box, Libraries, compiler


@pytest.fixture(scope="session")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Libraries:
    if sys.platform != "linux":
        pytest.skip(lacks("system", "the loader's path is Linux's"))
    if compiler() is None:
        pytest.skip(lacks("programs", "no C compiler (cc) for the fake libraries"))
    return Libraries.compiled(tmp_path_factory.mktemp("libraries"))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "root")


@pytest.fixture
def nvml(box: Box, fakes: Libraries) -> Box:
    """A host with a driver, two GPUs on its bus, and NVML."""
    box.pci("0000:00:00.0", 0x10DE, 0x1DB4).pci("0000:01:00.0", 0x10DE, 0x2B85)
    box.driver("580.95.05", "Tesla V100-SXM2-16GB", "NVIDIA GeForce RTX 5090")
    box.env["FAKE_NVML_GPUS"] = "Tesla V100-SXM2-16GB|7.0|16384;NVIDIA GeForce RTX 5090|12.0|32607"
    return box.libraries(fakes.nvml)
