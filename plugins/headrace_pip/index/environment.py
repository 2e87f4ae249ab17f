"""The machine that a client installs for, as its User-Agent tells it.

pip and uv put a JSON object there: Python's version and implementation, the system, the CPU, the
C library. It serves guesses (what to read ahead), never decisions about what a client is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from packaging import tags

from headrace.interface import UnreadableError, dataclass, foreign, read_json

__all__ = ["Environment", "markers", "read", "tag_ranks"]

_AGENT = re.compile(r"(pip|uv)/([0-9]{1,4})\.([0-9]{1,4})\S* (\{.*\})", re.DOTALL)
#: Tags are counted down from these numbers, one by one: larger ones are nobody's version.
_NUMBERS = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?![0-9])")
_NUMBER = re.compile(r"[0-9]{1,3}")
_LONGEST_AGENT = 4096

#: Names of wheels' platforms where they differ from what the client calls its CPU.
_WINDOWS = {"amd64": "win_amd64", "x86_64": "win_amd64", "arm64": "win_arm64", "x86": "win32"}
_LINUX = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686"}
#: glibc of the wheels' platform names from before PEP 600.
_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MUSL_DISTRIBUTIONS = ("alpine", "postmarketos", "chimera", "adelie")
_SYS_PLATFORM = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a client installs."""

    tool: str
    tool_version: tuple[int, int]
    python: str
    """Full version of the interpreter."""
    implementation: str
    """As `platform.python_implementation` has it."""
    implementation_version: str
    system: str
    """As `platform.system` has it."""
    release: str
    cpu: str
    libc: tuple[str, int, int] | None = None
    """C library of Linux: ``glibc`` or ``musl``, major, minor."""
    macos: tuple[int, int] = (11, 0)
    subcommand: tuple[str, ...] = ()
    """What the client was told to do (``("pip", "compile")``), where it says so: newer uv."""

    @property
    def python_pair(self) -> tuple[int, int]:
        """Major and minor version of the interpreter."""
        return _pair(self.python) or (3, 0)

    @property
    def reads_metadata(self) -> bool:
        """Whether the client asks for ``.metadata`` when it installs; pip does no more."""
        return self.tool != "pip" or self.tool_version < (25, 3)


@lru_cache(maxsize=64)
def read(user_agent: str) -> Environment | None:
    """Read a User-Agent; None: not a client that says where it installs."""
    found = _AGENT.fullmatch(user_agent) if len(user_agent) < _LONGEST_AGENT else None
    if found is None:
        return None
    try:
        return _read(found)
    except UnreadableError:
        return None


@foreign("a User-Agent")
def _read(found: re.Match[str]) -> Environment:
    told: dict[str, Any] = read_json(found[4])
    implementation = told.get("implementation") or {}
    system = told.get("system") or {}
    python = str(told["python"])
    name = str(system.get("name"))
    return Environment(
        tool=found[1],
        tool_version=(int(found[2]), int(found[3])),
        python=python,
        implementation=str(implementation.get("name", "CPython")),
        implementation_version=str(implementation.get("version", python)),
        system=name,
        release=str(system.get("release", "")),
        cpu=str(told.get("cpu", "")),
        libc=_libc(told.get("distro") or {}) if name == "Linux" else None,
        macos=_macos(told.get("distro") or {}),
        subcommand=_words((told.get("installer") or {}).get("subcommand")),
    )


def _words(told: object) -> tuple[str, ...]:
    return tuple(map(str, told)) if isinstance(told, list) else ()


def _libc(distro: Mapping[str, Any]) -> tuple[str, int, int]:
    libc = distro.get("libc") or {}
    musl = str(libc.get("lib")) == "musl" or (
        not libc and str(distro.get("id", distro.get("name", ""))).lower() in _MUSL_DISTRIBUTIONS
    )
    # Where it is not told: what nearly all wheels of today are content with.
    usual = (1, 2) if musl else (2, 17)
    return ("musl" if musl else "glibc", *(_pair(str(libc.get("version"))) or usual))


def _macos(distro: Mapping[str, Any]) -> tuple[int, int]:
    version = str(distro.get("version", ""))
    return _pair(version) or ((int(version), 0) if _NUMBER.fullmatch(version) else (11, 0))


def _pair(version: str) -> tuple[int, int] | None:
    found = _NUMBERS.match(version)
    return (int(found[1]), int(found[2])) if found else None


def markers(where: Environment) -> dict[str, str]:
    """Return the environment markers (dependency specifiers, once PEP 508) of a client."""
    major, minor = where.python_pair
    system = _SYS_PLATFORM.get(where.system, where.system.lower())
    return {
        "implementation_name": where.implementation.lower(),
        "implementation_version": where.implementation_version,
        "os_name": "nt" if system == "win32" else "posix",
        "platform_machine": where.cpu,
        "platform_python_implementation": where.implementation,
        "platform_release": where.release,
        "platform_system": where.system,
        "platform_version": "",
        "python_full_version": where.python,
        "python_version": f"{major}.{minor}",
        "sys_platform": system,
        "extra": "",
    }


@lru_cache(maxsize=16)
def tag_ranks(where: Environment) -> Mapping[tuple[str, str, str], int]:
    """Return the wheel tags that fit there, each with its rank; 0 is the best."""
    pair = where.python_pair
    platforms = list(_platforms(where)) or ["unknown"]
    digits = f"{pair[0]}{pair[1]}"
    if where.implementation == "CPython":
        interpreter = f"cp{digits}"
        own = tags.cpython_tags(pair, [interpreter], platforms)
    else:
        short = {"PyPy": "pp"}.get(where.implementation, where.implementation.lower())
        interpreter = f"{short}{digits}"
        major, minor = _pair(where.implementation_version) or (7, 3)
        own = tags.generic_tags(interpreter, [f"pypy{digits}_pp{major}{minor}"], platforms)
    ranks: dict[tuple[str, str, str], int] = {}
    for tag in chain(own, tags.compatible_tags(pair, interpreter, platforms)):
        ranks.setdefault((tag.interpreter, tag.abi, tag.platform), len(ranks))
    return ranks


def _platforms(where: Environment) -> Iterator[str]:
    cpu = where.cpu.lower()
    if where.system == "Windows":
        yield _WINDOWS.get(cpu, "win_amd64")
    elif where.system == "Darwin":
        yield from tags.mac_platforms(where.macos, cpu)
    elif where.system == "Linux":
        cpu = _LINUX.get(cpu, cpu)
        library, major, minor = where.libc or ("glibc", 2, 17)
        yield f"linux_{cpu}"
        for older in range(minor, -1, -1):
            if library == "musl":
                yield f"musllinux_{major}_{older}_{cpu}"
            elif older >= 5:
                yield f"manylinux_{major}_{older}_{cpu}"
                if older in _MANYLINUX:
                    yield f"{_MANYLINUX[older]}_{cpu}"
