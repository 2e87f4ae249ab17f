"""Why a host stands as it does: containers, image builds, login nodes, WSL, what an image says."""

from __future__ import annotations

from headrace.config import EnvVars
from headrace.system.accelerators.host_view import HostView

__all__ = ["allocated", "batch", "container", "image", "wsl"]

#: Files that only containers have, in the words of whoever makes them.
_MARKERS = (
    "/.dockerenv",
    "/run/.containerenv",
    "/run/systemd/container",
    "/.singularity.d",
    "/kaniko",
)
_VARIABLES = (
    EnvVars.APPTAINER_CONTAINER,
    EnvVars.SINGULARITY_CONTAINER,
    EnvVars.KUBERNETES_SERVICE_HOST,
    EnvVars.CONTAINER,
)
#: The host name that BuildKit gives to the steps of an image's build.
_BUILD_HOST = "buildkitsandbox"
#: Where the first process of a machine lives; that of a container lives elsewhere or sees "/".
_HOME_GROUPS = ("", "/", "/init.scope", "/init")
#: What an image says of the host that it wants.
_IMAGE = (
    EnvVars.NVIDIA_REQUIRE_CUDA,
    EnvVars.NVIDIA_DISABLE_REQUIRE,
    EnvVars.CUDA_VERSION,
    EnvVars.NVIDIA_VISIBLE_DEVICES,
    EnvVars.NVIDIA_DRIVER_CAPABILITIES,
)


def container(host_view: HostView) -> str | None:
    """Return what shows that this is a container, or None."""
    if not host_view.is_linux:
        return None
    if host_view.text("/proc/sys/kernel/hostname") == _BUILD_HOST:
        return "image build"
    for marker in _MARKERS:
        if host_view.exists(marker):
            return marker
    for name in _VARIABLES:
        if host_view.env.get(name):
            return name
    for line in (host_view.text("/proc/1/cgroup") or "").splitlines():
        words = line.split(":", 2)
        if len(words) == 3 and words[0].isdigit() and words[2] not in _HOME_GROUPS:
            return "/proc/1/cgroup"
    return None


def wsl(host_view: HostView) -> bool:
    """True inside Windows' Subsystem for Linux, and in containers in it."""
    release = host_view.text("/proc/sys/kernel/osrelease") or ""
    return host_view.is_linux and "microsoft" in release.lower()


def batch(host_view: HostView) -> str | None:
    """Return the name of the batch system that this host belongs to, or None."""
    env, which = host_view.env, host_view.which
    if env.get(EnvVars.SLURM_CONF) or env.get(EnvVars.SLURM_JOB_ID) or which("sbatch"):
        return "Slurm"
    if env.get(EnvVars.LSF_ENVDIR) or env.get(EnvVars.LSB_JOBID) or which("bsub"):
        return "LSF"
    if env.get(EnvVars.PBS_SERVER) or env.get(EnvVars.PBS_JOBID):
        return "PBS"
    if env.get(EnvVars.SGE_ROOT):
        return "Grid Engine"
    return "PBS" if which("qsub") else None


def allocated(host_view: HostView) -> bool:
    """True inside a job, where what is found here is what the job has.

    A shell of ``salloc`` has an allocation and may still stand on the login node.
    """
    env = host_view.env
    if env.get(EnvVars.SLURM_JOB_ID):
        here = env.get(EnvVars.SLURMD_NODENAME) or env.get(EnvVars.SLURM_PROCID)
        return bool(here) or not env.get(EnvVars.SLURM_JOB_NODELIST)
    grid_engine = env.get(EnvVars.SGE_ROOT) and env.get(EnvVars.JOB_ID)
    return bool(env.get(EnvVars.PBS_JOBID) or env.get(EnvVars.LSB_JOBID) or grid_engine)


def image(host_view: HostView) -> tuple[tuple[str, str], ...]:
    """Return what the image says of the host that it wants, for whoever must guess."""
    env = host_view.env
    return tuple((name, env[name][:2000]) for name in _IMAGE if env.get(name))
