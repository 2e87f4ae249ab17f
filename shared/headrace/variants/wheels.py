"""Which wheels a host can install: Python, machine, glibc, macOS. Pure.

Tags as in PEP 425, manylinux as in PEP 600. What is not known of the host does not exclude a wheel:
the installer judges again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from headrace.foreign import UnreadableError, foreign
from headrace.variants.builds import DEFAULT_INDEX, Candidate, ListedFile, Pair
from headrace.variants.hosts import Host

__all__ = [
    "build_of",
    "candidates_from",
    "candidates_of_pages",
    "misfit",
    "python_of",
    "system_of",
]

_PYTHON = re.compile(r"(\d+)\.(\d+)(?:\.\w+)*?(t?)")
_INTERPRETER = re.compile(r"(cp|py)(\d)(\d*)")
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")
_MACOS = re.compile(r"macosx_(\d+)_(\d+)_(\w+)")
_NUMBER = re.compile(r"\d+")
#: Characters of a file's name (no file system has longer ones), and dots in it.
_LONGEST_NAME = 255
_MOST_DOTS = 40
#: Names from before PEP 600.
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_MACOS_ARM = ("arm64", "universal2")
_MACOS_INTEL = ("x86_64", "universal2", "intel")
_SYSTEMS = {"linux": "Linux", "win32": "Windows", "darwin": "macOS"}
_WINDOWS = {"x86_64": "win_amd64", "aarch64": "win_arm64"}


def candidates_of_pages(
    pages: Mapping[tuple[str, str], Sequence[ListedFile]],
) -> list[Candidate]:
    """Return the candidates on pages by project and label.

    A file without a time is none beside a default page that has times: it would end every
    installation that asks for nothing newer than a day.
    """
    found: list[Candidate] = []
    for (project, label), files in pages.items():
        dated = label and any(file.dated for file in pages.get((project, ""), ()))
        there = candidates_from(project, (f for f in files if f.dated or not dated), index=label)
        # What bears no label in a variant index is not a build of its own.
        found += [each for each in there if each.label or not label]
    return found


def candidates_from(
    project: str, files: Iterable[ListedFile], *, index: str = DEFAULT_INDEX
) -> tuple[Candidate, ...]:
    """Return the candidates that an index's files make; what is no wheel of it is left out.

    A version counts as yanked when all its wheels are.
    """
    wheels: dict[tuple[str, str], list[str]] = defaultdict(list)
    there: set[tuple[str, str]] = set()
    for file in files:
        named = _name_and_version(file.name)
        if named is None:
            continue
        name, version = named
        if name != canonicalize_name(project):
            continue
        build = (version.public, version.local or "")
        # The last three parts, compressed as they are.
        wheels[build].append("-".join(file.name.removesuffix(".whl").rsplit("-", 3)[1:]))
        if not file.yanked:
            there.add(build)
    return tuple(
        Candidate(
            canonicalize_name(project),
            version,
            label,
            index,
            tuple(sorted(set(tags))),
            yanked=(version, label) not in there,
        )
        for (version, label), tags in sorted(wheels.items())
    )


def build_of(file: str) -> Candidate | None:
    """Read which build a file is from its name alone; None: it is no wheel."""
    named = _name_and_version(file)
    if named is None:
        return None
    name, version = named
    tags = "-".join(file.removesuffix(".whl").rsplit("-", 3)[1:])
    return Candidate(name, version.public, version.local or "", wheels=(tags,))


def _name_and_version(file: str) -> tuple[str, Version] | None:
    """Read a wheel's name; None: it is none, or its tags are more than any build has.

    packaging multiplies interpreters, ABIs and platforms.
    """
    if len(file) > _LONGEST_NAME or file.count(".") > _MOST_DOTS:
        return None
    try:
        with foreign("a wheel's name"):
            name, version, _, _ = parse_wheel_filename(file)
    except UnreadableError:
        return None
    return name, version


def python_of(text: str | None) -> tuple[Pair, bool] | None:
    """Read ``3.12``, ``3.12.4`` or ``3.13t``: the version, and whether it has no global lock."""
    match = _PYTHON.fullmatch(text or "")
    return ((int(match[1]), int(match[2])), bool(match[3])) if match else None


def misfit(wheels: Iterable[str], host: Host, python: str | None, glibc: Pair | None) -> str:
    """Say why none of the wheels can be installed, as "needs …"; empty when one can.

    `glibc`: what wheels need whose tag does not say it (``linux_x86_64``).
    """
    wanted = python_of(python)
    complaints = []
    for wheel in wheels:
        complaint = _complaint(wheel, host, wanted, glibc)
        if not complaint:
            return ""
        complaints.append(complaint)
    if not complaints:
        return ""
    # The mildest: what a newer system would mend, before what is for other machines.
    mildest = max(order for order, _ in complaints)
    return min((text for order, text in complaints if order == mildest), key=_numbers)


def system_of(host: Host) -> str:
    """Name a host's system and machine for people: ``Windows x86_64``."""
    return f"{_SYSTEMS.get(host.platform, host.platform)} {host.machine}"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in _NUMBER.findall(text)]


def _complaint(
    wheel: str, host: Host, python: tuple[Pair, bool] | None, glibc: Pair | None
) -> tuple[int, str] | None:
    interpreters, abis, platforms = wheel.rsplit("-", 2)
    there = _platforms(platforms.split("."), host, glibc)
    if there is None:
        return 0, f"has no wheel for {system_of(host)}"
    if python and (wrong := _python(interpreters.split("."), abis.split("."), python)):
        return (1, wrong)
    return (2, there) if there else None


def _python(interpreters: list[str], abis: list[str], python: tuple[Pair, bool]) -> str:
    version, free = python
    least = []
    for interpreter in interpreters:
        match = _INTERPRETER.fullmatch(interpreter)
        if not match:
            continue
        made_for = int(match[2]), int(match[3] or 0)
        least.append(made_for)
        stable = match[1] == "py" or ("abi3" in abis and not free)
        if stable and made_for[0] == version[0] and made_for <= version:
            return ""
        if made_for == version and any(_abi(abi, free=free) for abi in abis):
            return ""
    newer = [made_for for made_for in least if made_for > version]
    if newer:
        return f"needs Python >= {min(newer)[0]}.{min(newer)[1]}"
    return f"has no wheel for Python {version[0]}.{version[1]}{'t' if free else ''}"


def _abi(abi: str, *, free: bool) -> bool:
    return abi == "none" or (abi.startswith("cp") and abi.endswith("t") is free)


def _platforms(platforms: list[str], host: Host, glibc: Pair | None) -> str | None:
    """Say what is missing for all of them; empty: nothing; None: they are for other machines."""
    missing = None
    for platform in platforms:
        lack = _platform(platform, host, glibc)
        if lack == "":
            return ""
        missing = missing or lack
    return missing


def _platform(platform: str, host: Host, glibc: Pair | None) -> str | None:
    if platform == "any":
        return ""
    if host.platform == "linux":
        return _linux(platform, host, glibc)
    if host.platform == "win32":
        return "" if platform == _WINDOWS.get(host.machine) else None
    match = _MACOS.fullmatch(platform)
    machines = _MACOS_ARM if host.machine == "aarch64" else _MACOS_INTEL
    if host.platform != "darwin" or not match or match[3] not in machines:
        return None
    needed = int(match[1]), int(match[2])
    old = host.os_version and host.os_version < needed
    return f"needs macOS >= {needed[0]}" if old else ""


def _linux(platform: str, host: Host, glibc: Pair | None) -> str | None:
    match = _MANYLINUX.fullmatch(platform)
    name, _, machine = platform.partition("_")
    if match:
        needed: Pair | None = int(match[1]), int(match[2])
        machine = match[3]
    elif name in _LEGACY:
        needed = _LEGACY[name]
    elif name == "linux":
        needed = glibc
    else:
        return None
    if machine != host.machine:
        return None
    if needed and host.libc and host.libc < needed:
        return f"needs glibc >= {needed[0]}.{needed[1]}"
    return ""
