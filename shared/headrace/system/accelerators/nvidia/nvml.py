"""In the child process: ask NVIDIA's management library, through NVIDIA's own bindings.

What is known is emitted step by step, so that a library which hangs or crashes at its second GPU
has told of the first. NVML does not look at CUDA_VISIBLE_DEVICES, which is right for an install.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from headrace.system.accelerators.nvidia.loaded import loaded

__all__ = ["probe"]

#: More would be nonsense of a broken library.
_MOST_GPUS = 256
_LIBRARY_NOT_FOUND = 12
_FUNCTION_NOT_FOUND = 13


def probe(places: Sequence[str], emit: Callable[..., None]) -> None:
    """Ask for the driver, its CUDA, and each GPU. `places` are names and paths of the library."""
    nvml: Any = importlib.import_module("pynvml")
    _preload(places)
    emit(library=loaded("libnvidia-ml.so"))
    _, code, text = _ask(nvml, "nvmlInit")
    if code is not None:
        emit(call="nvmlInit", code=code, text=text)
        return
    driver, _, _ = _ask(nvml, "nvmlSystemGetDriverVersion")
    emit(driver=driver)
    number, code, _ = _ask(nvml, "nvmlSystemGetCudaDriverVersion_v2")
    emit(cuda_code=code)
    if code == _FUNCTION_NOT_FOUND:
        number, _, _ = _ask(nvml, "nvmlSystemGetCudaDriverVersion")
    emit(cuda=number)
    count, code, text = _ask(nvml, "nvmlDeviceGetCount")
    if code is not None:
        emit(call="nvmlDeviceGetCount", code=code, text=text)
        return
    for index in range(min(count, _MOST_GPUS)):
        emit(gpu=_device(nvml, index))
    emit(done=True)


def _preload(places: Sequence[str]) -> None:
    """Load the library from the first place that has it; the bindings then reuse that copy."""
    for place in places:
        with contextlib.suppress(OSError):
            ctypes.CDLL(place, mode=getattr(ctypes, "RTLD_GLOBAL", 0))
            return


def _device(nvml: Any, index: int) -> dict[str, Any]:
    handle, code, text = _ask(nvml, "nvmlDeviceGetHandleByIndex", index)
    if code is not None:
        return {"index": index, "code": code, "text": text, "call": "handle"}
    name, _, _ = _ask(nvml, "nvmlDeviceGetName", handle)
    capability, code, text = _ask(nvml, "nvmlDeviceGetCudaComputeCapability", handle)
    memory, _, _ = _ask(nvml, "nvmlDeviceGetMemoryInfo", handle)
    mig, _, _ = _ask(nvml, "nvmlDeviceGetMigMode", handle)
    return {
        "index": index,
        "name": name,
        "capability": capability,
        "code": code,
        "text": text,
        "memory": None if memory is None else int(memory.total),
        "mig": bool(mig and mig[0] == 1),
    }


def _ask(nvml: Any, name: str, *arguments: Any) -> tuple[Any, int | None, str]:
    """Call a function; return what it said, or its error's number and text."""
    try:
        return getattr(nvml, name)(*arguments), None, ""
    except nvml.NVMLError as error:
        return None, int(error.value), str(error)
    except Exception as error:  # noqa: BLE001 - nonsense of a library, a name that is no text
        return None, 0, repr(error)
