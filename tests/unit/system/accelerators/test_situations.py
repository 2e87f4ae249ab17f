"""Hosts without a GPU: which of them will never have one, and which only now have none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headrace.system.accelerators.detection import detect
from headrace.variants.hosts import Situation
from lib.gpu.hosts import Box


def test_bare_metal_without_a_gpu_is_ordinary(box: Box) -> None:
    box.file("/proc/1/cgroup", "0::/init.scope\n").file("/proc/sys/kernel/osrelease", "6.1.0-13\n")
    host = detect(box.see())
    assert (host.situation, host.accelerators, host.notes) == (Situation.ORDINARY, (), ())
    assert not host.wsl


@pytest.mark.parametrize(
    "describe",
    [
        lambda box: box.file("/.dockerenv"),
        lambda box: box.file("/run/.containerenv", 'engine="podman-5.0"\n'),
        lambda box: box.file("/run/systemd/container", "lxc\n"),
        lambda box: box.file("/.singularity.d/Singularity"),
        lambda box: box.file("/kaniko/executor"),
        lambda box: box.file("/proc/sys/kernel/hostname", "buildkitsandbox\n"),
        lambda box: box.file("/proc/1/cgroup", "12:pids:/docker/0123\n0::/docker/0123\n"),
        lambda box: box.file("/proc/1/cgroup", "0::/kubepods.slice/pod1/cri-1\n"),
        lambda box: box.env.update(KUBERNETES_SERVICE_HOST="10.0.0.1"),
        lambda box: box.env.update(APPTAINER_CONTAINER="/x.sif"),
        lambda box: box.env.update(container="oci"),
    ],
)
def test_a_container_without_a_gpu_says_so(box: Box, describe: Callable[[Box], object]) -> None:
    describe(box)
    host = detect(box.see())
    assert host.situation is Situation.CONTAINER
    assert "container" in dict(host.extra)
    assert any("--gpus all" in note for note in host.notes)


def test_what_an_image_says_of_its_host_is_handed_on(box: Box) -> None:
    box.file("/proc/sys/kernel/hostname", "buildkitsandbox")
    image = {
        "NVIDIA_REQUIRE_CUDA": "cuda>=12.8 brand=unknown,driver>=470,driver<471",
        "CUDA_VERSION": "12.8.1",
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }
    extra = dict(detect(box.see(**image)).extra)
    assert extra == {**image, "container": "image build"}


@pytest.mark.parametrize(
    ("describe", "name"),
    [
        (lambda box: box.program("sbatch", ""), "Slurm"),
        (lambda box: box.env.update(SLURM_CONF="/etc/slurm/slurm.conf"), "Slurm"),
        (lambda box: box.program("bsub", ""), "LSF"),
        (lambda box: box.env.update(LSF_ENVDIR="/opt/lsf/conf"), "LSF"),
        (lambda box: box.program("qsub", ""), "PBS"),
        (lambda box: box.env.update(SGE_ROOT="/opt/sge"), "Grid Engine"),
    ],
)
def test_a_login_node_is_told_by_its_batch_system(
    box: Box, describe: Callable[[Box], object], name: str
) -> None:
    describe(box)
    host = detect(box.see())
    assert host.situation is Situation.LOGIN_NODE
    assert ("batch system", name) in host.extra
    assert any(name in note for note in host.notes)


@pytest.mark.parametrize(
    "job",
    [
        {"SLURM_JOB_ID": "17"},
        {"SLURM_JOB_ID": "17", "SLURM_JOB_NODELIST": "n1", "SLURMD_NODENAME": "n1"},
        {"PBS_JOBID": "17.server"},
        {"LSB_JOBID": "17"},
        {"SGE_ROOT": "/opt/sge", "JOB_ID": "17"},
    ],
)
def test_a_job_without_a_gpu_is_an_ordinary_host(box: Box, job: dict[str, str]) -> None:
    assert detect(box.program("sbatch", "").see(**job)).situation is Situation.ORDINARY


def test_a_shell_of_salloc_still_stands_on_the_login_node(box: Box) -> None:
    job = {"SLURM_JOB_ID": "17", "SLURM_JOB_NODELIST": "gpu[01-02]"}
    assert detect(box.see(**job)).situation is Situation.LOGIN_NODE


def test_a_job_id_of_somebody_else_is_no_allocation(box: Box) -> None:
    assert detect(box.program("qsub", "").see(JOB_ID="17")).situation is Situation.LOGIN_NODE


def test_a_front_end_with_a_gpu_is_what_was_found(nvml: Box) -> None:
    host = detect(nvml.program("sbatch", "").see())
    assert host.situation is Situation.ORDINARY
    assert len(host.accelerators) == 2


def test_a_container_with_its_gpus_is_ordinary(nvml: Box) -> None:
    assert detect(nvml.file("/.dockerenv").see()).situation is Situation.ORDINARY


def test_wsl_without_a_gpu_is_wsl(box: Box) -> None:
    host = detect(box.file("/proc/sys/kernel/osrelease", "5.15.1-Microsoft-standard-WSL2").see())
    assert host.wsl
    assert host.situation is Situation.ORDINARY
