"""Small wheels in the layout of torch's and of those that it requires: what a slim image is without
is in them, and libraries in C that are really linked to each other.

Names and places are those of the wheels for x86_64 of torch 2.15.0, as its index had them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from lib.wheels import Built, wheel

__all__ = ["ASK", "made"]

#: Torch is linked to it; its functions have a version of their own, as NCCL's have not.
_NCCL = """\
long ncclCommCount(void) { return 7; }
const char *ncclGetErrorString(int code) { return "all is well"; }
"""
_SPARSE = "long cusparseLtInit(void) { return 0; }\n"
_TORCH = """\
extern long ncclCommCount(void); extern const char *ncclGetErrorString(int);
extern long cusparseLtInit(void);
long counted(void) { return ncclCommCount(); }
const char *said(void) { return ncclGetErrorString(1); }
long sparse(void) { return cusparseLtInit(); }
"""
#: As torch does, it loads what it is linked to from the places that its library names.
_PYTHON = """\
import ctypes, pathlib
__version__ = "2.15.0"
_library = ctypes.CDLL(str(pathlib.Path(__file__).parent / "lib" / "libtorch_cuda.so"))
_library.said.restype = ctypes.c_char_p
def told():
    return _library.counted(), _library.said().decode(), _library.sparse()
"""
#: What a container is asked: `7 all is well 0` where nothing was taken out.
ASK = "import torch; print(*torch.told())"
#: Bytes of what has no content of interest.
_FILLED = b"x" * 1000


def made(folder: Path) -> list[Built]:
    """Make them; gcc makes the libraries in `folder`."""
    nccl = _library(folder, "libnccl.so.2", _NCCL)
    sparse = _library(folder, "libcusparseLt.so.0", _SPARSE)
    torch = _library(
        *(folder, "libtorch_cuda.so", _TORCH, nccl, sparse),
        "-Wl,-rpath,$ORIGIN/../../nvidia/nccl/lib:$ORIGIN/../../nvidia/cusparselt/lib",
    )
    requires = ("nvidia-nccl-cu13==2.30.7", "nvidia-cusparselt-cu13==0.8.1", "nvidia-cublas==13.4")
    linux = 'triton==3.9.0; platform_system == "Linux"'
    return [
        _wheel(
            *("torch", "2.15.0", ("torch/include/a/b.h", "torch/lib/x.a", "torch/bin/protoc-3")),
            requires=(*requires, "nvidia-nvshmem-cu13==3.7.2", "sympy>=1.13", linux),
            others={
                "torch/__init__.py": _PYTHON.encode(),
                "torch/lib/libtorch_cuda.so": torch.read_bytes(),
                "torch/share/cmake/Torch/TorchConfig.cmake": _FILLED,
                "torch/bin/torch_shm_manager": _FILLED,
            },
        ),
        _wheel(
            *("nvidia-nccl-cu13", "2.30.7", ("nvidia/nccl/include/nccl.h",)),
            others={"nvidia/nccl/lib/libnccl.so.2": nccl.read_bytes()},
        ),
        _wheel(
            *("nvidia-cusparselt-cu13", "0.8.1", ("nvidia/cusparselt/include/cusparseLt.h",)),
            others={"nvidia/cusparselt/lib/libcusparseLt.so.0": sparse.read_bytes()},
        ),
        _wheel(
            *("nvidia-cublas", "13.4", ("nvidia/cu13/include/cublas.h",)),
            others={"nvidia/cu13/lib/libcublas.so.13": _FILLED},
        ),
        _wheel("nvidia-nvshmem-cu13", "3.7.2", ("nvidia/nvshmem/lib/libnvshmem_device.bc",)),
        _wheel("sympy", "1.14.0", ("sympy/core/tests/test_args.py", "sympy/core/args.py")),
        _wheel("triton", "3.9.0", ("triton/__init__.py", "triton/backends/nvidia/bin/ptxas")),
        # Newer than what torch wants, and what a user may add.
        _wheel("triton", "3.10.0", ("triton/__init__.py",)),
        _wheel("kernels-in-triton", "1.0", ("in_triton.py",), requires=("triton>=3", "torch")),
        _wheel(
            *("linked-to-nccl", "1.0", ("linked_to_nccl.py",)),
            others={"linked_to_nccl/more.so": torch.read_bytes()},
        ),
        _wheel("beside-torch", "1.0", ("beside_torch.py",), requires=("torch==2.15.0",)),
    ]


def _wheel(
    project: str,
    version: str,
    filled: tuple[str, ...],
    *,
    requires: tuple[str, ...] = (),
    others: Mapping[str, bytes] | None = None,
) -> Built:
    empty = (name for name in filled if not name.endswith(".py"))
    files = dict.fromkeys(filled, b"") | dict.fromkeys(empty, _FILLED) | dict(others or {})
    return wheel(project, version, requires=requires, files=files)


def _library(folder: Path, name: str, code: str, *words: object) -> Path:
    source, library = folder / f"{name}.c", folder / name
    source.write_text(code)
    make = ("gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", library, source)
    subprocess.run([*map(str, (*make, *words))], check=True)
    return library
