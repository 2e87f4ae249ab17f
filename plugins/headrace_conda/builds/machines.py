"""What conda, pixi and rattler see of a machine: its virtual packages. Pure.

``__cuda_arch`` is the lowest compute capability of all GPUs (CEP 46). pixi and rattler know it;
conda itself does not, but by a plugin: NVIDIA's, or ours where it is switched on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.interface import Host, Place
from headrace_conda.builds.reading import SeenMachine
from headrace_conda.subdirs import subdir_of

__all__ = ["arch_of", "is_described", "machine_of", "seen_by_conda", "subdir", "variables"]

#: Virtual packages that the user's environment may replace.
_OVERRIDABLE = ("__cuda", "__cuda_arch", "__glibc", "__linux", "__osx")


def subdir(host: Host) -> str:
    """Name the channels' folder for a machine."""
    return subdir_of(host.platform, host.machine)


def is_described(host: Host) -> bool:
    """Whether `--for` names its accelerators. Where the environment replaces a driver conda hears
    that by itself.
    """
    return host.method == "described"


def arch_of(host: Host) -> str:
    """Give ``__cuda_arch``; empty: no NVIDIA GPU, or one whose capability is not known."""
    found = [gpu.capability for gpu in host.accelerators if gpu.maker == "nvidia"]
    known = [pair for pair in found if pair is not None]
    return _text(min(known)) if known and len(known) == len(found) else ""


def variables(host: Host, place: Place) -> dict[str, str]:
    """Return what makes conda solve for a machine that is described; empty for this one."""
    if not is_described(host):
        return {"CONDA_SUBDIR": subdir(host)} if host.platform != place.platform else {}
    told = {
        "CONDA_OVERRIDE_CUDA": _text(host.cuda) if host.cuda else "",
        "CONDA_OVERRIDE_CUDA_ARCH": arch_of(host) if host.cuda else "",
        "CONDA_SUBDIR": subdir(host),
    }
    if host.libc and "CONDA_OVERRIDE_GLIBC" not in place.environment:
        told["CONDA_OVERRIDE_GLIBC"] = _text(host.libc)
    return told


def seen_by_conda(info: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """Read the virtual packages that ``conda info --json`` lists."""
    listed = info.get("virtual_pkgs")
    return {
        str(each[0]): (str(each[1]), str(each[2]))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, Sequence) and len(each) == 3
    }


def machine_of(host: Host, env: Mapping[str, str]) -> SeenMachine:
    """Say what pixi and rattler see, with the variables that they obey as conda does."""
    virtual = dict(_system(host))
    if host.cuda:
        virtual["__cuda"] = (_text(host.cuda), "0")
        if arch := arch_of(host):
            virtual["__cuda_arch"] = (arch, "0")
    for name in () if is_described(host) else _OVERRIDABLE:
        said = env.get(f"CONDA_OVERRIDE_{name.removeprefix('__').upper()}")
        if said is not None and said.strip():
            virtual[name] = (said.strip(), "0")
        elif said is not None:
            virtual.pop(name, None)
    if "__cuda" not in virtual:
        virtual.pop("__cuda_arch", None)
    return SeenMachine(virtual, host.python or "")


def _system(host: Host) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    yield "__archspec", (None, None)
    if host.platform == "win32":
        yield "__win", (None, None)
        return
    yield "__unix", (None, None)
    if host.platform == "darwin":
        yield "__osx", (_text(host.os_version) if host.os_version else None, None)
    else:
        yield "__linux", (None, None)
        if host.libc:
            yield "__glibc", (_text(host.libc), "0")


def _text(pair: tuple[int, int]) -> str:
    return f"{pair[0]}.{pair[1]}"
