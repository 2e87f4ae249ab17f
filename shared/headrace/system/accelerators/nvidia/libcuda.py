"""In the child process: ask the CUDA driver's library itself.

Its version needs no `cuInit` and is emitted before that is called: `cuInit` is what may hang.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from headrace.system.accelerators.nvidia.loaded import loaded

__all__ = ["probe"]

_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76
_INTEGRATED = 18
_MOST_GPUS = 256


def probe(places: Sequence[str], emit: Callable[..., None]) -> None:
    """Ask for CUDA's version and each GPU. `places` are names and paths of the library."""
    library = _load(places)
    if library is None:
        emit(call="load", code=None, text="there is no such library")
        return
    emit(library=loaded("libcuda.so"))
    number = ctypes.c_int(0)
    if code := library.cuDriverGetVersion(ctypes.byref(number)):
        emit(call="cuDriverGetVersion", code=code, text=_text(library, code))
        return
    emit(cuda=number.value)
    if code := library.cuInit(0):
        emit(call="cuInit", code=code, text=_text(library, code))
        return
    count = ctypes.c_int(0)
    if code := library.cuDeviceGetCount(ctypes.byref(count)):
        emit(call="cuDeviceGetCount", code=code, text=_text(library, code))
        return
    for index in range(min(count.value, _MOST_GPUS)):
        emit(gpu=_device(library, index))
    emit(done=True)


def _load(places: Sequence[str]) -> Any:
    for place in places:
        try:
            return ctypes.CDLL(place)
        except OSError:
            continue
    return None


def _device(library: Any, index: int) -> dict[str, Any]:
    device = ctypes.c_int(0)
    if code := library.cuDeviceGet(ctypes.byref(device), index):
        return {"index": index, "code": code, "text": _text(library, code), "call": "handle"}
    major, code = _attribute(library, _CAPABILITY_MAJOR, device)
    minor, other = _attribute(library, _CAPABILITY_MINOR, device)
    integrated, _ = _attribute(library, _INTEGRATED, device)
    name = ctypes.create_string_buffer(256)
    named = library.cuDeviceGetName(name, len(name), device) == 0
    memory = ctypes.c_size_t(0)
    sized = library.cuDeviceTotalMem_v2(ctypes.byref(memory), device) == 0
    code = code or other
    return {
        "index": index,
        "name": name.value.decode("utf-8", "replace") if named else None,
        "capability": None if code else (major, minor),
        "code": code or None,
        "text": _text(library, code) if code else "",
        "memory": memory.value if sized else None,
        "integrated": integrated == 1,
    }


def _attribute(library: Any, attribute: int, device: ctypes.c_int) -> tuple[int, int]:
    value = ctypes.c_int(0)
    code = library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    return value.value, int(code)


def _text(library: Any, code: int) -> str:
    text = ctypes.c_char_p()
    try:
        if library.cuGetErrorString(code, ctypes.byref(text)) == 0 and text.value:
            return text.value.decode("utf-8", "replace")
    except AttributeError:
        pass
    return f"error {code}"
