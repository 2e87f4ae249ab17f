"""Libraries that are not the driver's own: newer, older, broken. The bindings are the real."""

from __future__ import annotations

import pytest

from headrace.system.accelerators.detection import detect
from headrace.variants.compatibility.drivers import cuda_of, describe
from headrace.variants.hosts import Host, Situation
from headrace.variants.tables import load
from lib.gpu.hosts import Box, Libraries

A100 = "NVIDIA A100-SXM4-40GB"
RTX = "NVIDIA GeForce RTX 4090"


@pytest.fixture
def old(box: Box, fakes: Libraries) -> Box:
    """A host with driver 535 (CUDA 12.2), whose first libcuda is one of CUDA 13.0."""
    box.pci("0000:00:00.0", 0x10DE, 0x20B0).driver("535.183.01", A100)
    box.env.update(
        FAKE_NVML_GPUS=f"{A100}|8.0|40960",
        FAKE_NVML_DRIVER="535.183.01",
        FAKE_NVML_CUDA="13000",
        FAKE_CUDA_GPUS=f"{A100}|8.0|40960",
        FAKE_CUDA_VERSION="13000",
    )
    return box.libraries(fakes.nvml, fakes.cuda)


def only(host: Host, word: str) -> str:
    (note,) = (note for note in host.notes if word in note)
    return note


def test_a_newer_library_that_runs_here_counts_and_is_named(old: Box, fakes: Libraries) -> None:
    host = detect(old.see())
    assert (host.driver, host.cuda, host.method) == ("535.183.01", (13, 0), "nvml")
    assert host.accelerators[0].runtime == "13.0"
    note = only(host, "CUDA 13.0")
    assert str(fakes.cuda / "libcuda.so.1") in note
    assert "newer than driver 535.183.01 (CUDA 12.2), and it runs here" in note
    assert describe(host, load()) == "driver 535.183.01 with a library of CUDA 13.0"


def test_a_newer_library_that_does_not_run_here_leaves_the_drivers_own_cuda(
    old: Box, fakes: Libraries
) -> None:
    host = detect(old.see(FAKE_CUDA_ERR_Init="804"))
    assert (host.cuda, cuda_of(host, load())) == (None, (12, 2))
    assert [gpu.runtime for gpu in host.accelerators] == [None]
    note = only(host, "cuda-compat")
    assert str(fakes.cuda / "libcuda.so.1") in note
    assert "(804)" in note
    assert "the driver's own CUDA counts" in note
    assert host.situation is Situation.ORDINARY


@pytest.mark.parametrize(
    "more",
    [{"FAKE_CUDA_CRASH_Init": "1"}, {"FAKE_CUDA_SLEEP_Init": "600000"}, {"FAKE_CUDA_GPUS": ""}],
)
def test_a_newer_library_that_cannot_be_tried_does_not_count(
    old: Box, more: dict[str, str]
) -> None:
    old.timeout = 2.0
    host = detect(old.see(**more))
    assert host.cuda is None
    assert [gpu.name for gpu in host.accelerators] == [A100]
    assert any("the driver's own CUDA counts" in note for note in host.notes)


def test_a_newer_library_counts_by_what_it_runs_where_nvml_is_missing_too(
    old: Box, fakes: Libraries
) -> None:
    old.libraries(fakes.cuda)
    host = detect(old.see())
    assert (host.method, host.cuda) == ("libcuda", (13, 0))
    assert "it runs here" in only(host, "CUDA 13.0")
    host = detect(old.see(FAKE_CUDA_ERR_Init="804"))
    assert host.cuda is None
    assert [gpu.name for gpu in host.accelerators] == [A100]
    assert host.situation is Situation.UNREADABLE


def test_an_older_library_is_no_driver_that_waits_for_a_reboot(nvml: Box, fakes: Libraries) -> None:
    nvml.libraries(fakes.nvml, fakes.cuda)
    see = nvml.see(FAKE_NVML_CUDA="12040", FAKE_CUDA_ERR_Init="803")
    host = detect(see)
    assert host.cuda is None, "driver 580.95.05 came with 13.0"
    assert str(fakes.cuda / "libcuda.so.1") in only(host, "is of CUDA 12.4")
    assert not any("reboot" in note for note in host.notes)


def test_a_library_of_the_drivers_own_version_is_not_asked_for(nvml: Box, fakes: Libraries) -> None:
    host = detect(nvml.libraries(fakes.nvml, fakes.cuda).see())
    assert (host.cuda, host.notes) == ((13, 0), ())
    assert "libcuda" not in dict(host.tried)


def test_inside_wsl_the_library_of_windows_is_the_drivers_own(box: Box, fakes: Libraries) -> None:
    box.file("/proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2").file("/dev/dxg")
    box.libraries(fakes.nvml, fakes.cuda)
    gpus = {"FAKE_NVML_GPUS": f"{RTX}|8.9|24564", "FAKE_NVML_DRIVER": "572.60"}
    host = detect(box.see(FAKE_NVML_CUDA="13000", **gpus))
    assert (host.cuda, host.notes) == ((13, 0), ())


def test_a_crash_is_told_with_the_library_the_signal_and_what_to_do(
    nvml: Box, fakes: Libraries
) -> None:
    nvml.libraries(fakes.nvml, fakes.cuda)
    nvml.env["FAKE_CUDA_GPUS"] = "Tesla V100|7.0|16384;RTX 5090|12.0|32607"
    nvml.env["FAKE_CUDA_VERSION"] = "13000"
    host = detect(nvml.see(FAKE_NVML_CRASH_Name_1="1"))
    assert (host.method, len(host.accelerators)) == ("libcuda", 2)
    (note,) = host.notes
    assert note.startswith(f"{fakes.nvml / 'libnvidia-ml.so.1'} crashed (SIGABRT)")
    assert "reinstall NVIDIA's driver" in note


def test_each_that_crashes_is_told(nvml: Box, fakes: Libraries) -> None:
    nvml.libraries(fakes.nvml, fakes.cuda).program("nvidia-smi", "kill -SEGV $$")
    host = detect(nvml.see(FAKE_NVML_CRASH_Init="1", FAKE_CUDA_CRASH_Version="1"))
    told = [note for note in host.notes if "crashed" in note]
    assert [note.split()[0].rpartition("/")[2] for note in told] == [
        "libnvidia-ml.so.1",
        "libcuda.so.1",
        "nvidia-smi",
    ]
    assert host.situation is Situation.UNREADABLE
