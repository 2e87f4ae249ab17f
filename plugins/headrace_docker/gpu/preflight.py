"""Whether an image will run on a host, before its gigabytes come: said from its manifest and its
configuration alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from headrace.interface import CudaTables, Host, dataclass, foreign, read_json
from headrace_docker.gpu.requirements import Need, failing, need_of

__all__ = ["Facts", "linux_on", "machine_word", "pick", "read_facts", "verdict"]

#: Where older images say their CUDA.
_LABEL = "com.nvidia.cuda.version"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What manifest and configuration say."""

    layers: int
    size: int
    """Bytes, compressed."""
    platforms: tuple[str, ...]
    architecture: str
    need: Need | None
    environment: Mapping[str, str] = field(default_factory=dict)


def machine_word(machine: str) -> str:
    """Return a processor as images call it: ``amd64`` for ``x86_64``; what has no other name of
    theirs stays, as ``arm/v7``.
    """
    return _MACHINES.get(machine, machine)


def linux_on(host: Host) -> str:
    """Return a host's platform as images call it: ``linux/amd64``."""
    return f"linux/{machine_word(host.machine)}"


def pick(manifest: Mapping[str, Any], machine: str) -> tuple[str | None, tuple[str, ...]]:
    """Choose from an index the digest for a machine (None: not there), and list its platforms.

    For what is no index both are empty.
    """
    listed = manifest.get("manifests")
    if not isinstance(listed, list):
        return None, ()
    # Also as it is asked for by word: arm64, arm/v7.
    wanted, _, variant = machine_word(machine).partition("/")
    platforms, found = [], None
    for entry in listed:
        platform = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(platform, dict) or platform.get("os") in (None, "unknown"):
            continue
        platforms.append(f"{platform.get('os')}/{platform.get('architecture')}")
        same = platform.get("os") == "linux" and platform.get("architecture") == wanted
        if same and variant in ("", platform.get("variant")):
            found = found or str(entry.get("digest"))
    return found, tuple(dict.fromkeys(platforms))


@foreign("a configuration of an image")
def read_facts(
    manifest: Mapping[str, Any], config: bytes, tag: str, platforms: Sequence[str]
) -> Facts:
    """Read both; ValueError when they are not what they should be."""
    table = read_json(config)
    layers = manifest.get("layers")
    if not isinstance(table, dict) or not isinstance(layers, list):
        raise ValueError("no image's manifest and configuration")  # noqa: TRY004 - as promised
    about = table.get("config") or {}
    pairs = [str(each).partition("=") for each in about.get("Env") or ()]
    environment = {name: value for name, _, value in pairs}
    labels = about.get("Labels") or {}
    if isinstance(labels, dict) and isinstance(labels.get(_LABEL), str):
        environment.setdefault("CUDA_VERSION", labels[_LABEL])
    sizes = [layer.get("size", 0) for layer in layers if isinstance(layer, dict)]
    architecture = str(table.get("architecture", ""))
    return Facts(
        len(layers),
        sum(size for size in sizes if isinstance(size, int)),
        tuple(platforms) or (f"{table.get('os', 'linux')}/{architecture}",),
        architecture,
        need_of(environment, tag),
        environment,
    )


def verdict(
    facts: Facts, host: Host, tables: CudaTables, why: str, *, datacentre: bool = False
) -> list[str]:
    """Say in sentences whether it will run here, the reason first.

    `why`: why not, by the rule of ``image find``; empty: it runs. `datacentre`: as in `failing`.
    """
    need = facts.need
    if need is None:
        return ["runs here as far as its configuration tells: it does not speak of CUDA"]
    made = f"{need.cuda[0]}.{need.cuda[1]}"
    what = f"it was made with CUDA {made} ({need.source})"
    gpus = [gpu for gpu in host.accelerators if gpu.maker == "nvidia"]
    if not gpus:
        return [f"needs an NVIDIA GPU, and none was found here: {what}"]
    here = f"driver {host.driver}" if host.driver else "this driver"
    if host.cuda:
        here += f" = CUDA {host.cuda[0]}.{host.cuda[1]}"
    return [
        _first(need, host, tables, here, why, datacentre=datacentre),
        *_kernels(need, host, tables),
        f"{what}; here: {here}",
    ]


def _first(
    need: Need, host: Host, tables: CudaTables, here: str, why: str, *, datacentre: bool
) -> str:
    if host.cuda is None:
        return "whether it runs here is not known: the driver could not be asked"
    texts = (failing(text, host, datacentre=datacentre) for text in need.constraints)
    wrong = next(filter(None, texts), "")
    newer = need.cuda[0] > host.cuda[0]
    if newer and not why:
        return "runs here: on a data centre's GPU its own libraries stand in for the driver's"
    if newer:
        floor = next((each for each in tables.floors if each.major == need.cuda[0]), None)
        wanted = f"a driver of {floor.linux} or newer" if floor else "a newer driver"
        if need.forward and datacentre:
            return f"may run here: it needs {wanted}, or libraries of its own that do for this one"
        return f"will not run here: it needs {wanted}, and this is {here}"
    if wrong:
        return (
            f"will be refused by the nvidia runtime: it requires {wrong}, and this is {here}; with "
            "CDI nobody checks that, and it may run"
        )
    return f"will not run here: it {why}" if why else "runs here: the driver is new enough"


def _kernels(need: Need, host: Host, tables: CudaTables) -> Iterator[str]:
    for gpu in host.accelerators:
        capability = gpu.capability
        if gpu.maker != "nvidia" or capability is None:
            continue
        made = tables.compilers.get(capability[0])
        if made is None:
            continue
        if made.first is not None and need.cuda < made.first:
            first = f"{made.first[0]}.{made.first[1]}"
            yield f"has no code for {gpu.name}: that needs CUDA {first} or newer"
        elif made.last is not None and capability in made.ended and need.cuda > made.last:
            last = f"{made.last[0]}.{made.last[1]}"
            yield f"has no code for {gpu.name}: CUDA {last} was the last that made it"
