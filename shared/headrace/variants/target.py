"""Hosts that are described instead of found, and what the user's environment decides. Pure.

A description is a list of facts: ``driver=550,gpu=V100,python=3.12``. Its words are in `_WORDS`;
``gpu`` may come several times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from headrace.config import EnvVars
from headrace.errors import SettingsError
from headrace.values import dataclass
from headrace.variants.builds import CudaTables, Pair
from headrace.variants.compatibility.gpu_names import capability_of
from headrace.variants.compatibility.intel_gpus import family_of_name
from headrace.variants.compatibility.labels import Kind, kind_of
from headrace.variants.host_paths import VARIABLES
from headrace.variants.hosts import Accelerator, Host, Situation
from headrace.variants.wheels import python_of
from headrace.wording import meant, shown

__all__ = [
    "NOTHING",
    "VariantOverride",
    "decided",
    "override_from",
    "parse_target",
    "said_in",
]

_PAIR = re.compile(r"(\d+)\.(\d+)")
_PLAIN = re.compile(r"[^a-z0-9]+")
_BRANDS = re.compile(r"\b(nvidia|geforce|tesla|quadro|amd|radeon|intel)\b")
#: Names of Intel's GPUs that no build is for.
_INTEL = re.compile(r"\b(?:intel|uhd|iris)\b")
#: Words that describe accelerators.
_ACCELERATION = ("driver", "cuda", "gpu")
_MACHINES = {"arm64": "aarch64", "amd64": "x86_64"}


@dataclass(frozen=True, slots=True)
class VariantOverride:
    """What the user decided."""

    build: str = ""
    """A label, or ``off``; empty: nothing."""
    host: Host | None = None
    """Decide for this one instead of the one that was found."""
    source: str = EnvVars.HEADRACE_CUDA
    """The variable, option or line of the settings that says so; of a pin the requirement."""
    pinned: bool = False
    """The request itself asks for the very build."""

    @property
    def words(self) -> str:
        """``HEADRACE_CUDA=cu126``."""
        return self.source if self.pinned else f"{self.source}={self.build}"


NOTHING = VariantOverride()


def parse_target(
    text: str, tables: CudaTables, found: Host | None = None, *, where: str = ""
) -> Host:
    """Read a description; SettingsError says what is wrong with it, and that it is `where`.

    `found`: the host that says what the description does not. A description that names a GPU or a
    driver takes the accelerators over as a whole; a driver that it does not name stays.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    words = [part.partition("=")[0].strip() for part in parts]
    host = found or Host()
    if not set(words).isdisjoint(_ACCELERATION):
        host = replace(
            host,
            accelerators=(),
            situation=Situation.ORDINARY,
            notes=(),
            extra=(),
            tried=(),
            method="described",
            target=True,
        )
    for word, part in zip(words, parts, strict=True):
        read, value = _WORDS.get(word), part.partition("=")[2].strip()
        if read is None or not value:
            every = ", ".join(f"{known}=…" for known in _WORDS)
            raise _bad(where, text, f"{shown(part)} is none of {every}{meant(word, _WORDS)}")
        try:
            host = read(host, value, tables)
        except ValueError as error:
            raise _bad(where, text, str(error)) from error
    nvidia = any(gpu.maker == "nvidia" for gpu in host.accelerators)
    if nvidia and host.cuda is None and host.driver is None:
        raise _bad(where, text, "it does not say which driver there will be")
    return host


def override_from(
    environment: Mapping[str, str],
    found: Host,
    tables: CudaTables,
    places: Mapping[str, str] | None = None,
) -> VariantOverride:
    """Read what the environment decides; SettingsError says what is wrong with it, and where.

    `found`: as in `parse_target`. `places`: `said_in`.
    """
    place = {name: name for name in VARIABLES} | dict(places or {})
    ours, target, theirs = (environment.get(name, "").strip() for name in VARIABLES)
    ours, theirs = ours.lower(), theirs.lower()
    if ours not in ("", "auto"):
        if ours != "off" and kind_of(ours) is Kind.OTHER:
            what = "it is no cuNNN, cpu, rocmN.N, xpu, auto or off"
            raise _bad(place[VARIABLES[0]], ours, what)
        return VariantOverride(build=ours, source=place[VARIABLES[0]])
    if target:
        where = place[VARIABLES[1]]
        return VariantOverride(host=parse_target(target, tables, found, where=where), source=where)
    # What is no build for us there ("auto", a future label) is for the other tool to judge.
    if not ours and kind_of(theirs) is not Kind.OTHER:
        return VariantOverride(build=theirs, source=VARIABLES[2])
    return NOTHING


def decided(environment: Mapping[str, str], variants: str, target: str) -> dict[str, str]:
    """Return the environment with the settings `variants` and `target` where it says nothing."""
    build, described, _ = VARIABLES
    told = dict(environment)
    if variants != "auto" and not told.get(build):
        told[build] = variants
    if target and not told.get(described):
        told[described] = target
    return told


def said_in(environment: Mapping[str, str], settings_file: object) -> dict[str, str]:
    """Say where each of what `decided` adds stands: the file and its key."""
    build, described, _ = VARIABLES
    keys = {build: "variants", described: "target"}
    return {
        name: f"{settings_file}: {key}" for name, key in keys.items() if not environment.get(name)
    }


def _driver(host: Host, text: str, _tables: CudaTables) -> Host:
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        raise ValueError(f"{text!r} is no driver's version")
    return replace(host, driver=text, cuda=None)


def _cuda(host: Host, text: str, _tables: CudaTables) -> Host:
    return replace(host, cuda=_pair(text), driver=None)


def _gpu(host: Host, text: str, tables: CudaTables) -> Host:
    if text.lower() == "none":
        return replace(host, accelerators=(), driver=None, cuda=None)
    return replace(host, accelerators=(*host.accelerators, _accelerator(text, tables)))


def _accelerator(text: str, tables: CudaTables) -> Accelerator:
    lower = text.lower()
    if re.fullmatch(r"gfx[0-9a-f]+", lower):
        return Accelerator("amd", lower, architecture=lower, method="described")
    if _INTEL.search(lower) or family_of_name(text, tables):
        return Accelerator("intel", text, method="described")
    if lower.startswith("ascend"):
        return Accelerator("huawei", text, method="described")
    capability, name = _capability(lower), ""
    if capability is None:
        name, capability = _by_name(text, tables)
    return Accelerator("nvidia", name, capability, method="described")


def _capability(text: str) -> Pair | None:
    """Read ``7.0``, ``sm_70`` or ``70``."""
    if match := _PAIR.fullmatch(text):
        return int(match[1]), int(match[2])
    match = re.fullmatch(r"(?:sm_?)?(\d{1,2})(\d)", text)
    return (int(match[1]), int(match[2])) if match else None


def _by_name(text: str, tables: CudaTables) -> tuple[str, Pair]:
    wanted = _short(text)
    known = {name: pair for name, pair in tables.gpus.items() if _short(name) == wanted}
    if not known:
        # A part of the name does where all that have it are alike.
        known = {name: p for name, p in tables.gpus.items() if wanted and wanted in _short(name)}
    if not known and (pair := capability_of(text, tables)):
        return text, pair  # as a driver writes it
    if len(set(known.values())) != 1:
        some = f"; it may be {', '.join(sorted(known)[:5])}" if known else ""
        raise ValueError(f"no GPU is known as {text!r}{some}; its compute capability will do (8.6)")
    return text if len(known) > 1 else next(iter(known)), next(iter(known.values()))


def _short(name: str) -> str:
    return _PLAIN.sub("", _BRANDS.sub("", name.lower()))


def _pair(text: str) -> Pair:
    match = _PAIR.match(text)
    if not match:
        raise ValueError(f"{text!r} is no version like 12.8")
    return int(match[1]), int(match[2])


def _python(host: Host, text: str, _tables: CudaTables) -> Host:
    if python_of(text) is None:
        raise ValueError(f"{text!r} is no version of Python")
    return replace(host, python=text)


def _platform(host: Host, text: str, _tables: CudaTables) -> Host:
    platform = {"windows": "win32", "macos": "darwin"}.get(text.lower(), text.lower())
    if platform not in ("linux", "win32", "darwin"):
        raise ValueError(f"{text!r} is none of linux, windows, macos")
    # The C library is that of the platform which was found.
    return replace(host, platform=platform, libc=host.libc if platform == host.platform else None)


def _machine(host: Host, text: str, _tables: CudaTables) -> Host:
    return replace(host, machine=_MACHINES.get(text.lower(), text.lower()))


def _glibc(host: Host, text: str, _tables: CudaTables) -> Host:
    return replace(host, libc=_pair(text))


def _macos(host: Host, text: str, _tables: CudaTables) -> Host:
    version = _pair(text if "." in text else f"{text}.0")
    return replace(host, platform="darwin", os_version=version)


_WORDS: Mapping[str, Callable[[Host, str, CudaTables], Host]] = {
    "driver": _driver,
    "cuda": _cuda,
    "gpu": _gpu,
    "python": _python,
    "platform": _platform,
    "machine": _machine,
    "glibc": _glibc,
    "macos": _macos,
}


def _bad(where: str, text: str, what: str) -> SettingsError:
    said = f"{where} = {text!r}" if where else text
    return SettingsError(
        "bad-target", f"{said}: {what}", hint="for example driver=550,gpu=V100,python=3.12"
    )
