"""NVIDIA's GPUs: which way is asked after which, and what the answers come to together.

NVML, then libcuda, then nvidia-smi, then the kernel's own files. An answer that nobody after it
could better ends the search early: a module that is not loaded, a driver that waits to be rebooted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from headrace.system.accelerators.child_query import UNNAMED, ask_libcuda, ask_nvml
from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.nvidia import nvidia_smi
from headrace.system.accelerators.nvidia.error_codes import Meaning, advice, of_libcuda, of_nvml
from headrace.system.accelerators.nvidia.kernel import View
from headrace.system.accelerators.nvidia.user_mode import agrees, counting
from headrace.system.accelerators.results import ProbeOutcome, ProbeResult, VendorResult
from headrace.variants.hosts import Accelerator, Host
from headrace.variants.tables import load as _tables
from headrace.wording import counted

__all__ = ["look"]

#: After these the next way is asked.
_NEXT = (Meaning.NO_LIBRARY, Meaning.BROKEN)


def look(host_view: HostView, seen: View, *, contained: bool, tegra: bool) -> VendorResult:
    """Find NVIDIA's GPUs. `contained`: what the kernel lists may belong to others."""
    if host_view.is_linux and not seen.traces and not tegra:
        return VendorResult(tried=(("nvml", "not asked: no trace of an NVIDIA device or driver"),))
    return _Search(host_view, seen, contained=contained, tegra=tegra).run()


class _Search:
    def __init__(self, host_view: HostView, seen: View, *, contained: bool, tegra: bool) -> None:
        self._host_view = host_view
        self._seen = seen
        self._contained = contained
        self._tegra = tegra
        self._tried: list[tuple[str, str]] = []
        self._notes: list[str] = []
        self._answers: list[ProbeResult] = []

    def run(self) -> VendorResult:
        answer, meaning = self._ask(ask_nvml, of_nvml)
        if meaning is Meaning.ANSWERED and self._tegra:
            answer = self._with_capabilities(answer)
        elif meaning is Meaning.ANSWERED and not agrees(self._reported, _tables()):
            self._ask(ask_libcuda, of_libcuda)
        if meaning in _NEXT or (meaning is Meaning.HUNG and not self._seen.version):
            answer, meaning = self._after_nvml(answer, meaning)
        if meaning is Meaning.ANSWERED:
            return self._found(answer)
        best = max(self._answers, key=lambda a: len(a.accelerators))
        if best.accelerators:  # it told of some before it hung or crashed
            self._notes.append(f"{best.way} did not finish: there may be more GPUs than these")
            return self._found(best)
        return self._kernel(meaning)

    def _ask(
        self, ask: Callable[[HostView], ProbeResult], read: Callable[[ProbeResult], Meaning]
    ) -> tuple[ProbeResult, Meaning]:
        answer = ask(self._host_view)
        meaning = read(answer)
        self._answers.append(answer)
        self._tried.append((answer.way, answer.said))
        libcuda = read is of_libcuda
        if not (libcuda and meaning is Meaning.MISMATCH) or agrees(self._reported, _tables()):
            self._note(
                advice(
                    meaning,
                    contained=self._contained,
                    driver=self._seen.version,
                    code=answer.code if libcuda else None,
                    wsl=self._seen.wsl_gpu,
                )
            )
        for note in answer.notes:
            self._note(note)
        return answer, meaning

    def _note(self, note: str) -> None:
        if note and note not in self._notes:
            self._notes.append(note)

    def _after_nvml(self, first: ProbeResult, before: Meaning) -> tuple[ProbeResult, Meaning]:
        answer, meaning = self._ask(ask_libcuda, of_libcuda)
        if meaning not in _NEXT or before is Meaning.HUNG:
            return answer, meaning
        answer, last = self._ask(nvidia_smi.ask, of_nvml)
        if answer.outcome is ProbeOutcome.ABSENT:  # says nothing about the driver
            return first, meaning if meaning is not Meaning.NO_LIBRARY else before
        return answer, last

    def _with_capabilities(self, answer: ProbeResult) -> ProbeResult:
        """On NVIDIA's boards NVML lists a GPU without its capability; libcuda knows it."""
        if all(found.capability for found in answer.accelerators):
            return answer
        other, meaning = self._ask(ask_libcuda, of_libcuda)
        if meaning is not Meaning.ANSWERED:
            return answer
        self._notes = [n for n in self._notes if n not in answer.notes]
        return replace(answer, accelerators=other.accelerators, cuda=other.cuda or answer.cuda)

    @property
    def _driver(self) -> str | None:
        return next((a.driver for a in self._answers if a.driver), None) or self._seen.version

    @property
    def _reported(self) -> Host:
        """The driver, and the CUDA that a library reported."""
        return Host(
            driver=self._driver,
            cuda=next((a.cuda for a in self._answers if a.cuda), None),
            platform=self._host_view.platform,
            wsl=self._seen.wsl_gpu,
        )

    def _cuda(self) -> tuple[int, int] | None:
        """Return the CUDA that will run; None: the driver's version tells."""
        if self._tegra:
            return self._reported.cuda
        asked = next((a for a in self._answers if a.way == "libcuda"), None)
        cuda, note = counting(self._reported, asked, _tables())
        self._note(note)
        return cuda

    def _found(self, answer: ProbeResult) -> VendorResult:
        driver, cuda = self._driver, self._cuda()
        found = tuple(
            replace(gpu, driver=gpu.driver or driver, runtime=_dotted(cuda))
            for gpu in self._named(answer.accelerators)
        )
        split = [gpu.name for gpu in found if gpu.mig]
        return VendorResult(
            found,
            driver,
            cuda,
            answer.way,
            tuple(self._tried),
            tuple(self._notes),
            passing=self._passing,
            extra=(("MIG", ", ".join(split)),) if split else (),
        )

    def _named(self, found: Sequence[Accelerator]) -> list[Accelerator]:
        """Take the kernel's names for those that the library could not name: a lost GPU has none.

        Both have them in the order of the bus.
        """
        models = self._seen.models
        unnamed = [n for n, gpu in enumerate(found) if gpu.name == UNNAMED]
        gpus = list(found)
        for n in unnamed if len(models) == len(found) else ():
            gpus[n] = replace(gpus[n], name=models[n])
            which, told = f"GPU {n} ({UNNAMED})", f"GPU {n} ({models[n]})"
            self._notes = [note.replace(which, told) for note in self._notes]
        return gpus

    @property
    def _passing(self) -> bool:
        return any(a.outcome in (ProbeOutcome.SILENT, ProbeOutcome.CRASHED) for a in self._answers)

    def _kernel(self, meaning: Meaning) -> VendorResult:
        """Say what the kernel's files tell, where nobody answered or nobody has a GPU for us."""
        seen, driver = self._seen, self._driver
        # NVML answers only where the module is loaded, wherever its version can be read.
        loaded = driver is not None and meaning is not Meaning.NO_DRIVER
        ours = seen.has_gpu_node or not self._contained
        listed: tuple[Accelerator, ...] = seen.accelerators() if ours and loaded else ()
        cuda = self._cuda() if loaded else None
        if seen.version:
            self._tried.append((seen.method, f"driver {seen.version}"))
        if listed:
            self._tried.append((listed[0].method, f"{counted(len(listed), 'GPU')} by name"))
        if meaning is Meaning.NO_GPU and listed and not self._contained:
            self._note(
                f"the driver has {counted(len(listed), 'GPU')} and gives none"
                " to this process: in a batch job ask for one"
            )
        nothing = meaning is Meaning.NO_GPU and not listed
        hung = any(a.outcome is ProbeOutcome.SILENT for a in self._answers)
        missing = not loaded and bool(seen.on_the_bus)
        unreadable = (loaded and ours and not nothing) or (hung and not missing)
        if unreadable and not self._notes:
            self._note(_silent(self._answers, driver))
        if missing and not self._contained:
            self._note(_missing(seen))
        return VendorResult(
            tuple(replace(gpu, driver=driver) for gpu in listed),
            driver if loaded else seen.version,
            cuda,
            (listed[0].method if listed else seen.method) or ("pci" if missing else ""),
            tuple(self._tried),
            tuple(self._notes),
            # A library that hangs is there, and so is its driver (inside WSL nothing else tells).
            unreadable=unreadable,
            driver_missing=missing,
            passing=self._passing or meaning is Meaning.BROKEN,
        )


def _dotted(version: tuple[int, int] | None) -> str | None:
    return version and f"{version[0]}.{version[1]}"


def _silent(answers: Sequence[ProbeResult], driver: str | None) -> str:
    """Say that nobody told of the GPUs, where no answer has advice of its own."""
    version = f" {driver}" if driver else ""
    if all(of_nvml(answer) is Meaning.NO_LIBRARY for answer in answers):
        return (
            f"NVIDIA's driver{version} is loaded and its libraries are not here (libnvidia-ml.so.1,"
            " libcuda.so.1): install those of this very version"
        )
    said = "; ".join(f"{answer.way}: {answer.said}" for answer in answers)
    return (
        f"NVIDIA's driver{version} is loaded and does not tell what it drives ({said}): look for"
        " NVRM in the kernel's log, and reinstall the driver where it says nothing"
    )


def _missing(seen: View) -> str:
    if seen.version:
        return (
            f"NVIDIA's driver {seen.version} is loaded, and its library says that it is not: look"
            " for NVRM in the kernel's log, and reboot"
        )
    other = next((d.driver for d in seen.on_the_bus if d.driver not in (None, "nvidia")), None)
    if other == "vfio-pci":
        return "an NVIDIA GPU is on the bus and was given to a virtual machine (vfio-pci)"
    held = f" ({other} has it)" if other else ""
    return f"an NVIDIA GPU is on the bus{held} without NVIDIA's driver: install it, then reboot"
