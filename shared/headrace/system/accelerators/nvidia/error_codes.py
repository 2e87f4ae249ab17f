"""What the error numbers of NVIDIA's libraries mean, and what to do about each."""

from __future__ import annotations

import enum

from headrace.system.accelerators.results import ProbeOutcome, ProbeResult

__all__ = ["Meaning", "advice", "crash_note", "of_libcuda", "of_nvml"]


class Meaning(enum.Enum):
    """What follows from an answer."""

    ANSWERED = enum.auto()
    """What it lists is there."""
    NO_GPU = enum.auto()
    """The driver answers and has no GPU for us."""
    NO_LIBRARY = enum.auto()
    """No user-space driver, or one that is too old: ask the next."""
    NO_DRIVER = enum.auto()
    """A library without a kernel module: nobody else can know more."""
    MISMATCH = enum.auto()
    """The driver was updated and the old module still runs: the kernel's version counts."""
    CLOSED = enum.auto()
    """The device nodes may not be opened: the kernel's version is all there is."""
    HUNG = enum.auto()
    """Whoever starts the driver waits: only the kernel's files can be read."""
    BROKEN = enum.auto()
    """It says nothing that helps: ask the next."""


_NVML = {
    4: Meaning.CLOSED,
    6: Meaning.NO_GPU,
    9: Meaning.NO_DRIVER,
    12: Meaning.NO_LIBRARY,
    13: Meaning.NO_LIBRARY,
    17: Meaning.CLOSED,
    18: Meaning.MISMATCH,
    28: Meaning.NO_GPU,
}
_LIBCUDA = {
    100: Meaning.NO_GPU,
    101: Meaning.NO_GPU,
    803: Meaning.MISMATCH,
}
_LIBCUDA_ADVICE = {
    34: "the libcuda.so.1 found first is the toolkit's stub: take its folder out of"
    " LD_LIBRARY_PATH",
    802: "the GPUs are not ready: start NVIDIA's fabric manager (nvidia-fabricmanager)",
}
_ENDED = {
    ProbeOutcome.ANSWERED: Meaning.ANSWERED,
    ProbeOutcome.SILENT: Meaning.HUNG,
    ProbeOutcome.CRASHED: Meaning.BROKEN,
    ProbeOutcome.ABSENT: Meaning.NO_LIBRARY,
}


def of_nvml(answer: ProbeResult) -> Meaning:
    """Read an answer of NVML, or of nvidia-smi, whose exit status is NVML's error."""
    if answer.outcome is ProbeOutcome.REFUSED:
        return _NVML.get(answer.code or 0, Meaning.BROKEN)
    return _ended(answer)


def of_libcuda(answer: ProbeResult) -> Meaning:
    """Read an answer of libcuda."""
    if answer.outcome is ProbeOutcome.REFUSED:
        return _LIBCUDA.get(answer.code or 0, Meaning.BROKEN)
    return _ended(answer)


def _ended(answer: ProbeResult) -> Meaning:
    if answer.outcome is ProbeOutcome.ANSWERED and not answer.accelerators:
        return Meaning.NO_GPU
    return _ENDED[answer.outcome]


def advice(
    meaning: Meaning,
    *,
    contained: bool,
    driver: str | None,
    code: int | None = None,
    wsl: bool = False,
) -> str:
    """Return a sentence for people, empty where there is nothing to do."""
    if code in _LIBCUDA_ADVICE:
        return _LIBCUDA_ADVICE[code]
    if meaning is Meaning.MISMATCH:
        running = f" ({driver})" if driver else ""
        return f"NVIDIA's driver was updated and the old kernel module{running} still runs: reboot"
    if meaning is Meaning.CLOSED:
        return (
            "this container may not open the GPU's device nodes: start it anew with its GPUs"
            " (--gpus all)"
            if contained
            else "this user may not open /dev/nvidia*: check its groups (video, render) and, in a"
            " batch job, whether it was given a GPU"
        )
    if meaning is Meaning.HUNG and wsl:
        return (
            "the driver of Windows did not answer in time: `wsl --shutdown` in Windows starts WSL"
            " anew; update the driver there where it never answers"
        )
    if meaning is Meaning.HUNG:
        return (
            "NVIDIA's driver did not answer in time; nvidia-persistenced keeps it awake, and a"
            " reboot helps where it never answers"
        )
    return ""


def crash_note(what: str, how: str) -> str:
    """Say that a library or program of the driver's crashed: which, how, and what to do."""
    return (
        f"{what} {how} when it was asked for the GPUs: it may be of another version than the"
        " driver; reinstall NVIDIA's driver, and take other copies of its libraries out of"
        " LD_LIBRARY_PATH"
    )
