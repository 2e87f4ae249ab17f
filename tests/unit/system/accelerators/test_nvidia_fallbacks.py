"""Hosts where NVML is not there or says nothing: libcuda, nvidia-smi, the kernel, the bus."""

from __future__ import annotations

import pytest

from headrace.system.accelerators.detection import detect
from headrace.variants.hosts import Host, Situation
from lib.gpu.hosts import Box, Libraries

SMI = "NVIDIA A100-SXM4-80GB, 8.0, 550.54.15, 81920 MiB"


@pytest.fixture
def gpu(box: Box) -> Box:
    """A host with a driver and one GPU, and no library."""
    return box.pci("0000:00:00.0", 0x10DE, 0x20B2).driver("550.54.15", "NVIDIA A100-SXM4-80GB")


def ways(host: Host) -> list[str]:
    return [way for way, _ in host.tried]


def test_libcuda_alone_tells_cuda_and_capabilities(gpu: Box, fakes: Libraries) -> None:
    gpu.libraries(fakes.cuda)
    host = detect(gpu.see(FAKE_CUDA_GPUS="A100|8.0|81920;H100|9.0|81920", CUDA_VISIBLE_DEVICES=""))
    assert [gpu.capability for gpu in host.accelerators] == [(8, 0), (9, 0)]
    assert (host.driver, host.cuda, host.method) == ("550.54.15", (12, 4), "libcuda")
    assert host.accelerators[0].memory == 81920 << 20
    assert host.accelerators[0].runtime == "12.4"
    assert ways(host) == ["nvml", "libcuda"]
    assert "(12)" in host.tried[0][1]


def test_a_hanging_cuinit_has_told_its_version_and_the_kernel_tells_the_rest(
    gpu: Box, fakes: Libraries
) -> None:
    gpu.libraries(fakes.cuda)
    gpu.timeout = 1.0
    host = detect(gpu.see(FAKE_CUDA_SLEEP_Init="60000"))
    assert host.cuda == (12, 4)
    assert [(g.name, g.capability) for g in host.accelerators] == [("NVIDIA A100-SXM4-80GB", None)]
    assert host.situation is Situation.UNREADABLE


@pytest.mark.parametrize(
    ("code", "cuda", "advice"),
    [
        ("34", (12, 4), "stub"),
        ("802", (12, 4), "fabric manager"),
        ("803", None, "reboot"),
        ("804", None, "cuda-compat"),
    ],
)
def test_an_error_of_cuinit_has_its_advice(
    gpu: Box, fakes: Libraries, code: str, cuda: tuple[int, int] | None, advice: str
) -> None:
    host = detect(gpu.libraries(fakes.cuda).see(FAKE_CUDA_ERR_Init=code))
    assert host.cuda == cuda
    assert host.driver == "550.54.15"
    assert any(advice in note for note in host.notes)
    assert [g.capability for g in host.accelerators] == [None]


def test_an_unreadable_capability_of_libcuda_is_left_open(gpu: Box, fakes: Libraries) -> None:
    gpu.libraries(fakes.cuda)
    host = detect(gpu.see(FAKE_CUDA_GPUS="A100|8.0|1", FAKE_CUDA_ERR_Attribute="999"))
    assert [g.capability for g in host.accelerators] == [None]
    assert "fake CUDA error 999" in host.notes[0]


def test_nvidia_smi_alone_will_do(gpu: Box) -> None:
    gpu.program("nvidia-smi", f"echo '{SMI}'; echo '{SMI.replace('A100', 'A30')}'")
    host = detect(gpu.see())
    assert [(g.name, g.capability, g.memory) for g in host.accelerators] == [
        ("NVIDIA A100-SXM4-80GB", (8, 0), 81920 << 20),
        ("NVIDIA A30-SXM4-80GB", (8, 0), 81920 << 20),
    ]
    assert (host.driver, host.cuda, host.method) == ("550.54.15", None, "nvidia-smi")
    assert ways(host) == ["nvml", "libcuda", "nvidia-smi"]
    assert host.situation is Situation.ORDINARY


def test_an_old_nvidia_smi_is_asked_without_capabilities(gpu: Box) -> None:
    gpu.program(
        "nvidia-smi",
        'case "$1" in *compute_cap*) echo \'Field "compute_cap" is not a valid field to query.\';'
        " exit 2;; *) echo 'Tesla V100-SXM2-16GB, 450.80.02, 16160 MiB';; esac",
    )
    (found,) = detect(gpu.see()).accelerators
    assert (found.name, found.capability, found.driver) == (
        "Tesla V100-SXM2-16GB",
        None,
        "450.80.02",
    )


def test_a_virtual_gpu_without_a_capability_keeps_its_name(gpu: Box) -> None:
    gpu.program("nvidia-smi", "echo 'GRID V100D-8Q, [N/A], 535.183.01, [Not Supported]'")
    (found,) = detect(gpu.see()).accelerators
    assert (found.name, found.capability, found.memory) == ("GRID V100D-8Q", None, None)


@pytest.mark.parametrize(
    ("body", "situation", "advice"),
    [
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
         Situation.UNREADABLE, "reboot"),
        ("echo 'Failed to initialize NVML: Insufficient Permissions'; exit 4",
         Situation.UNREADABLE, "groups"),
        ("exit 255", Situation.UNREADABLE, ""),
        ("echo 'No devices were found'", Situation.UNREADABLE, "gives none"),
    ],
)  # fmt: skip
def test_an_nvidia_smi_that_refuses_leaves_the_kernels_word(
    gpu: Box, body: str, situation: Situation, advice: str
) -> None:
    host = detect(gpu.program("nvidia-smi", body).see())
    assert host.situation is situation
    assert (host.driver, [g.capability for g in host.accelerators]) == ("550.54.15", [None])
    assert any(advice in note for note in host.notes) or not advice


@pytest.mark.parametrize(
    "body",
    [
        "head -c 3000 /dev/urandom",
        "yes",
        "exec sleep 60",
        "sleep 60 & exit 0",
        "echo ,,,; echo; echo '\"'",
        "echo 'NVIDIA A100, 8.0, unknown, 1 MiB'",
        "kill -9 $$",
        "true",
    ],
)
def test_garbage_of_nvidia_smi_is_not_believed_and_ends_in_time(gpu: Box, body: str) -> None:
    gpu.timeout = 1.0
    host = detect(gpu.program("nvidia-smi", body).see(PATH="/usr/bin:/bin"))
    assert host.driver == "550.54.15"
    assert [g.name for g in host.accelerators] == ["NVIDIA A100-SXM4-80GB"]
    assert host.situation is Situation.UNREADABLE


def test_a_program_that_is_none_is_not_run(gpu: Box) -> None:
    gpu.program("nvidia-smi", "")
    (gpu.root / "bin" / "nvidia-smi").write_bytes(b"\x7fELFnonsense")
    assert "cannot be started" in dict(detect(gpu.see()).tried)["nvidia-smi"]


def test_a_host_with_sys_alone_has_a_driver_and_says_that_it_is_unreadable(box: Box) -> None:
    host = detect(box.file("/sys/module/nvidia/version", "535.183.01\n").see())
    assert (host.driver, host.method) == ("535.183.01", "sysfs")
    assert host.accelerators == ()
    assert host.situation is Situation.UNREADABLE


def test_a_host_with_proc_alone_has_a_driver(box: Box) -> None:
    line = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build\n"
    host = detect(box.file("/proc/driver/nvidia/version", line + "GCC version:  12.2.0\n").see())
    assert (host.driver, host.method) == ("560.35.03", "procfs")


@pytest.mark.parametrize("junk", ["", "550", "abc\n", "550.54.15.1.2", "\x00\xff", "550,54"])
def test_a_driver_version_that_is_none_is_not_believed(box: Box, junk: str) -> None:
    box.file("/sys/module/nvidia/version", junk).file("/proc/driver/nvidia/version", junk)
    assert detect(box.see()).driver is None


@pytest.mark.parametrize(
    ("driver", "word"), [(None, "install it"), ("nouveau", "nouveau"), ("vfio-pci", "virtual")]
)
def test_a_gpu_on_the_bus_without_nvidias_driver_is_a_missing_driver(
    box: Box, driver: str | None, word: str
) -> None:
    box.pci("0000:01:00.0", 0x10DE, 0x2204).pci("0000:01:00.1", 0x10DE, 0x1AEF, 0x040300)
    if driver:
        (box.root / "sys/bus/pci/devices/0000:01:00.0/driver").symlink_to(f"../drivers/{driver}")
    host = detect(box.see())
    assert host.situation is Situation.DRIVER_MISSING
    assert (host.accelerators, host.method) == ((), "pci")
    assert any(word in note for note in host.notes)


def test_a_sound_device_of_nvidia_is_no_gpu(box: Box) -> None:
    host = detect(box.pci("0000:01:00.1", 0x10DE, 0x1AEF, 0x040300).see())
    assert host.situation is Situation.ORDINARY


def test_a_bus_full_of_nonsense_is_an_empty_one(box: Box) -> None:
    place = "/sys/bus/pci/devices/0000:01:00.0"
    box.file(f"{place}/class", "0x03zzzz").file(f"{place}/vendor", "0x10de")
    box.file("/sys/bus/pci/devices/file", "").file("/proc/1/cgroup", "\x00::\n1:2\n:::::\n")
    host = detect(box.file("/sys/class/kfd/kfd/topology/nodes/0/properties", "\xff x y\n1\n").see())
    assert host.accelerators == ()
    assert host.situation is Situation.ORDINARY


JETSON = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"


def jetson(box: Box, model: str, release: str = JETSON) -> Box:
    box.file("/etc/nv_tegra_release", release)
    box.file("/proc/device-tree/compatible", "nvidia,p3737-0000+p3701-0005\0nvidia,tegra234\0")
    return box.file("/proc/device-tree/model", f"{model}\0")


def test_an_orin_is_a_board_of_its_vendor_even_where_nobody_answers(box: Box) -> None:
    host = detect(jetson(box, "NVIDIA Jetson AGX Orin Developer Kit").see())
    assert host.situation is Situation.TEGRA
    (found,) = host.accelerators
    assert (found.name, found.capability, found.integrated) == (
        "NVIDIA Jetson AGX Orin Developer Kit", None, True,
    )  # fmt: skip
    assert ("L4T", "36.4.3") in host.extra


def test_libcuda_tells_an_orins_capability(box: Box, fakes: Libraries) -> None:
    jetson(box, "NVIDIA Jetson Orin NX").libraries(fakes.cuda)
    host = detect(box.see(FAKE_CUDA_GPUS="Orin|8.7|15655|integrated"))
    assert [(g.name, g.capability, g.integrated) for g in host.accelerators] == [
        ("Orin", (8, 7), True)
    ]
    assert host.situation is Situation.TEGRA


def test_an_orin_whose_nvml_knows_no_capability_is_asked_by_libcuda_too(
    box: Box, fakes: Libraries
) -> None:
    jetson(box, "NVIDIA Jetson AGX Orin").libraries(fakes.nvml, fakes.cuda)
    gpus = {"FAKE_NVML_GPUS": "Orin (nvgpu)|-|1", "FAKE_CUDA_GPUS": "Orin|8.7|1|integrated"}
    host = detect(box.see(FAKE_NVML_DRIVER="540.4.0", **gpus))
    assert [g.capability for g in host.accelerators] == [(8, 7)]
    assert (host.driver, host.notes) == ("540.4.0", ())


def test_a_thor_runs_what_others_run(box: Box, fakes: Libraries) -> None:
    jetson(box, "NVIDIA Jetson AGX Thor", JETSON.replace("R36", "R38")).libraries(fakes.nvml)
    host = detect(box.see(FAKE_NVML_GPUS="NVIDIA Thor|11.0|125771"))
    assert host.situation is Situation.ORDINARY
    assert ("board", "NVIDIA Jetson AGX Thor") in host.extra


def test_a_raspberry_pi_is_no_board_of_nvidia(box: Box) -> None:
    box.file("/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    box.file("/proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0")
    host = detect(box.see())
    assert (host.situation, host.accelerators) == (Situation.ORDINARY, ())
