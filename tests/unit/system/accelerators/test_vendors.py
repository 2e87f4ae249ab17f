"""Hosts of AMD, Intel, Huawei and Apple, and mixed ones."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from headrace.system.accelerators import windows_devices
from headrace.system.accelerators.detection import detect
from headrace.system.accelerators.vendors.amd import architecture
from headrace.variants.hosts import Host, Situation
from lib.gpu.hosts import Box, Libraries


def shown(host: Host) -> list[tuple[str, str | None, bool]]:
    return [(gpu.maker, gpu.architecture, gpu.integrated) for gpu in host.accelerators]


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (90010, "gfx90a"), (90402, "gfx942"), (90006, "gfx906"), (100300, "gfx1030"),
        (110000, "gfx1100"), (110501, "gfx1151"), (120001, "gfx1201"), (0, None), (-1, None),
        (10**9, None),
    ],
)  # fmt: skip
def test_the_kernels_number_is_spelled_as_rocm_spells_it(number: int, name: str | None) -> None:
    assert architecture(number) == name


def test_a_card_beside_a_processors_graphics_is_told_from_it(box: Box) -> None:
    box.kfd(0, cpu_cores_count=16, simd_count=0, gfx_target_version=0)
    box.kfd(1, "navi31", cpu_cores_count=0, simd_count=192, gfx_target_version=110000)
    box.kfd(2, "raphael", cpu_cores_count=0, simd_count=4, gfx_target_version=100306)
    banks = "/sys/class/kfd/kfd/topology/nodes/1/mem_banks"
    box.file(f"{banks}/0/properties", "heap_type 1\nsize_in_bytes 25753026560\nflags 0\n")
    box.file("/opt/rocm/.info/version", "6.2.4-139\n")
    host = detect(box.see())
    assert shown(host) == [("amd", "gfx1100", False), ("amd", "gfx1036", True)]
    card = host.accelerators[0]
    assert (card.name, card.memory, card.runtime) == ("navi31", 25753026560, "6.2.4")
    assert host.method == "kfd"
    assert host.situation is Situation.ORDINARY


def test_an_apu_whose_node_has_processor_cores_is_integrated(box: Box) -> None:
    box.kfd(0, cpu_cores_count=8, simd_count=24, gfx_target_version=90012)
    assert shown(detect(box.see())) == [("amd", "gfx90c", True)]


def test_a_container_that_lists_amds_gpu_without_its_device_has_none(box: Box) -> None:
    box.kfd(1, gfx_target_version=90402).file("/.dockerenv")
    (box.root / "dev/kfd").unlink()
    host = detect(box.see())
    assert (host.accelerators, host.situation) == ((), Situation.CONTAINER)


@pytest.mark.parametrize("junk", ["", "gfx_target_version x\n", "gfx_target_version 99999999999\n",
                                  "gfx_target_version\n", "\x00\x01\n" * 9])  # fmt: skip
def test_a_topology_of_nonsense_has_no_gpu(box: Box, junk: str) -> None:
    box.file("/dev/kfd").file("/sys/class/kfd/kfd/topology/nodes/0/properties", junk)
    assert detect(box.see()).accelerators == ()


@pytest.mark.parametrize(
    ("device", "family", "name"),
    [
        (0x56A0, "dg2", "Alchemist"), (0xE20B, "bmg", "Battlemage"), (0x0BD5, "pvc", "GPU Max"),
        (0x7D55, "mtl", "Meteor Lake-H"), (0x64A0, "lnl", "Lunar Lake"), (0x7D45, None, "Lake-U"),
        (0x4680, None, "0x4680"), (0x56C0, None, "Flex"), (0x9A49, None, "0x9a49"),
        (0x7D51, "arl", "Arrow Lake-H"), (0x7D41, None, "Arrow Lake-U"), (0xB080, "ptl", "Arc"),
        (0xB0A0, None, "without Arc"),
    ],
)  # fmt: skip
def test_intels_families_are_known_by_their_numbers(
    box: Box, device: int, family: str | None, name: str
) -> None:
    box.pci("0000:00:02.0", 0x8086, device).file("/dev/dri/renderD128")
    (found,) = detect(box.see()).accelerators
    assert (found.maker, found.architecture) == ("intel", family)
    assert name in found.name


def test_an_arc_without_its_kernel_driver_says_so(box: Box) -> None:
    host = detect(box.pci("0000:03:00.0", 0x8086, 0x56A0).see())
    assert "i915, xe" in host.notes[0]


def test_a_processors_old_graphics_do_not_make_a_container_a_gpu_host(box: Box) -> None:
    box.pci("0000:00:02.0", 0x8086, 0x4680).file("/dev/dri/renderD128").file("/.dockerenv")
    assert detect(box.see()).situation is Situation.CONTAINER


def test_nvidia_comes_before_the_processors_graphics(nvml: Box) -> None:
    nvml.pci("0000:00:02.0", 0x8086, 0x4680).file("/dev/dri/renderD128")
    nvml.kfd(1, "raphael", gfx_target_version=100306)
    host = detect(nvml.see())
    assert [gpu.maker for gpu in host.accelerators] == ["nvidia", "nvidia", "amd", "intel"]
    assert host.method == "nvml"


def test_ascend_is_known_by_its_device_nodes(box: Box) -> None:
    for name in ("davinci0", "davinci1", "davinci_manager"):
        box.file(f"/dev/{name}")
    box.file("/usr/local/Ascend/driver/version.info", "Version=24.1.rc2\nascendhal_version=7.35\n")
    host = detect(box.pci("0000:81:00.0", 0x19E5, 0xD802, 0x120000).see())
    assert [(gpu.maker, gpu.driver) for gpu in host.accelerators] == [("huawei", "24.1.rc2")] * 2


def test_an_ascend_without_its_driver_is_told(box: Box) -> None:
    host = detect(box.pci("0000:81:00.0", 0x19E5, 0xD802, 0x120000).see())
    assert host.accelerators == ()
    assert "Ascend" in host.notes[0]


def test_apples_own_processors_have_a_gpu_and_intels_macs_none(box: Box) -> None:
    see = replace(box.see(), platform="darwin", machine="aarch64")
    host = detect(see)
    assert [gpu.maker for gpu in host.accelerators] == ["apple"]
    assert (host.platform, host.libc, host.situation) == ("darwin", None, Situation.ORDINARY)
    assert detect(replace(see, machine="x86_64")).accelerators == ()


def test_windows_adapters_are_told_by_their_hardware_ids() -> None:
    adapters = [
        (r"PCI\VEN_8086&DEV_56A0&SUBSYS_10208086", "Intel(R) Arc(TM) A770 Graphics"),
        (r"pci\ven_10de&dev_2684", "NVIDIA GeForce RTX 4090"),
        (r"ROOT\BasicDisplay", "Microsoft Basic Display Adapter"),
        ("", ""),
    ]
    (arc,) = windows_devices.intel(adapters)
    assert (arc.name, arc.architecture) == ("Intel(R) Arc(TM) A770 Graphics", "dg2")
    assert windows_devices.nvidia_names(adapters) == ["NVIDIA GeForce RTX 4090"]
    assert windows_devices.display_devices() == [] or sys.platform == "win32"


def test_a_windows_host_is_asked_through_its_libraries(box: Box, fakes: Libraries) -> None:
    see = replace(box.libraries(fakes.nvml).see(FAKE_NVML_GPUS="RTX 4090|8.9|24564"),
                  platform="win32")  # fmt: skip
    host = detect(see)
    assert [gpu.capability for gpu in host.accelerators] == [(8, 9)]
    assert host.libc is None
