"""Ask NVIDIA's libraries by way of the child process, and read what it emits."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.config import EnvVars
from headrace.foreign import read_json_or_none
from headrace.system.accelerators import bounded_process
from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.nvidia.error_codes import crash_note
from headrace.system.accelerators.nvidia.kernel import VERSION
from headrace.system.accelerators.records import accelerator_of, text_of, version_of
from headrace.system.accelerators.results import ProbeOutcome, ProbeResult
from headrace.variants.hosts import Accelerator
from headrace.wording import counted

__all__ = ["UNNAMED", "ask_libcuda", "ask_nvml", "ask_plugin"]

#: What a GPU is called that does not say its name.
UNNAMED = "NVIDIA GPU"
#: Where the libraries lie outside of the loader's own path: WSL, NixOS, Jetson.
_FOLDERS = ("/usr/lib/wsl/lib", "/run/opengl-driver/lib")
_TEGRA_FOLDERS = ("/usr/lib/aarch64-linux-gnu/nvidia", "/usr/lib/aarch64-linux-gnu/tegra")
_LIBRARY_NOT_FOUND = 12
_LOST = 15
_NO_LIBCUDA = (
    "libcuda.so.1 is not here, so nothing can compute: install it, or start the container with"
    " NVIDIA_DRIVER_CAPABILITIES=compute,utility"
)


def ask_nvml(host_view: HostView) -> ProbeResult:
    """Ask the management library."""
    return _ask("nvml", _places(host_view, "libnvidia-ml.so.1", "nvml.dll"), host_view)


def ask_libcuda(host_view: HostView) -> ProbeResult:
    """Ask the CUDA driver's library."""
    return _ask("libcuda", _places(host_view, "libcuda.so.1", "nvcuda.dll"), host_view)


def ask_plugin(name: str, host_view: HostView, timeout: float) -> ProbeResult:
    """Ask a plugin's detector by its name or reference; an answer that makes no sense is none."""
    ran, facts = run_child(host_view, timeout, "plugin", name)
    found = []
    for fact in facts:
        if "raised" in fact:
            return ProbeResult(name, ProbeOutcome.CRASHED, f"raised {text_of(fact['raised'])}")
        if "accelerator" in fact:
            try:
                found.append(accelerator_of(fact["accelerator"]))
            except ValueError as error:
                return ProbeResult(name, ProbeOutcome.CRASHED, f"its answer {error}")
    if ran.late:
        return ProbeResult(name, ProbeOutcome.SILENT, ran.trouble)
    if not _is_whole(facts):
        return ProbeResult(name, ProbeOutcome.CRASHED, ran.trouble or "ended without an answer")
    return ProbeResult(name, ProbeOutcome.ANSWERED, _gpus(len(found)), accelerators=tuple(found))


def run_child(
    host_view: HostView, timeout: float, what: str, *words: str
) -> tuple[bounded_process.ProcessResult, list[Mapping[str, Any]]]:
    """Run the child process; return how it ended and every fact that it emitted."""
    env = {k: v for k, v in host_view.env.items() if k != EnvVars.CUDA_VISIBLE_DEVICES}
    # -P: the folder that the user happens to stand in must not supply modules.
    argv = (sys.executable, "-P", "-m", f"{__package__}.child", f"{timeout:g}", what, *words)
    ran = bounded_process.run(argv, env, timeout)
    return ran, list(_facts(ran.output))


def _facts(output: str) -> Iterator[Mapping[str, Any]]:
    for line in output.splitlines():
        fact = read_json_or_none(line)
        if isinstance(fact, dict):
            yield fact


def _is_whole(facts: Sequence[Mapping[str, Any]]) -> bool:
    return any(fact.get("done") is True for fact in facts)


def _places(host_view: HostView, soname: str, dll: str) -> list[str]:
    """Return names and paths of a library in the order in which to try them."""
    if host_view.platform == "win32":  # the bindings of NVML know their places themselves
        return [dll]
    folders: tuple[str, ...] = _FOLDERS
    if host_view.exists("/etc/nv_tegra_release"):
        folders += _TEGRA_FOLDERS
    paths = [str(host_view.path(f"{folder}/{soname}")) for folder in folders]
    # A Linux driver installed inside WSL by mistake must not come before the one of Windows.
    return [paths[0], soname, *paths[1:]] if host_view.exists("/dev/dxg") else [soname, *paths]


def _ask(way: str, places: Sequence[str], host_view: HostView) -> ProbeResult:
    ran, facts = run_child(host_view, host_view.patience(), way, *places)
    known = _known(way, facts)
    if _is_whole(facts):
        return replace(known, outcome=ProbeOutcome.ANSWERED, said=_gpus(len(known.accelerators)))
    if ran.late:
        return replace(known, outcome=ProbeOutcome.SILENT, said=ran.trouble)
    if ran.crashed:
        note = crash_note(known.loaded or places[0], ran.trouble)
        return replace(known, said=ran.trouble, notes=(*known.notes, note))
    error = next((fact for fact in facts if "call" in fact or "raised" in fact), {})
    if "raised" in error or not error:
        raised = f"raised {text_of(error['raised'])}" if error else ""
        return replace(known, said=raised or ran.trouble or "ended without an answer")
    text = text_of(error.get("text")) or "error"
    if not isinstance(error.get("code"), int):
        return ProbeResult(way, ProbeOutcome.ABSENT, text)
    said = f"{error['call']}: {text} ({error['code']})"
    return replace(known, outcome=ProbeOutcome.REFUSED, said=said, code=error["code"])


def _known(way: str, facts: Sequence[Mapping[str, Any]]) -> ProbeResult:
    """Put together what was told before it ended, however it ended."""
    driver = next((text_of(fact["driver"]) for fact in facts if "driver" in fact), None)
    if driver is not None and not VERSION.fullmatch(driver):
        driver = None
    cuda = next((_cuda(fact["cuda"]) for fact in facts if "cuda" in fact), None)
    notes = [_NO_LIBCUDA for fact in facts if fact.get("cuda_code") == _LIBRARY_NOT_FOUND]
    gpus = []
    for fact in facts:
        if isinstance(entry := fact.get("gpu"), dict):
            gpu, note = _gpu(way, entry, driver, cuda)
            gpus.append(gpu)
            notes += [note] if note else []
    library = next((text_of(fact["library"]) for fact in facts if "library" in fact), None)
    return ProbeResult(
        way, ProbeOutcome.CRASHED, "", None, driver, cuda, tuple(gpus), tuple(notes), library
    )


def _gpus(number: int) -> str:
    return "no GPU" if number == 0 else counted(number, "GPU")


def _cuda(number: Any) -> tuple[int, int] | None:
    """Read 1000 * major + 10 * minor."""
    if not isinstance(number, int) or number < 1000:
        return None
    return version_of((number // 1000, number % 1000 // 10))


def _gpu(
    way: str, entry: Mapping[str, Any], driver: str | None, cuda: tuple[int, int] | None
) -> tuple[Accelerator, str]:
    name = text_of(entry.get("name")) or UNNAMED
    memory = entry.get("memory")
    capability = version_of(entry.get("capability"))
    found = Accelerator(
        "nvidia",
        name,
        capability,
        driver=driver,
        runtime=cuda and f"{cuda[0]}.{cuda[1]}",
        memory=memory if isinstance(memory, int) and memory > 0 else None,
        method=way,
        integrated=entry.get("integrated") is True,
        mig=entry.get("mig") is True,
    )
    if capability is not None:
        return found, ""
    which = f"GPU {entry.get('index')} ({name})"
    why = text_of(entry.get("text")) or "no reason given"
    if entry.get("code") == _LOST:
        return found, f"{which} is lost: reboot, and look for Xid in the kernel's log"
    return found, f"{which}: its compute capability cannot be read ({why})"
