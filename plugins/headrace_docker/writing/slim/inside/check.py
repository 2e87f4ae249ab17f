"""Try what torch still does in this image, without a GPU or with one: ``python3 check.py``.

One line for each check; ends with 1 where one failed. In the image:
``docker run --rm --volume "$PWD:/workspace" NAME python3 check.py``.
"""

from __future__ import annotations

import ctypes
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")

#: What comes with a driver, a network card or MPI, never with torch: who lacks these is whole.
OUTSIDE = (
    *("libcuda.so", "libnvidia-ml.so", "libibverbs.so", "libmlx5.so", "librdmacm.so"),
    # Of a library of Fortran, which torch 2.15 brings without it.
    "libquadmath.so",
    *("libmpi.so", "libpmi", "liboshmem.so", "libfabric.so", "libucs.so", "libucp.so"),
    *("libdoca", "libgdrapi.so"),
)


def every_library_opens() -> str:
    """Load each library of torch and of NVIDIA's wheels, as the dynamic loader does."""
    import torch

    opened, without, packages = 0, set(), Path(torch.__file__).parent.parent
    for folder in ("torch", "nvidia"):
        for path in sorted(packages.joinpath(folder).rglob("*.so*")):
            try:
                ctypes.CDLL(str(path))
            except OSError as error:
                missing = str(error).partition(":")[0].rpartition("/")[2]
                if not missing.startswith(OUTSIDE):
                    raise
                without.add(missing)
            else:
                opened += 1
    assert opened
    wanted = f"; others want {', '.join(sorted(without))}" if without else ""
    return f"{opened} opened{wanted}"


def no_other_package_wants_a_stand_in() -> str:
    """Name the libraries that stand in for others; fail where what was added is linked to one."""
    import torch

    packages = Path(torch.__file__).parent.parent
    stand_ins = sorted(filter(stands_in, packages.glob("nvidia/**/*.so*")))
    names = [path.name for path in stand_ins]
    own = ("torch", "nvidia", "cuda", "triton")
    for path in sorted(packages.rglob("*.so*")):
        if names and path.relative_to(packages).parts[0] not in own:
            content = path.read_bytes()
            wanted = [name for name in names if name.encode() in content]
            assert not wanted, f"{path} wants {wanted}: delete its row in slim.toml, build again"
    return ", ".join(names) or "there is none"


def stands_in(path: Path) -> bool:
    """Whether a library does nothing, and says so."""
    return path.stat().st_size < 1 << 20 and b"slim.toml took it out" in path.read_bytes()


def versions_are_told() -> str:
    """Tell what torch was built for, and whether it sees a GPU."""
    import torch

    gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if gpu else "no GPU"
    return f"torch {torch.__version__}, CUDA {torch.version.cuda}, {name}"


def products_are_right() -> None:
    """Multiply two matrices, on the GPU too where there is one."""
    import torch

    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        one = torch.eye(64, device=device) * 2
        assert (one @ one).sum().item() == 256


def gradients_are_right() -> None:
    """Differentiate."""
    import torch

    value = torch.tensor([3.0], requires_grad=True)
    (value**3).sum().backward()
    assert value.grad.item() == 27


def network_learns() -> None:
    """Train a convolution and an attention a step each."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    layers.append(nn.Linear(144, 2))
    optimizer = torch.optim.AdamW(layers.parameters(), lr=0.1)
    images, losses = torch.randn(8, 3, 8, 8), []
    for _ in range(5):
        loss = nn.functional.cross_entropy(layers(images), torch.arange(8) % 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    nn.TransformerEncoderLayer(16, 2, batch_first=True)(torch.randn(2, 5, 16)).sum().backward()


def script_runs() -> None:
    """Compile a function by TorchScript."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.jit.trace(torch.sin, torch.ones(2))(torch.zeros(2)).sum() == 0


def compile_runs_eagerly() -> None:
    """Capture a graph by torch.compile, with the backend that compiles nothing."""
    import torch

    double = torch.compile(lambda value: value * 2, backend="eager")
    assert double(torch.ones(2)).sum() == 4


def fourier_and_linear_algebra_agree() -> None:
    """Transform there and back; solve."""
    import torch

    torch.manual_seed(0)
    signal = torch.randn(64)
    assert torch.allclose(torch.fft.irfft(torch.fft.rfft(signal)), signal, atol=1e-5)
    matrix = torch.randn(8, 8) + 8 * torch.eye(8)
    assert torch.allclose(matrix @ torch.linalg.inv(matrix), torch.eye(8), atol=1e-4)
    assert torch.linalg.svd(matrix).S.shape == (8,)


def sparse_and_half_numbers_work() -> None:
    """Multiply a sparse matrix; compute with 16 bits."""
    import torch

    assert (torch.eye(4).to_sparse() @ torch.ones(4, 1)).sum() == 4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (torch.eye(4) @ torch.eye(4)).dtype == torch.bfloat16


def saved_is_loaded() -> None:
    """Save and load weights."""
    import torch

    file = io.BytesIO()
    torch.save({"a": torch.arange(4)}, file)
    file.seek(0)
    assert torch.load(file, weights_only=True)["a"].sum() == 6


def workers_load_data() -> None:
    """Load data with two processes, by either way of sharing memory."""
    import torch
    from torch.utils.data import DataLoader

    for way in ("file_descriptor", "file_system"):
        torch.multiprocessing.set_sharing_strategy(way)
        batches = list(DataLoader(range(8), batch_size=2, num_workers=2))
        assert torch.cat(batches).sum() == 28


def processes_talk() -> str:
    """Reduce over gloo; tell NCCL's version."""
    import torch
    from torch import distributed

    with tempfile.TemporaryDirectory() as folder:
        where = f"file://{folder}/meeting"
        distributed.init_process_group("gloo", init_method=where, rank=0, world_size=1)
        value = torch.ones(2)
        distributed.all_reduce(value)
        distributed.destroy_process_group()
    assert value.sum() == 2
    if not distributed.is_nccl_available():
        return "gloo"
    # Torch tells the one that it was built with, also where another one stands in.
    return "gloo; built with NCCL " + ".".join(map(str, torch.cuda.nccl.version()))


def profiler_counts() -> None:
    """Profile a product."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        torch.ones(8, 8) @ torch.ones(8, 8)
    assert any("mm" in each.key for each in profiled.key_averages())


CHECKS: tuple[Callable[[], str | None], ...] = (
    *(versions_are_told, every_library_opens, no_other_package_wants_a_stand_in),
    *(products_are_right, gradients_are_right),
    *(network_learns, script_runs, compile_runs_eagerly, fourier_and_linear_algebra_agree),
    *(sparse_and_half_numbers_work, saved_is_loaded, workers_load_data, processes_talk),
    profiler_counts,
)


def main() -> int:
    """Run every check; return how the program ends."""
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            said = check()
        except Exception as error:
            failed += 1
            print(f"failed  {name}: {type(error).__name__}: {error}", flush=True)
        else:
            print(f"ok      {name}{': ' + said if said else ''}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
