"""What runs inside a container: it says in one line of JSON what the image can do on this machine.

It is given to the container's Python as a text, which is in the variable HEADRACE_CHECK too, and
stands by itself: nothing but the standard library, as it was in Python 3.7. Whatever loads
libraries of others is a process of its own, so one that dies takes no other along. What libraries
print goes to standard error; the last line of standard output is ours.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

# What annotations name is not looked at when this runs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

# ruff: noqa: B905 - an older Python's zip() knows no strict=
# ruff: noqa: BLE001, TID251 - it is alone in there: its errors are its answers, and its
# environment is the container's

__all__ = ["main"]

MARK = "headrace-check: "
SOURCE = "HEADRACE_CHECK"
#: Seconds for each part, characters of a text that is told on, libraries that are opened.
PATIENCE, LONGEST, MOST = 180, 4000, 400
#: Bytes of what a program says that are kept, its last.
KEPT = 1 << 20
#: Rows and columns: the numbers are whole and small, so that every way of adding them up is exact.
SIDE = 128
SEEN = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "ONEAPI_DEVICE_SELECTOR",
)
DEVICES = (
    *("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-caps/*", "kfd", "dxg"),
    "dri/renderD*",
)


def numbers() -> list[list[float]]:
    """Give a matrix as rows."""
    return [[float((3 * i + 5 * j) % 7 - 3) for j in range(SIDE)] for i in range(SIDE)]


def product(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """Multiply it with itself in plain Python."""
    columns = list(zip(*rows))
    return [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in rows]


def torch_part() -> dict[str, Any]:
    """Try torch: on the processor, and on each GPU that it sees."""
    torch = importlib.import_module("torch")
    told: dict[str, Any] = {
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
        "rocm": getattr(torch.version, "hip", None),
        "devices": [],
        "product": [],
    }
    rows = numbers()
    wanted = torch.tensor(product(rows))
    told["cpu"] = bool(torch.equal(torch.tensor(rows) @ torch.tensor(rows), wanted))
    xpu = getattr(torch, "xpu", None)
    kind = "cuda"
    if not torch.cuda.is_available() and xpu is not None and xpu.is_available():
        kind = "xpu"
    module = getattr(torch, kind)
    told["available"] = bool(module.is_available())
    if told["cuda"] or told["rocm"]:
        told["nccl"] = quietly(lambda: list(torch.cuda.nccl.version()))
        told["cudnn"] = quietly(torch.backends.cudnn.version)
    if not told["available"]:
        if told["cuda"] or told["rocm"]:
            told["why"] = quietly(torch.cuda.init)
        return told
    for number in range(module.device_count()):
        told["devices"].append(str(module.get_device_name(number)))

        def same(number: int = number) -> bool:
            given = torch.tensor(rows, device=f"{kind}:{number}")
            return bool(torch.equal((given @ given).cpu(), wanted))

        told["product"].append(quietly(same))
    return told


def tensorflow_part() -> dict[str, Any]:
    """Try TensorFlow, as torch."""
    tf = importlib.import_module("tensorflow")
    build = dict(quietly(tf.sysconfig.get_build_info) or {})
    told: dict[str, Any] = {
        "version": str(tf.__version__),
        "cuda": build.get("cuda_version"),
        "cudnn": build.get("cudnn_version"),
        "devices": [],
        "product": [],
    }
    rows = numbers()
    wanted = product(rows)

    def same(place: str) -> bool:
        with tf.device(place):
            given = tf.constant(rows)
            return bool(tf.matmul(given, given).numpy().tolist() == wanted)

    told["cpu"] = quietly(lambda: same("/CPU:0"))
    found = tf.config.list_physical_devices("GPU")
    told["available"] = bool(found)
    for number, each in enumerate(found):
        told["devices"].append(str(each.name))
        told["product"].append(quietly(partial(same, f"/GPU:{number}")))
    return told


def jax_part() -> dict[str, Any]:
    """Try JAX, as torch."""
    jax = importlib.import_module("jax")
    np = importlib.import_module("numpy")
    told: dict[str, Any] = {"version": str(jax.__version__), "devices": [], "product": []}
    rows = numbers()
    wanted = product(rows)

    def same(device: Any) -> bool:
        given = jax.device_put(np.array(rows, "float32"), device)
        return bool(np.asarray(jax.numpy.matmul(given, given)).tolist() == wanted)

    told["cpu"] = quietly(lambda: same(jax.devices("cpu")[0]))
    found = [each for each in jax.devices() if each.platform != "cpu"]
    told["available"] = bool(found)
    for each in found:
        told["devices"].append(str(getattr(each, "device_kind", each)))
        told["product"].append(quietly(partial(same, each)))
    return told


def vllm_part() -> dict[str, Any]:
    """Say the version alone: vLLM itself takes minutes and a model."""
    return {"version": str(importlib.import_module("importlib.metadata").version("vllm"))}


def driver_part() -> dict[str, Any]:
    """Ask NVIDIA's driver itself."""
    cuda = ctypes.CDLL("libcuda.so.1")
    number = ctypes.c_int()
    told = {"init": int(cuda.cuInit(0))}
    if cuda.cuDriverGetVersion(ctypes.byref(number)) == 0:
        told["cuda"] = number.value
    if told["init"] == 0 and cuda.cuDeviceGetCount(ctypes.byref(number)) == 0:
        told["count"] = number.value
    return told


def libraries_part() -> dict[str, Any]:
    """Open every library that torch brings, else those of CUDA's own folder."""
    places = [Path("/usr/local/cuda/lib64")]
    spec = importlib.util.find_spec("torch")
    if spec is not None and spec.origin:
        package = Path(spec.origin).parent
        places = [package / "lib", *package.parent.glob("nvidia/*/lib")]
        quietly(lambda: importlib.import_module("torch"))
    files: dict[str, Path] = {}
    for place in places:
        for path in sorted(place.glob("*.so*")):
            files.setdefault(str(path.resolve()), path)
    closed = {}
    for path in list(files.values())[:MOST]:
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            closed[path.name] = str(error)[:300]
    return {"opened": min(len(files), MOST) - len(closed), "closed": closed}


PARTS = {
    "torch": torch_part,
    "tensorflow": tensorflow_part,
    "jax": jax_part,
    "vllm": vllm_part,
    "driver": driver_part,
    "libraries": libraries_part,
}


def quietly(what: Callable[[], Any]) -> Any:
    """Return what comes of it, or the error as a text."""
    try:
        return what()
    except Exception as error:  # whatever it is, it is told
        return f"{type(error).__name__}: {str(error)[:500]}"


def apart(name: str) -> Any:
    """Do one part in a process of its own."""
    words = [sys.executable, "-c", os.environ[SOURCE], name]
    status, text, said = bounded(words, subprocess.PIPE, PATIENCE)
    if status is None:
        return {"error": f"it took longer than {PATIENCE} s"}
    for line in reversed(text.splitlines()):
        if line.startswith(MARK):
            told = quietly(partial(json.loads, line[len(MARK) :]))
            return told if isinstance(told, dict) else {"error": "its answer cannot be read"}
    return {"error": f"it ended with status {status}", "said": said[-LONGEST:]}


def one(name: str) -> dict[str, Any]:
    """Be such a process."""
    try:
        return PARTS[name]()
    except Exception as error:  # whatever it is, it is told
        return {"error": f"{type(error).__name__}: {str(error)[:1000]}"}


def printed(words: Sequence[str]) -> dict[str, Any] | None:
    """Return what a program prints, and its status; None: it is not there."""
    try:
        status, text, _ = bounded(words, subprocess.STDOUT, 60)
    except FileNotFoundError:
        return None
    except OSError as error:
        return {"status": -1, "text": str(error)[:500]}
    if status is None:
        return {"status": -1, "text": "it took longer than 60 s"}
    return {"status": status, "text": text[: 4 * LONGEST]}


def bounded(words: Sequence[str], errors: int, patience: float) -> tuple[int | None, str, str]:
    """Run a program and return its status (None: it took longer), and the ends of what it said:
    there is no bound to what a library may print.
    """
    process = subprocess.Popen(  # noqa: S603 - this program again, or what the image has
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
    )
    heard = {pipe: bytearray() for pipe in (process.stdout, process.stderr) if pipe is not None}

    def listen(pipe: Any) -> None:
        for part in iter(lambda: os.read(pipe.fileno(), 1 << 16), b""):
            heard[pipe] += part
            if len(heard[pipe]) > 2 * KEPT:
                del heard[pipe][:-KEPT]

    listeners = [threading.Thread(target=listen, args=(pipe,), daemon=True) for pipe in heard]
    for each in listeners:
        each.start()
    status: int | None = None
    try:
        status = process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for each in listeners:
        # A child of its own may hold the pipe open.
        each.join(5)
    texts = [bytes(each[-KEPT:]).decode("utf-8", "replace") for each in heard.values()]
    return status, texts[0], texts[-1]


def whole() -> dict[str, Any]:
    """Do every part that there is something for."""
    told: dict[str, Any] = {
        "form": 1,
        "python": sys.version.split()[0],
        "variables": {name: os.environ[name] for name in SEEN if name in os.environ},
        "devices": sorted(str(path) for each in DEVICES for path in Path("/dev").glob(each)),
        "nvidia_smi": printed(["nvidia-smi"]),
        "listed": printed(["nvidia-smi", "-L"]),
        "driver": apart("driver"),
        "parts": {},
    }
    for name in ("torch", "tensorflow", "jax", "vllm"):
        if quietly(partial(importlib.util.find_spec, name)) is None:
            continue
        told["parts"][name] = apart(name)
    told["libraries"] = apart("libraries")
    return told


def main(words: Sequence[str]) -> None:
    """Do a part that is named, else everything, and say it."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    told = one(words[0]) if words else whole()
    sys.stdout.flush()
    data = f"\n{MARK}{json.dumps(told, default=str)}\n".encode()
    while data:
        data = data[os.write(ours, data) :]


if __name__ == "__main__":
    main(sys.argv[1:])
