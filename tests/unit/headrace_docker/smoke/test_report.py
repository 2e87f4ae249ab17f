"""What a container says, read as a stranger's words; and what real programs said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.variants.hosts import Accelerator, Host
from headrace_docker.smoke import inside
from headrace_docker.smoke.report import MARK, WITHOUT_PYTHON, Report, read_report
from headrace_docker.smoke.verdict import Found, judge, sees_none

GPU = Host((Accelerator("nvidia", "NVIDIA A100", (8, 0)),), "580.82.09", (13, 0))
SMI = {
    "status": 0,
    "text": "| NVIDIA-SMI 580.82.09    Driver Version: 580.82.09    CUDA Version: 13.0     |\n"
    "|   0  NVIDIA A100-SXM4-40GB          On  |   00000000:63:00.0 Off |             0 |\n",
}
#: Of torch 2.15.0 as the official index has it, on a machine without a GPU.
NO_DRIVER = {
    "version": "2.15.0+cu132",
    "cuda": "13.2",
    "rocm": None,
    "devices": [],
    "product": [],
    "cpu": True,
    "available": False,
    "nccl": [2, 30, 7],
    "cudnn": 92600,
    "why": "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an "
    "NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx",
}
LOADS = (
    "torch: 2.15.0+cu132 for CUDA 13.2 loads; its product on the processor is right, "
    "NCCL 2.30.7, cuDNN 9.26.0"
)
CLOSED = {
    "libcaffe2_nvrtc.so": "libcuda.so.1: cannot open shared object file: No such file or directory",
    "nvshmem_transport_ucx.so.6": "libucs.so.0: cannot open shared object file: No such file",
}
ON_GPU = {
    **NO_DRIVER,
    "available": True,
    "why": None,
    "devices": ["NVIDIA A100-SXM4-40GB"],
    "product": [True],
}


def said(**told: Any) -> Report:
    document = {"form": 1, "python": "3.12.3", "parts": {}, **told}
    found = read_report(f"a banner\n{MARK}{json.dumps(document)}\nbyte\n")
    assert found is not None
    return found


def texts(report: Report, host: Host, how: Found) -> list[str]:
    return [f"{each.what}: {each.text}" for each in judge(report, host) if each.found is how]


def test_without_a_gpu_what_can_be_looked_at_is_and_the_rest_is_named() -> None:
    report = said(parts={"torch": NO_DRIVER}, libraries={"opened": 48, "closed": CLOSED})
    assert texts(report, Host(), Found.WRONG) == []
    assert texts(report, Host(), Found.WORKS) == [
        LOADS,
        "libraries: 48 open",
    ]
    assert texts(report, Host(), Found.UNCHECKED) == [
        "nvidia-smi: there is no GPU here",
        "torch: products on a GPU: there is none here",
        "libraries: 1 library (libcaffe2_nvrtc.so) need the driver's own",
        "libraries: 1 do not open for want of libucs.so.0",
    ]


def test_on_a_gpu_its_product_is_compared_and_its_variables_are_held_to() -> None:
    given = {"CUDA_VISIBLE_DEVICES": "0"}
    report = said(parts={"torch": ON_GPU}, nvidia_smi=SMI, variables=given)
    assert texts(report, GPU, Found.WRONG) == []
    works = texts(report, GPU, Found.WORKS)
    assert works[0] == "nvidia-smi: driver 580.82.09, CUDA 13.0, 1 GPU (NVIDIA A100-SXM4-40GB)"
    assert "torch: its product on NVIDIA A100-SXM4-40GB is the processor's" in works
    assert "CUDA_VISIBLE_DEVICES: 0: torch sees 1" in works
    narrowed = said(
        parts={"torch": ON_GPU}, nvidia_smi=SMI, variables={"CUDA_VISIBLE_DEVICES": "0,1"}
    )
    assert texts(narrowed, GPU, Found.WRONG) == ["CUDA_VISIBLE_DEVICES: 0,1: torch sees 1 GPU"]


@pytest.mark.parametrize(
    ("given", "seen", "found"),
    [
        ("", 0, Found.WORKS),
        ("-1", 0, Found.WORKS),
        ("NoDevFiles", 0, Found.WORKS),
        ("0,-1,1", 1, Found.WORKS),
        ("GPU-3d8f1c7a-1111-2222-3333-444455556666", 1, Found.WORKS),
        ("MIG-3d8f1c7a-1111-2222-3333-444455556666", 1, Found.WORKS),
        ("0,7", 1, Found.WRONG),
        ("7", 0, Found.WRONG),
    ],
)
def test_variable_is_read_as_cuda_reads_it_and_who_hides_all_gpus_is_not_warned(
    given: str, seen: int, found: Found
) -> None:
    part = ON_GPU if seen else NO_DRIVER
    report = said(parts={"torch": part}, nvidia_smi=SMI, variables={"CUDA_VISIBLE_DEVICES": given})
    (about,) = [each for each in judge(report, GPU) if each.what == "CUDA_VISIBLE_DEVICES"]
    assert about.found is found
    wrong = texts(report, GPU, Found.WRONG)
    assert len(wrong) == (0 if found is Found.WORKS else 2 - seen)
    assert sees_none(report) is False


def test_variable_that_hides_nothing_on_a_machine_with_gpus_is_not_said_to_be_without() -> None:
    report = said(parts={"torch": NO_DRIVER}, variables={"CUDA_VISIBLE_DEVICES": "0"})
    assert sees_none(report)
    assert not any("no GPU here" in text for text in texts(report, GPU, Found.UNCHECKED))
    assert "CUDA_VISIBLE_DEVICES: 0: torch sees 0 GPUs" in texts(report, GPU, Found.WRONG)


def test_torch_that_cannot_say_which_nccl_or_cudnn_it_has_says_why() -> None:
    """torch without NCCL, and one whose cuDNN is another one than it was made with."""
    part = {
        **NO_DRIVER,
        "nccl": "AttributeError: module 'torch._C' has no attribute '_nccl_version'",
        "cudnn": "RuntimeError: cuDNN version incompatibility: PyTorch was compiled against (9, 1)",
    }
    report = said(parts={"torch": part})
    (works,) = texts(report, Host(), Found.WORKS)
    assert works.endswith("loads; its product on the processor is right")
    (wrong,) = texts(report, Host(), Found.WRONG)
    assert wrong.startswith("torch: its cuDNN does not say its version: RuntimeError")
    assert any("its NCCL does not say" in text for text in texts(report, Host(), Found.UNCHECKED))


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({**ON_GPU, "product": [False]}, "its product on NVIDIA A100-SXM4-40GB is wrong"),
        ({**ON_GPU, "product": ["RuntimeError: no kernel image"]}, "no kernel image"),
        ({**ON_GPU, "cpu": False}, "its product on the processor is wrong"),
        (NO_DRIVER, "sees no GPU: RuntimeError: Found no NVIDIA driver"),
        ({**NO_DRIVER, "cuda": None, "why": None}, "built for none"),
        ({"error": "it ended with status -11", "said": "x\nlibcudart: bad\n"}, "libcudart: bad"),
    ],
)
def test_everything_that_a_gpu_shows_to_be_wrong_is_said(part: dict[str, Any], wrong: str) -> None:
    found = texts(said(parts={"torch": part}, nvidia_smi=SMI), GPU, Found.WRONG)
    assert len(found) == 1
    assert wrong in found[0]


def test_driver_that_is_asked_itself_stands_in_for_a_framework() -> None:
    report = said(driver={"init": 0, "cuda": 13000, "count": 1}, nvidia_smi=SMI)
    assert "driver: libcuda.so.1 answers, with 1 GPU" in texts(report, GPU, Found.WORKS)
    report = said(driver={"init": 803}, nvidia_smi=SMI)
    assert texts(report, GPU, Found.WRONG) == [
        "driver: libcuda.so.1 does not answer: cuInit returned 803"
    ]


def test_fewer_gpus_than_are_here_are_told_unless_they_were_asked_for() -> None:
    two = Host((*GPU.accelerators, *GPU.accelerators), GPU.driver, GPU.cuda)
    report = said(parts={"torch": ON_GPU}, nvidia_smi=SMI)
    assert texts(report, two, Found.WRONG) == ["GPUs: the container has 1 GPU, and this machine 2"]
    asked = said(parts={"torch": ON_GPU}, nvidia_smi=SMI, variables={"NVIDIA_VISIBLE_DEVICES": "0"})
    assert texts(asked, two, Found.WRONG) == []


def test_image_without_a_python_says_what_nvidia_smi_said() -> None:
    devices = "/dev/nvidia0\n/dev/nvidiactl\n"
    text = f"\n{WITHOUT_PYTHON}\n{SMI['text']}\nheadrace-check status 0\n{devices}"
    report = read_report(text)
    assert report is not None
    assert report.devices == ("/dev/nvidia0", "/dev/nvidiactl")
    assert any("driver 580.82.09" in each for each in texts(report, GPU, Found.WORKS))
    nothing = read_report(f"{WITHOUT_PYTHON}\n\nheadrace-check status 127\n")
    assert nothing == Report()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Segmentation fault",
        MARK,
        f"{MARK}[]",
        f"{MARK}{{}}",
        f'{MARK}{{"form": 2}}',
        f"{MARK}{'[' * 5000}",
        f"{MARK}nonsense",
        f'{MARK}{{"form": 1, "python": Infinity}}',
    ],
)
def test_what_is_no_report_is_none(text: str) -> None:
    assert read_report(text) is None


@pytest.mark.parametrize(
    "odd",
    [None, True, -1, 1 << 80, 1e300, "\x1b]0;x\x07\x1b[2J", "y" * 100_000, [[]] * 500, {"a": {}}],
)
def test_whatever_stands_where_is_bounded_and_obeyed_by_no_terminal(odd: object) -> None:
    inner = dict.fromkeys((*ON_GPU, "error", "said"), odd)
    fields = ("python", "variables", "devices", "nvidia_smi", "listed", "driver", "libraries")
    for told in (
        dict.fromkeys((*fields, "parts"), odd),
        {"parts": {"torch": inner}, "libraries": {"opened": odd, "closed": {"x": odd}}},
        {"parts": odd, "nvidia_smi": {"status": odd, "text": odd}, "driver": {"init": odd}},
        {"nvidia_smi": {"status": 0, "text": odd}, "variables": {"CUDA_VISIBLE_DEVICES": odd}},
    ):
        document = {"form": 1, **told}
        report = read_report(f"{MARK}{json.dumps(document)}")
        assert report is not None
        for host in (Host(), GPU):
            lines = [f"{c.what} {c.text} {c.way_out}" for c in judge(report, host)]
            assert len(lines) < 300
            assert all(line.isprintable() and len(line) < 2500 for line in lines)


def begun_inside(modules: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as containers do, with modules of a test's own."""
    source = Path(inside.__file__).read_text("utf-8")
    return subprocess.run(
        [sys.executable, "-c", source],
        env={"PATH": os.environ["PATH"], "HEADRACE_CHECK": source, "PYTHONPATH": str(modules)},
        capture_output=True,
        text=True,
        check=True,
    )


def test_program_inside_needs_nothing_and_is_read_by_its_reader(tmp_path: Path) -> None:
    """As the containers of most images run it: the source on the command line and in a variable."""
    torch = tmp_path / "torch"
    torch.mkdir()
    (torch / "__init__.py").write_text("print('noise')\nraise ImportError('libcudart.so.13')\n")
    done = begun_inside(tmp_path)
    report = read_report(done.stdout)
    assert report is not None
    assert report.python == sys.version.split()[0]
    (found,) = [each for each in report.frameworks if each.name == "torch"]
    assert found.error == "ImportError: libcudart.so.13"


@pytest.mark.parametrize(
    ("torch", "error"),
    [
        ("import os\nfor _ in range(500): os.write(2, b'y' * 65536)\nos._exit(7)\n", "status 7"),
        ("import os\nos.write(2, b'x')\nraise SystemExit(3)\n", "status 3"),
    ],
)
def test_library_that_prints_without_end_is_heard_in_bounds(
    tmp_path: Path, torch: str, error: str
) -> None:
    (tmp_path / "torch.py").write_text(torch)
    done = begun_inside(tmp_path)
    assert len(done.stdout) < 100_000
    report = read_report(done.stdout)
    assert report is not None
    assert error in report.frameworks[0].error
