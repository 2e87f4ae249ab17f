"""What nvidia-smi prints, read from the program's own table and its own words of failure. Pure.

Its table is not promised to stay: up to driver 595 it says "Driver Version" and "CUDA Version",
from 610 on "KMD Version" and "CUDA UMD Version" (NVIDIA, System Management Interface, changes).
"""

from __future__ import annotations

import re

from headrace.interface import dataclass, heard
from headrace_docker.smoke.report import Printed

__all__ = ["SmiRead", "read_nvidia_smi"]

_DRIVER = re.compile(r"(?:Driver|KMD) Version:\s{0,20}([0-9]{1,6}(?:\.[0-9]{1,6}){0,3})")
_CUDA = re.compile(r"CUDA(?: UMD)? Version:\s{0,20}([0-9]{1,3}\.[0-9]{1,3})")
_LISTED = re.compile(r"^\s*GPU [0-9]{1,4}: (.{1,200}?) \(UUID: ", re.MULTILINE)
_INSTANCE = re.compile(r"^\s+MIG (\S{1,40})\s+Device\s+[0-9]{1,4}: \(UUID: MIG-", re.MULTILINE)
_ROW = re.compile(r"^\|\s{1,4}[0-9]{1,4}  (\S.{0,60}?)\s{1,40}(?:On|Off|N/A)\s+\|", re.MULTILINE)

#: Its words of failure, in small letters: what they mean, and the one thing to do.
_FAILURES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        heard("driver/library version mismatch"),
        "the driver's libraries are newer than the module that is loaded",
        "restart this machine: the driver was renewed while it ran",
    ),
    (
        heard("couldn't communicate with the nvidia driver"),
        "the driver is not loaded, or not for this kernel",
        "`sudo modprobe nvidia` says why; after a new kernel the driver is to be built anew",
    ),
    (
        heard("driver not loaded"),
        "the driver is not loaded",
        "`sudo modprobe nvidia` says why; after a new kernel the driver is to be built anew",
    ),
    (
        heard("couldn't find libnvidia-ml.so"),
        "the driver's libraries are not in the container",
        "give the container the GPU: --gpus all, or a CDI device",
    ),
    (
        heard("insufficient permissions"),
        "the container may not use the GPU's devices",
        "look at who may use /dev/nvidia*, and at no-cgroups for engines without root",
    ),
    (
        heard("gpu is lost"),
        "a GPU has fallen off its bus",
        "restart this machine; the kernel's log (`dmesg`) has what came before",
    ),
    (
        heard("unable to determine the device handle"),
        "a GPU does not answer",
        "restart this machine; the kernel's log (`dmesg`) has what came before",
    ),
    (
        heard("failed to initialize nvml: unknown error"),
        "the container's right to the GPU's devices is gone, or never was",
        "start the container again; `headrace doctor` says what keeps it from happening again",
    ),
    (
        heard("no devices were found"),
        "the driver is there, and none of its GPUs is",
        "give the container a GPU: --gpus all, or a CDI device",
    ),
)


@dataclass(frozen=True, slots=True)
class SmiRead:
    """What it says."""

    driver: str = ""
    cuda: str = ""
    gpus: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    """Profiles of MIG's instances: ``1g.10gb``."""
    problem: str = ""
    """What is wrong, in our words; empty: nothing."""
    way_out: str = ""


def read_nvidia_smi(printed: Printed, listed: Printed | None = None) -> SmiRead:
    """Read its table, and the list of ``-L`` where there is one."""
    words = printed.text.lower()
    for said, problem, way_out in _FAILURES:
        if any(each in words for each in said):
            return SmiRead(problem=problem, way_out=way_out)
    driver, cuda = _DRIVER.search(printed.text), _CUDA.search(printed.text)
    if driver is None or printed.status != 0:
        first = next((line for line in printed.text.splitlines() if line.strip()), "")
        quoted = first.strip()[:200]
        problem = f"it ended with status {printed.status}: {quoted}"
        return SmiRead(problem=problem, way_out="run it on this machine itself, outside containers")
    told = listed.text if listed is not None and listed.status == 0 else ""
    names = _LISTED.findall(told) or _ROW.findall(printed.text)
    return SmiRead(driver[1], cuda[1] if cuda else "", tuple(names), tuple(_INSTANCE.findall(told)))
