"""What a container's report comes to on a machine: what works, what does not, and what could not be
looked at here. Pure.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence

from headrace.interface import Host, counted, dataclass
from headrace_docker.smoke.nvidia_smi import read_nvidia_smi
from headrace_docker.smoke.report import Framework, Report

__all__ = ["Check", "Found", "judge"]

#: What only the driver brings into a container.
_DRIVERS_OWN = ("libcuda.so.1", "libnvidia-ml.so.1")
#: Reasons that are told one by one.
_FEW = 3
_ASKED_SO = "CUDA_VISIBLE_DEVICES"
_DEVICE = re.compile(r"[0-9]{1,4}|(?:GPU|MIG)-[0-9A-Za-z/-]{1,100}")


class Found(enum.StrEnum):
    """How one thing stands."""

    WORKS = "works"
    UNCHECKED = "unchecked"
    """It could not be looked at here."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    found: Found
    text: str
    way_out: str = ""


def judge(report: Report, host: Host) -> list[Check]:
    """Say of everything that was asked how it stands, for this machine with its GPUs."""
    makers = {gpu.maker for gpu in host.accelerators}
    return [
        *_python(report),
        *_nvidia_smi(report, host),
        *_frameworks(report, makers),
        *_visible(report, makers),
        *_libraries(report),
    ]


def sees_none(report: Report) -> bool:
    """Whether nothing in the container sees a GPU of NVIDIA's, and nobody asked for that."""
    if _none_wanted(report) or any(each.available for each in report.frameworks):
        return False
    return report.nvidia_smi is None or bool(
        read_nvidia_smi(report.nvidia_smi, report.listed).problem
    )


def _none_wanted(report: Report) -> bool:
    """Whether the variable hides every GPU: it is empty, or begins with what names none."""
    given = report.variables.get(_ASKED_SO)
    return given is not None and not _wanted(given)


def _wanted(given: str) -> list[str]:
    """Return the devices that the variable names: CUDA reads no further than to the first that is
    none (CUDA C++ Programming Guide, environment variables).
    """
    found: list[str] = []
    for part in given.split(","):
        name = part.strip()
        if not _DEVICE.fullmatch(name):
            break
        found.append(name)
    return found


def _python(report: Report) -> Iterator[Check]:
    if not report.python:
        text = "there is none in this image: nothing but nvidia-smi was asked"
        yield Check("python", Found.UNCHECKED, text)


def _nvidia_smi(report: Report, host: Host) -> Iterator[Check]:
    what, here = "nvidia-smi", sum(gpu.maker == "nvidia" for gpu in host.accelerators)
    printed = report.nvidia_smi
    if not here:
        if not host.accelerators:
            yield Check(what, Found.UNCHECKED, "there is no GPU here")
        return
    if printed is None:
        if any(each.available for each in report.frameworks):
            text = "is not in the container, which has the GPU all the same"
            yield Check(what, Found.UNCHECKED, text)
        else:
            text = "is not in the container: it was given no GPU"
            yield Check(what, Found.WRONG, text, "`headrace doctor` says what is missing")
        return
    read = read_nvidia_smi(printed, report.listed)
    if read.problem:
        yield Check(what, Found.WRONG, read.problem, read.way_out)
        return
    text = f"driver {read.driver}" + (f", CUDA {read.cuda}" if read.cuda else "")
    if read.gpus:
        text += f", {counted(len(read.gpus), 'GPU')} ({_few(read.gpus)})"
    if read.instances:
        text += f", {counted(len(read.instances), 'instance')} of MIG ({_few(read.instances)})"
    yield Check(what, Found.WORKS, text)
    if read.gpus and len(read.gpus) < here and not _narrowed(report):
        text = f"the container has {counted(len(read.gpus), 'GPU')}, and this machine {here}"
        yield Check("GPUs", Found.WRONG, text, "`nvidia-smi -L` here says which are there")


def _narrowed(report: Report) -> bool:
    return report.variables.get("NVIDIA_VISIBLE_DEVICES", "all") not in ("all", "")


def _frameworks(report: Report, makers: set[str]) -> Iterator[Check]:
    for each in report.frameworks:
        if each.error:
            quoted = each.error
            yield Check(each.name, Found.WRONG, f"cannot be loaded: {quoted}")
            continue
        text = f"{each.version} loads"
        if each.rocm:
            text = f"{each.version} for ROCm {each.rocm} loads"
        elif each.cuda:
            text = f"{each.version} for CUDA {each.cuda} loads"
        if each.cpu is True:
            text += "; its product on the processor is right"
        more = [
            f"NCCL {each.nccl}" if each.nccl else "",
            f"cuDNN {each.cudnn}" if each.cudnn else "",
        ]
        if any(more):
            text += (", " if each.cpu is True else "; ") + ", ".join(filter(None, more))
        yield Check(each.name, Found.WORKS, text)
        for name, quoted in each.trouble.items():
            # Some builds have none, and say so by an error.
            found = Found.UNCHECKED if "has no attribute" in quoted else Found.WRONG
            yield Check(each.name, found, f"its {name} does not say its version: {quoted}")
        if each.cpu not in (True, None):
            yield Check(each.name, Found.WRONG, _no_product("the processor", each.cpu))
        yield from _on_gpus(each, report, makers)
    if report.python and not report.frameworks:
        text = "none of torch, tensorflow, jax, vllm is in this image"
        yield Check("frameworks", Found.UNCHECKED, text)
        yield from _driver(report, makers)


def _on_gpus(each: Framework, report: Report, makers: set[str]) -> Iterator[Check]:
    if each.available is None:
        return
    if not each.available:
        if not makers:
            text = "products on a GPU: there is none here"
            yield Check(each.name, Found.UNCHECKED, text)
        elif _none_wanted(report):
            text = f"products on a GPU: {_ASKED_SO} hides them all"
            yield Check(each.name, Found.UNCHECKED, text)
        elif each.cuda or each.rocm or each.why:
            text = f"sees no GPU: {quoted}" if (quoted := each.why) else "sees no GPU"
            way_out = "`headrace doctor` says what is missing"
            yield Check(each.name, Found.WRONG, text, way_out)
        else:
            text = "sees no GPU: it is built for none, or not for this maker's"
            yield Check(each.name, Found.WRONG, text, "`headrace image find` names one that is")
        return
    for name, product in zip(each.devices, each.products, strict=False):
        if product is True:
            text = f"its product on {name} is the processor's"
            yield Check(each.name, Found.WORKS, text)
        else:
            yield Check(each.name, Found.WRONG, _no_product(name, product))


def _driver(report: Report, makers: set[str]) -> Iterator[Check]:
    if "nvidia" not in makers:
        return
    init = report.driver.get("init")
    if init == 0:
        count = counted(report.driver.get("count", 0), "GPU")
        yield Check("driver", Found.WORKS, f"libcuda.so.1 answers, with {count}")
    else:
        quoted = f"cuInit returned {init}" if init is not None else report.driver_error
        way_out = "`headrace doctor` says what is missing"
        yield Check("driver", Found.WRONG, f"libcuda.so.1 does not answer: {quoted}", way_out)


def _visible(report: Report, makers: set[str]) -> Iterator[Check]:
    """Whether what was asked for by CUDA_VISIBLE_DEVICES is what is seen."""
    given = report.variables.get(_ASKED_SO)
    if given is None:
        return
    wanted = _wanted(given)
    for each in report.frameworks:
        if each.available is None:
            continue
        seen = len(each.devices)
        if not each.available and not makers:
            yield Check(_ASKED_SO, Found.UNCHECKED, f"{given or 'empty'}: there is no GPU here")
        elif seen == len(wanted):
            yield Check(_ASKED_SO, Found.WORKS, f"{given or 'empty'}: {each.name} sees {seen}")
        else:
            text = f"{given or 'empty'}: {each.name} sees {counted(seen, 'GPU')}"
            yield Check(_ASKED_SO, Found.WRONG, text, "`nvidia-smi -L` counts them from 0")
        return


def _libraries(report: Report) -> Iterator[Check]:
    if report.opened:
        yield Check("libraries", Found.WORKS, f"{report.opened} open")
    own = [name for name, why in report.closed.items() if any(each in why for each in _DRIVERS_OWN)]
    if own:
        text = f"{counted(len(own), 'library', 'libraries')} ({_few(own)}) need the driver's own"
        yield Check("libraries", Found.UNCHECKED, text)
    others = [why for name, why in report.closed.items() if name not in own]
    if others:
        # Parts for networks that most machines do not have: torch's own wheels bring ten of them.
        wanting = list(dict.fromkeys(why.partition(":")[0] for why in others))
        text = f"{len(others)} do not open for want of {_few(wanting)}"
        yield Check("libraries", Found.UNCHECKED, text)


def _no_product(place: str, quoted: object) -> str:
    if isinstance(quoted, str):
        return f"its product on {place} is not to be had: {quoted}"
    return f"its product on {place} is wrong"


def _few(names: Sequence[str]) -> str:
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")
