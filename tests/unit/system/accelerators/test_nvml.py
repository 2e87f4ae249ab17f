"""Hosts whose NVML answers, or refuses, in every way that matters; the bindings are the real."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.system.accelerators.detection import detect
from headrace.variants.compatibility.gpu_names import with_capabilities
from headrace.variants.hosts import Host, Situation
from headrace.variants.tables import load
from lib.gpu.hosts import Box, Libraries

V100, RTX = (7, 0), (12, 0)


def capabilities(host: Host) -> list[tuple[int, int] | None]:
    return [gpu.capability for gpu in host.accelerators]


def said(host: Host, way: str) -> str:
    return dict(host.tried)[way]


def test_a_host_with_two_gpus_names_both_with_driver_and_cuda(nvml: Box) -> None:
    host = detect(nvml.see())
    first, second = host.accelerators
    assert (host.driver, host.cuda, host.method) == ("580.95.05", (13, 0), "nvml")
    assert host.situation is Situation.ORDINARY
    assert (first.maker, first.name, first.capability) == ("nvidia", "Tesla V100-SXM2-16GB", V100)
    assert (second.capability, second.memory, second.runtime) == (RTX, 32607 << 20, "13.0")
    assert not host.notes
    assert not host.target


def test_hidden_gpus_are_found_because_an_install_is_for_all_of_them(nvml: Box) -> None:
    assert capabilities(detect(nvml.see(CUDA_VISIBLE_DEVICES=""))) == [V100, RTX]


def test_a_gpu_that_is_split_is_named_as_a_whole(nvml: Box) -> None:
    nvml.env["FAKE_NVML_GPUS"] = "NVIDIA A100-SXM4-40GB|8.0|40960|mig;NVIDIA T4|7.5|16384|no"
    host = detect(nvml.see())
    assert [gpu.mig for gpu in host.accelerators] == [True, False]
    assert capabilities(host) == [(8, 0), (7, 5)]
    assert ("MIG", "NVIDIA A100-SXM4-40GB") in host.extra


def test_chatter_of_a_library_is_not_taken_for_an_answer(nvml: Box) -> None:
    host = detect(nvml.see(FAKE_NVML_CHATTER='{"driver": "1.2.3"}'))
    assert host.driver == "580.95.05"
    assert capabilities(host) == [V100, RTX]


@pytest.mark.parametrize("error", [3, 15, 999, 4, 1])
def test_a_gpu_whose_capability_is_unreadable_stays_and_the_others_are_whole(
    nvml: Box, error: int
) -> None:
    host = detect(nvml.see(FAKE_NVML_ERR_Capability_0=str(error)))
    assert capabilities(host) == [None, RTX]
    assert host.accelerators[0].name == "Tesla V100-SXM2-16GB"
    (note,) = host.notes
    assert "GPU 0 (Tesla V100-SXM2-16GB)" in note
    assert ("reboot" in note) == (error == 15)


def test_a_lost_gpu_without_a_handle_stays_in_the_list(nvml: Box) -> None:
    host = detect(nvml.see(FAKE_NVML_ERR_Handle_1="15"))
    assert capabilities(host) == [V100, None]
    assert host.notes[0].startswith("GPU 1 (NVIDIA GeForce RTX 5090) is lost: reboot")
    assert host.accelerators[1].name == "NVIDIA GeForce RTX 5090", "as the kernel has it"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("Init", "4"),
        ("Init", "18"),
        ("Capability_0", "3"),
        ("Capability_0", "4"),
        ("Capability_0", "999"),
        ("Handle_0", "15"),
    ],
)
def test_a_capability_that_could_not_be_read_is_told_by_the_name(
    nvml: Box, call: str, error: str
) -> None:
    host = detect(nvml.see(**{f"FAKE_NVML_ERR_{call}": error}))
    assert None in capabilities(host)
    assert capabilities(with_capabilities(host, load())) == [V100, RTX]


def test_memory_and_name_may_be_missing(nvml: Box) -> None:
    host = detect(nvml.see(FAKE_NVML_ERR_Memory="3", FAKE_NVML_ERR_Name_1="999"))
    assert [gpu.memory for gpu in host.accelerators] == [None, None]
    assert host.accelerators[1].name == "NVIDIA GeForce RTX 5090", "as the kernel has it"
    assert capabilities(host) == [V100, RTX]


def test_a_driver_before_r410_is_asked_by_its_older_call(nvml: Box, fakes: Libraries) -> None:
    nvml.driver("390.157").libraries(fakes.old_nvml)
    host = detect(nvml.see(FAKE_NVML_DRIVER="390.157", FAKE_NVML_CUDA="9010"))
    assert (host.driver, host.cuda) == ("390.157", (9, 1))
    assert capabilities(host) == [V100, RTX]
    host = detect(nvml.see(FAKE_NVML_DRIVER="384.81", FAKE_NVML_ERR_CudaOld="13"))
    assert (host.driver, host.cuda) == ("384.81", None), "then the driver's table tells"


def test_nvml_without_libcuda_leaves_cuda_open_and_says_what_lacks(nvml: Box) -> None:
    host = detect(nvml.see(FAKE_NVML_ERR_Cuda="12"))
    assert host.cuda is None
    assert host.driver == "580.95.05"
    assert "NVIDIA_DRIVER_CAPABILITIES" in host.notes[0]


def test_a_driver_updated_without_a_reboot_counts_as_the_kernel_has_it(nvml: Box) -> None:
    nvml.driver("550.54.15", "Tesla V100-SXM2-16GB")
    nvml.program("nvidia-smi", "touch asked; exit 18")
    host = detect(nvml.see(FAKE_NVML_ERR_Init="18"))
    assert (host.driver, host.cuda) == ("550.54.15", None)
    assert any("reboot" in note and "550.54.15" in note for note in host.notes)
    assert said(host, "sysfs") == "driver 550.54.15"
    assert "nvidia-smi" not in dict(host.tried)
    assert host.situation is Situation.UNREADABLE
    assert host.accelerators[0].name == "Tesla V100-SXM2-16GB"
    assert host.accelerators[0].capability is None


@pytest.mark.parametrize("error", [4, 17])
def test_closed_device_nodes_leave_the_driver_and_the_names(nvml: Box, error: int) -> None:
    host = detect(nvml.see(FAKE_NVML_ERR_Init=str(error)))
    assert host.situation is Situation.UNREADABLE
    assert host.driver == "580.95.05"
    assert capabilities(host) == [None, None]
    assert "/dev/nvidia*" in host.notes[0]
    assert f"({error})" in said(host, "nvml")


def test_a_container_that_sees_the_hosts_bus_and_no_driver_has_no_gpu(
    box: Box, fakes: Libraries
) -> None:
    box.libraries(fakes.nvml).file("/.dockerenv").pci("0000:00:00.0", 0x10DE, 0x20B0)
    host = detect(box.see(FAKE_NVML_ERR_Init="9"))
    assert host.situation is Situation.CONTAINER
    assert host.accelerators == ()
    assert "(9)" in said(host, "nvml")
    assert any("--gpus all" in note for note in host.notes)


def test_a_container_that_sees_the_hosts_driver_has_no_gpu_all_the_same(nvml: Box) -> None:
    for node in (nvml.root / "dev").iterdir():
        node.unlink()
    nvml.file("/run/.containerenv")
    for error in ("9", "999", "17"):
        host = detect(nvml.see(FAKE_NVML_ERR_Init=error))
        assert host.situation is Situation.CONTAINER
        assert host.accelerators == ()
    assert host.driver == "580.95.05", "it is the host's, and told"


def test_a_container_that_lost_its_gpus_is_unreadable(nvml: Box) -> None:
    nvml.file("/.dockerenv")
    host = detect(nvml.see(FAKE_NVML_ERR_Init="999"))
    assert host.situation is Situation.UNREADABLE
    assert host.driver == "580.95.05"
    host = detect(nvml.see(FAKE_NVML_ERR_Init="17"))
    assert any("start it anew" in note for note in host.notes)


def test_a_module_that_is_not_loaded_is_a_missing_driver(box: Box, fakes: Libraries) -> None:
    box.libraries(fakes.nvml, fakes.cuda).pci("0000:00:00.0", 0x10DE, 0x20B0)
    host = detect(box.see(FAKE_NVML_ERR_Init="9"))
    assert host.situation is Situation.DRIVER_MISSING
    assert (host.accelerators, host.driver) == ((), None)
    assert "libcuda" not in dict(host.tried), "nobody else can know more"


@pytest.mark.parametrize("more", [{}, {"FAKE_NVML_ERR_Init": "6"}, {"FAKE_NVML_ERR_Count": "28"}])
def test_a_driver_without_any_gpu_is_an_ordinary_host(
    box: Box, fakes: Libraries, more: dict[str, str]
) -> None:
    host = detect(box.libraries(fakes.nvml).driver().see(**more))
    assert host.accelerators == ()
    assert host.situation is Situation.ORDINARY
    assert host.driver == "580.95.05"


def test_a_job_that_was_given_none_of_the_hosts_gpus_is_unreadable(nvml: Box) -> None:
    nvml.env["FAKE_NVML_GPUS"] = ""
    host = detect(nvml.see(SLURM_JOB_ID="17"))
    assert host.situation is Situation.UNREADABLE
    assert capabilities(host) == [None, None]
    assert "ask for one" in host.notes[-1]


def test_ways_that_hang_have_their_time_together(nvml: Box, fakes: Libraries) -> None:
    nvml.libraries(fakes.nvml, fakes.cuda).program("nvidia-smi", "exec sleep 600")
    for name in ("/sys/module/nvidia/version", "/proc/driver/nvidia/version"):
        (nvml.root / name.lstrip("/")).unlink(missing_ok=True)
    nvml.timeout = 1.0
    see = nvml.see(FAKE_NVML_SLEEP_Init="600000", FAKE_CUDA_SLEEP_Init="600000")
    # It begins, NVML is asked, and a clock that jumps leaves libcuda the rest.
    times = iter([0.0, 0.0, 5.5])
    host = detect(replace(see, within=6.0, clock=lambda: next(times)))
    assert said(host, "nvml") == "no answer within 1 s"
    assert said(host, "libcuda") == "no answer within 0.5 s"


def test_inside_wsl_a_library_that_hangs_is_no_machine_without_a_gpu(
    box: Box, fakes: Libraries
) -> None:
    box.file("/dev/dxg").libraries(fakes.nvml, fakes.cuda)
    box.timeout = 1.0
    host = detect(box.see(FAKE_NVML_SLEEP_Init="600000", FAKE_CUDA_SLEEP_Init="600000"))
    assert host.situation is Situation.UNREADABLE
    assert any("wsl --shutdown" in note for note in host.notes)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("999", "nvml: nvmlInit: Unknown Error (999); libcuda: there is no such library"),
        ("12", "its libraries are not here (libnvidia-ml.so.1, libcuda.so.1)"),
    ],
)
def test_a_driver_that_nobody_can_ask_is_told_with_what_each_said(
    nvml: Box, error: str, words: str
) -> None:
    host = detect(nvml.see(FAKE_NVML_ERR_Init=error))
    assert host.situation is Situation.UNREADABLE
    (note,) = host.notes
    assert words in note


def test_a_loaded_driver_whose_library_denies_it_is_not_to_be_installed(nvml: Box) -> None:
    host = detect(nvml.see(FAKE_NVML_ERR_Init="9"))
    assert host.situation is Situation.DRIVER_MISSING
    assert host.notes[0].startswith("NVIDIA's driver 580.95.05 is loaded, and its library")


def test_an_nvml_that_hangs_is_left_and_the_kernel_tells_the_driver(nvml: Box) -> None:
    nvml.timeout = 1.0
    host = detect(nvml.see(FAKE_NVML_SLEEP_Init="6000000"))
    assert said(host, "nvml") == "no answer within 1 s"
    assert host.driver == "580.95.05"
    assert capabilities(host) == [None, None]
    assert host.situation is Situation.UNREADABLE
    assert any("persistence" in note for note in host.notes)


def test_what_was_told_before_it_hung_counts(nvml: Box) -> None:
    nvml.timeout = 1.5
    host = detect(nvml.see(FAKE_NVML_SLEEP_Capability_1="60000"))
    assert capabilities(host) == [V100]
    assert host.cuda == (13, 0)
    assert any("may be more GPUs" in note for note in host.notes)


def test_a_library_that_crashes_is_not_felt_and_the_next_is_asked(
    nvml: Box, fakes: Libraries
) -> None:
    nvml.libraries(fakes.nvml, fakes.cuda)
    nvml.env["FAKE_CUDA_GPUS"] = "Tesla V100|7.0|16384"
    host = detect(nvml.see(FAKE_NVML_CRASH_Init="1"))
    assert said(host, "nvml") == "crashed (SIGABRT)"
    assert (host.method, host.cuda, capabilities(host)) == ("libcuda", (12, 4), [V100])


def test_when_all_crash_the_first_gpus_and_the_kernels_driver_are_left(
    nvml: Box, fakes: Libraries
) -> None:
    nvml.libraries(fakes.nvml, fakes.cuda).program("nvidia-smi", "kill -SEGV $$")
    host = detect(nvml.see(FAKE_NVML_CRASH_Name_1="1", FAKE_CUDA_CRASH_Init="1"))
    assert capabilities(host) == [V100]
    assert host.driver == "580.95.05"
    assert "SIGSEGV" in said(host, "libcuda")
    assert "SIGSEGV" in said(host, "nvidia-smi")


@pytest.mark.parametrize("junk", ["x", "580", "-1.5", "580.95.05\n580.95.05", "9" * 70])
def test_a_driver_that_is_no_version_is_not_believed(nvml: Box, junk: str) -> None:
    host = detect(nvml.see(FAKE_NVML_DRIVER=junk, FAKE_NVML_CUDA="-7"))
    assert host.driver == "580.95.05", "the kernel's"
    assert host.cuda is None
    assert capabilities(host) == [V100, RTX]


def test_a_name_that_is_no_text_and_a_capability_that_is_none(nvml: Box) -> None:
    nvml.env["FAKE_NVML_GPUS"] = "\x01Tesla\tT4\x7f|7.5|1;x|0.0|2;y|-3.1|3"
    host = detect(nvml.see())
    assert [gpu.name for gpu in host.accelerators] == ["Tesla T4", "x", "y"]
    assert capabilities(host) == [(7, 5), None, None]


def test_inside_wsl_the_library_of_windows_is_found_where_it_lies(
    box: Box, fakes: Libraries
) -> None:
    place = box.root / "usr/lib/wsl/lib/libnvidia-ml.so.1"
    box.file("/proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2").file("/dev/dxg")
    place.parent.mkdir(parents=True)
    place.write_bytes((fakes.nvml / "libnvidia-ml.so.1").read_bytes())
    box.env["FAKE_NVML_GPUS"] = "NVIDIA GeForce RTX 3080|8.6|10240"
    host = detect(box.see(FAKE_NVML_DRIVER="572.60", FAKE_NVML_CUDA="12080"))
    assert host.wsl
    assert (host.driver, host.cuda) == ("572.60", (12, 8))
    assert capabilities(host) == [(8, 6)]
    assert host.situation is Situation.ORDINARY


def test_inside_wsl_without_a_readable_driver_libcuda_is_asked_after_a_hang(
    box: Box, fakes: Libraries
) -> None:
    box.file("/dev/dxg").libraries(fakes.nvml, fakes.cuda)
    box.timeout = 1.5
    host = detect(box.see(FAKE_NVML_SLEEP_Init="60000", FAKE_CUDA_GPUS="RTX 3080|8.6|10240"))
    assert (host.method, host.cuda, capabilities(host)) == ("libcuda", (12, 4), [(8, 6)])


def test_the_loaders_own_path_comes_before_other_places(nvml: Box) -> None:
    nvml.file("/run/opengl-driver/lib/libnvidia-ml.so.1", "no library at all")
    assert capabilities(detect(nvml.see())) == [V100, RTX]


def test_a_host_without_a_trace_of_nvidia_starts_no_process(box: Box, fakes: Libraries) -> None:
    box.libraries(fakes.nvml)
    host = detect(box.see(FAKE_NVML_GPUS="never seen|8.0|1"))
    assert host.tried == (("nvml", "not asked: no trace of an NVIDIA device or driver"),)
    assert host == detect(box.see())
    assert (host.accelerators, host.situation) == ((), Situation.ORDINARY)
