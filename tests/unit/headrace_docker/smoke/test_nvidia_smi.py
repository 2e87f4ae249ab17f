"""nvidia-smi's own words, as its versions print them; the lines of tables that count are whole.

Sources: the program's output in public reports: 470 and 535 (NVIDIA/nvidia-container-toolkit),
550.40.07 (Frogging-Family/nvidia-all 212), 580.82.09 (aikitoria/open-gpu-kernel-modules 5),
610.43.02 (sgl-project/sglang 27487); its man page for -L and the failures.
"""

from __future__ import annotations

import pytest

from headrace_docker.smoke.nvidia_smi import read_nvidia_smi
from headrace_docker.smoke.report import Printed

OLD = """\
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 470.57.02    Driver Version: 470.57.02    CUDA Version: 11.4     |
|-------------------------------+----------------------+----------------------+
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
|   0  Tesla T4            Off  | 00000000:00:1E.0 Off |                    0 |
"""
R580 = """\
Tue Sep 16 20:59:23 2025
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.82.09              Driver Version: 580.82.09      CUDA Version: 13.0     |
+-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
|=========================================+========================+======================|
|   0  NVIDIA GeForce RTX 5090        Off |   00000000:01:00.0 Off |                  N/A |
|  0%   31C    P8              6W /  600W |       2MiB /  32607MiB |      0%      Default |
+-----------------------------------------+------------------------+----------------------+
|   1  NVIDIA GeForce RTX 4090        Off |   00000000:02:00.0 Off |                  Off |
"""
R610 = """\
| NVIDIA-SMI 610.43.02              KMD Version: 610.43.02     CUDA UMD Version: 13.3     |
|   0  NVIDIA B200                    On  |   00000000:63:00.0 Off |                    0 |
|   1  NVIDIA B200                    On  |   00000000:68:00.0 Off |                    0 |
"""
NOT_LOADED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n"
)
MISMATCH = (
    "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.126\n"
)
NO_LIBRARY = (
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the "
    "NVIDIA Display Driver is properly installed and present in your system.\n"
)
LOST = (
    "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  Reboot the system "
    "to recover this GPU\n"
)
WITHOUT_CUDA = "| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: N/A      |\n"
MIG = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-a2b4e7d6-3b56-5a0c-9d4f-1f3b2b2b1a11)
  MIG 1g.5gb      Device  1: (UUID: MIG-b3c5f8e7-4c67-5b1d-8e5a-2a4c3c3c2b22)
"""


@pytest.mark.parametrize(
    ("text", "driver", "cuda", "gpus"),
    [
        (OLD, "470.57.02", "11.4", ("Tesla T4",)),
        (R580, "580.82.09", "13.0", ("NVIDIA GeForce RTX 5090", "NVIDIA GeForce RTX 4090")),
        (R610, "610.43.02", "13.3", ("NVIDIA B200", "NVIDIA B200")),
        (WITHOUT_CUDA, "550.54.15", "", ()),
    ],
)
def test_tables_of_every_age_give_driver_cuda_and_gpus(
    text: str, driver: str, cuda: str, gpus: tuple[str, ...]
) -> None:
    read = read_nvidia_smi(Printed(0, text))
    assert (read.driver, read.cuda, read.gpus, read.problem) == (driver, cuda, gpus, "")


def test_instances_of_mig_are_listed_below_their_gpu() -> None:
    read = read_nvidia_smi(Printed(0, R580), Printed(0, MIG))
    assert read.gpus == ("NVIDIA A100-SXM4-40GB",)
    assert read.instances == ("3g.20gb", "1g.5gb")


@pytest.mark.parametrize(
    ("status", "text", "problem", "way_out"),
    [
        (
            9,
            NOT_LOADED,
            "not loaded",
            "modprobe nvidia",
        ),
        (
            18,
            MISMATCH,
            "newer than the module",
            "restart this machine",
        ),
        (255, "Failed to initialize NVML: Unknown Error", "right to the GPU's", "headrace doctor"),
        (9, "Failed to initialize NVML: Driver Not Loaded", "not loaded", "modprobe"),
        (4, "Failed to initialize NVML: Insufficient Permissions", "may not use", "/dev/nvidia"),
        (6, "No devices were found", "none of its GPUs", "--gpus all"),
        (
            12,
            NO_LIBRARY,
            "not in the container",
            "--gpus all",
        ),
        (
            15,
            LOST,
            "fallen off its bus",
            "restart this machine",
        ),
        (1, "Segmentation fault", "status 1: Segmentation fault", "outside containers"),
        (0, "", "status 0", "outside containers"),
    ],
)
def test_every_known_failure_is_said_in_plain_words_with_one_way_out(
    status: int, text: str, problem: str, way_out: str
) -> None:
    read = read_nvidia_smi(Printed(status, text))
    assert problem in read.problem
    assert way_out in read.way_out
    assert not read.driver
