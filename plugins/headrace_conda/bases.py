"""Which condas are on this machine, and what they say of themselves: they are asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.editing import presence
from headrace.errors import LocalError
from headrace.hookspecs import Place

__all__ = ["Base", "ask_conda", "command", "configuration", "find"]

#: Folders that the installers propose, below the home folder and elsewhere.
_NAMES = ("miniforge3", "miniconda3", "anaconda3", "mambaforge", "miniforge", "miniconda")
_PLACES = ("/opt/conda", *(f"/opt/{name}" for name in _NAMES))
#: Seconds; a cold start of conda on a slow disk takes two or three.
_PATIENCE = 20.0

#: Asked of a base's own Python, apart from the user's packages and the working directory.
_ASK = """\
import importlib.metadata as m, json, os, sys, sysconfig
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return ""
site = sysconfig.get_paths()["purelib"]
print(json.dumps({"conda": version("conda"), "headrace": version("headrace"), "site": site,
                  "writable": os.access(site, os.W_OK)}))
"""

#: What of conda's configuration says where its channels are, and the way there.
_SHOWN = (
    "channels",
    "channel_alias",
    "default_channels",
    "custom_channels",
    "custom_multichannels",
    "channel_settings",
    "proxy_servers",
    "ssl_verify",
)


@dataclass(frozen=True, slots=True)
class Base:
    """One conda: the environment that it is installed in."""

    prefix: Path
    version: tuple[int, ...]
    site: Path
    """Where its Python finds packages."""
    writable: bool
    """Whether we may put a file there."""
    has_headrace: bool
    """headrace itself is installed in it, and with that the plugin."""


def find(place: Place) -> list[Base]:
    """Return the condas that this user runs, the one of the PATH first."""
    found: dict[Path, Base] = {}
    for prefix in _candidates(place):
        path = prefix.resolve()
        if path not in found and (base := _ask(path, place)) is not None:
            found[path] = base
    return list(found.values())


def _candidates(place: Place) -> Iterator[Path]:
    env = place.environment
    for named in (env.get("HEADRACE_CONDA_BASE"), env.get("CONDA_ROOT")):
        if named:
            yield Path(named)
    program = presence.program(place, "conda")
    for path in (Path(env["CONDA_EXE"]) if env.get("CONDA_EXE") else None, program):
        if path is not None:
            yield path.resolve().parent.parent
    folders = [place.home / name for name in _NAMES]
    if place.platform == "win32":
        folders += [Path(env.get("PROGRAMDATA") or "C:\\ProgramData") / name for name in _NAMES]
    else:
        folders += [Path(folder) for folder in _PLACES]
    yield from folders


def _python(prefix: Path) -> Path | None:
    names = ("bin/python", "python.exe")
    return next((prefix / name for name in names if (prefix / name).exists()), None)


def _ask(prefix: Path, place: Place) -> Base | None:
    python = _python(prefix)
    if python is None:
        return None
    told = _run([str(python), "-I", "-c", _ASK], place.environment)
    if not isinstance(told, dict) or not told.get("conda"):
        return None
    numbers = [part for part in str(told["conda"]).split(".") if part.isdecimal()]
    return Base(
        prefix,
        tuple(int(number) for number in numbers[:3]),
        Path(str(told["site"])),
        bool(told["writable"]),
        bool(told["headrace"]),
    )


def configuration(base: Base, place: Place) -> Mapping[str, Any]:
    """Return what conda says of its channels; LocalError when it cannot say."""
    told = ask_conda(base, ["config", "--json", "--show", *_SHOWN], place)
    if not isinstance(told, dict) or "channels" not in told:
        raise LocalError(
            "conda-silent",
            f"the conda in {base.prefix} cannot say which channels it uses",
            hint=f"`{base.prefix}/bin/conda config --show channels` says why",
        )
    return told


def ask_conda(
    base: Base,
    words: Sequence[str],
    place: Place,
    *,
    patience: float = _PATIENCE,
    plugins: bool = False,
) -> Any:
    """Return the JSON that a conda command prints, of an error too; None when there is none.

    Without `plugins` nobody's plugin can keep conda from answering, nor does ours wake a gateway.
    """
    env = place.environment if plugins else {**place.environment, "CONDA_NO_PLUGINS": "true"}
    return _run([str(_python(base.prefix)), "-m", "conda", *words], env, patience, check=False)


def _run(
    words: list[str], env: Mapping[str, str], patience: float = _PATIENCE, *, check: bool = True
) -> Any:
    try:
        answer = subprocess.run(  # noqa: S603 - the base's own interpreter, our own words
            words,
            capture_output=True,
            text=True,
            timeout=patience,
            check=check,
            stdin=subprocess.DEVNULL,
            env=env,
        )
        return json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def command() -> list[str]:
    """Return how this headrace is called, for a file that names it."""
    python = os.path.abspath(sys.executable)  # noqa: PTH100 - the link, not what it leads to
    script = Path(python).with_name("headrace.exe" if os.name == "nt" else "headrace")
    return [str(script)] if script.exists() else [python, "-m", "headrace.cli"]
