"""Which CUDA counts where the library that reports it is not of the driver's own version. Pure.

`libcuda` may come from a package for forward compatibility (cuda-compat), newer than the kernel's
driver. NVML asks whichever `libcuda` is found first, so its CUDA is that library's too; whether it
runs these GPUs only `cuInit` tells. NVIDIA promises it for data-centre GPUs, some workstation cards
and Jetson alone; others answer with error 804.
"""

from __future__ import annotations

from headrace.system.accelerators.results import ProbeOutcome, ProbeResult
from headrace.variants.builds import CudaTables, Pair
from headrace.variants.compatibility.drivers import by_library, own_cuda
from headrace.variants.hosts import Host

__all__ = ["agrees", "counting"]

#: Errors that say that library and driver do not go together: of two versions; of a package for
#: forward compatibility, on a GPU that is not for it.
_MISMATCH, _FORWARD = 803, 804


def agrees(host: Host, tables: CudaTables) -> bool:
    """Whether the CUDA reported is the one that the driver came with, or a driver's unknown here.

    A driver never reports an older CUDA than the tables have for it: then the library is older.
    """
    own = own_cuda(host, tables)
    if host.cuda is None or own is None or host.wsl or host.platform != "linux":
        return True
    return host.cuda >= own and not by_library(host, tables)


def counting(host: Host, asked: ProbeResult | None, tables: CudaTables) -> tuple[Pair | None, str]:
    """Return the CUDA that counts, None for the driver's own, and a sentence where it is odd.

    `host`: with the driver, and the CUDA that a library reported. `asked`: what libcuda answered.
    """
    code = asked.code if asked else None
    if code == _MISMATCH and agrees(host, tables):
        return None, ""  # its error's advice says it: an update that waits for a reboot
    if code not in (_MISMATCH, _FORWARD) and not by_library(host, tables):
        return host.cuda, ""
    library = (asked.loaded if asked else None) or "the libcuda found first"
    reported, own = _text(host.cuda), _text(own_cuda(host, tables))
    ours = f"driver {host.driver} ({own})" if host.driver else "the driver"
    if asked is not None and asked.outcome is ProbeOutcome.ANSWERED and asked.accelerators:
        return host.cuda, (
            f"{reported} is what {library} brings, newer than {ours}, and it runs here; where"
            " another libcuda is found first, builds for it will not"
        )
    if asked is not None and asked.outcome is ProbeOutcome.REFUSED:
        return None, (
            f"{library} is of {reported} and does not run here with {ours}: {asked.said}; the"
            " driver's own CUDA counts. Take that library's folder out of LD_LIBRARY_PATH or remove"
            " its package (cuda-compat): it is for data-centre GPUs with a driver older than itself"
        )
    return None, (
        f"{library} is of {reported}, newer than {ours}, and whether it runs here could not be"
        " asked: the driver's own CUDA counts"
    )


def _text(cuda: Pair | None) -> str:
    return f"CUDA {cuda[0]}.{cuda[1]}" if cuda and cuda != (0, 0) else "no known CUDA"
