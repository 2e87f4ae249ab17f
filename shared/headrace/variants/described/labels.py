"""A Kubernetes node as its labels describe it: those of NVIDIA's GPU feature discovery (part of its
GPU operator), and of node feature discovery. Pure.

Labels come as ``key=value`` text, one a line or between commas, or in the node itself as JSON or
YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.errors import SettingsError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.variants.builds import CudaTables, Pair
from headrace.variants.compatibility.drivers import own_cuda
from headrace.variants.compatibility.gpu_names import capability_of
from headrace.variants.hosts import Accelerator, Host

__all__ = ["described_by", "labels_in", "selecting"]

_PAIR = re.compile(r"(?<![\w./-])([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?:/[\w.-]+)?)=([\w.-]*)")
_WORD = re.compile(r"[\w./-]+")
_KIND = re.compile(r"^(?:items:|kind:\s*(?:List|NodeList)\b)", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,6}")
_NVIDIA = "nvidia.com/"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
#: Behind a card's name: how it is shared or split, by the operator's own words.
_SHARED = re.compile(r"-(?:SHARED|MIG-.*)$")
#: GPUs of one node that are counted.
_MOST = 64
_PCI = "feature.node.kubernetes.io/pci-"
_HINT = (
    "`kubectl get node NAME -o json` gives them; without the operator's labels "
    "--for driver=…,gpu=… describes the node"
)


def labels_in(text: str) -> dict[str, str]:
    """Read labels; SettingsError where there are none, or those of several nodes."""
    if text.lstrip().startswith("{"):
        found = _of_json(text)
    elif _KIND.search(text):
        raise _several()
    else:
        found = dict(_entries(text))
    if not found:
        raise _bad("they hold no label")
    return found


def _of_json(text: str) -> dict[str, str]:
    try:
        return _node(text)
    except UnreadableError as error:
        raise _bad("they are no JSON of a node") from error


@foreign("a node")
def _node(text: str) -> dict[str, str]:
    table: dict[str, Any] = read_json(text.encode())
    items = table.get("items")
    if isinstance(items, list):
        if len(items) != 1:
            raise _several()
        table = items[0]
    labels = table["metadata"]["labels"] if "metadata" in table else table
    return {str(key): value for key, value in labels.items() if isinstance(value, str)}


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, _, value = (part.strip(" \t\"',") for part in line.partition(":"))
        if _WORD.fullmatch(key) and _WORD.fullmatch(value):
            yield key, value
        else:
            yield from ((each[1], each[2]) for each in _PAIR.finditer(line))


def selecting(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels by which nodes of the same kind are selected: their processor and their
    GPU. No driver's: it is renewed, and a newer one does.
    """
    wanted = ("kubernetes.io/arch", f"{_NVIDIA}gpu.product")
    return {key: labels[key] for key in wanted if labels.get(key)}


def described_by(labels: Mapping[str, str], tables: CudaTables) -> Host:
    """Return the node as a host; SettingsError where its labels leave out what decides."""
    architecture = labels.get("kubernetes.io/arch") or labels.get("beta.kubernetes.io/arch", "")
    machine = _MACHINES.get(architecture, architecture or "x86_64")
    host = Host(machine=machine, target=True, method="labels")
    if not any(key.startswith(f"{_NVIDIA}gpu.") for key in labels):
        return _without(host, labels)
    driver = _driver(labels)
    if not driver:
        raise _bad(f"they do not say the driver ({_NVIDIA}cuda.driver.major)")
    split = _SHARED.sub("", labels.get(f"{_NVIDIA}gpu.product", ""))
    name = split.replace("-", " ").strip()
    capability = _two(labels, f"{_NVIDIA}gpu.compute") or (
        capability_of(name, tables) if name else None
    )
    if capability is None:
        raise _bad(f"they do not say what the GPU is capable of ({_NVIDIA}gpu.compute.major)")
    gpu = Accelerator(
        "nvidia", name, capability, driver=driver, method="labels", mig=_is_split(labels)
    )
    host = Host(
        (gpu,) * min(_count(labels), _MOST),
        driver,
        machine=machine,
        target=True,
        method="labels",
    )
    told = _two(labels, f"{_NVIDIA}cuda.runtime") or _two(labels, f"{_NVIDIA}cuda.runtime-version")
    return _with_cuda(host, told or own_cuda(host, tables))


def _with_cuda(host: Host, cuda: Pair | None) -> Host:
    return Host(
        host.accelerators, host.driver, cuda, machine=host.machine, target=True, method=host.method
    )


def _without(host: Host, labels: Mapping[str, str]) -> Host:
    """Return a node without NVIDIA's labels; one that has such a card all the same is not known."""
    if any(key.startswith(_PCI) and "10de" in key for key in labels):
        raise _bad("there is an NVIDIA card, and no label says which, nor its driver")
    for maker, start in (("amd", "amd.com/gpu"), ("intel", "gpu.intel.com/")):
        if any(key.startswith(start) for key in labels):
            raise _bad(f"they do not say what {maker}'s GPU is capable of")
    return host


def _driver(labels: Mapping[str, str]) -> str:
    """Return the driver's version; the labels have had two names."""
    full = labels.get(f"{_NVIDIA}cuda.driver-version.full", "")
    if re.fullmatch(r"\d+(\.\d+)*", full):
        return full
    for start, last in (
        (f"{_NVIDIA}cuda.driver.", "rev"),
        (f"{_NVIDIA}cuda.driver-version.", "revision"),
    ):
        parts = [labels.get(f"{start}{word}", "") for word in ("major", "minor", last)]
        known = [part for part in parts if _NUMBER.fullmatch(part)]
        if known and _NUMBER.fullmatch(parts[0]):
            return ".".join(known)
    return ""


def _two(labels: Mapping[str, str], start: str) -> Pair | None:
    major, minor = (labels.get(f"{start}.{word}", "") for word in ("major", "minor"))
    if not _NUMBER.fullmatch(major):
        return None
    return int(major), int(minor) if _NUMBER.fullmatch(minor) else 0


def _count(labels: Mapping[str, str]) -> int:
    text = labels.get(f"{_NVIDIA}gpu.count", "1")
    return max(1, int(text)) if _NUMBER.fullmatch(text) else 1


def _is_split(labels: Mapping[str, str]) -> bool:
    product = labels.get(f"{_NVIDIA}gpu.product", "")
    return "-MIG-" in product or any(key.startswith(f"{_NVIDIA}mig-") for key in labels)


def _several() -> SettingsError:
    return _bad("they are those of several nodes; give one of them")


def _bad(what: str) -> SettingsError:
    return SettingsError("bad-labels", f"the node's labels do not do: {what}", hint=_HINT)
