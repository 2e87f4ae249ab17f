"""Which condas are on this machine, and what they say of themselves.

Where a base lies as installers make it, its folders tell; any other is asked. What conda makes of
the user's configuration it is always asked, for nobody else reads that as it does.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.interface import EnvVars, LocalError, Place, dataclass, read_json_or_none
from headrace.interface.editing import answers, presence

__all__ = [
    "OLDEST",
    "VARIABLE",
    "Base",
    "ask_conda",
    "command",
    "configuration",
    "configuration_before",
    "find",
]

#: Names bases, and no other is looked for: where several condas are, or none of them is to be
#: touched.
VARIABLE = EnvVars.HEADRACE_CONDA_BASE
#: The first conda whose auth handlers can lead a request.
OLDEST = (23, 7)
#: Folders that the installers propose, below the home folder and elsewhere.
_NAMES = ("miniforge3", "miniconda3", "anaconda3", "mambaforge", "miniforge", "miniconda")
_PLACES = ("/opt/conda", *(f"/opt/{name}" for name in _NAMES))
#: Seconds; a cold start of conda on a slow disk takes two or three.
_PATIENCE = 20.0

#: Asked of a base's own Python, apart from the user's packages and the working directory.
_ASK = """\
import importlib.metadata as m, json, sysconfig
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return ""
site = sysconfig.get_paths()["purelib"]
print(json.dumps({"conda": version("conda"), "headrace": version("headrace"), "site": site}))
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
    "client_ssl_cert",
)

#: The same as `conda config --show` prints, from conda's own context: without its command line,
#: which loads four times as much. What it makes plain is what conda's own encoder does.
_CONTEXT = """\
import collections.abc, enum, json, os, sys
def look(path):
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return [found.st_dev, found.st_ino, found.st_mode, found.st_uid,
            found.st_size, found.st_mtime_ns, found.st_ctime_ns]
at = sys.argv.index("--")
read = sys.argv[1:at]
seen = {path: look(path) for path in read}
from conda.base.constants import SEARCH_PATH
from conda.base.context import context, reset_context
def plain(value):
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    for name in ("dump", "__json__", "to_json", "as_json"):
        if hasattr(value, name):
            return getattr(value, name)()
    return str(value)
searched = [os.path.expanduser(os.path.expandvars(path)) for path in SEARCH_PATH]
if os.environ.get("CONDARC"):
    searched.append(os.path.abspath(os.path.expanduser(os.environ["CONDARC"])))
for path in searched:
    seen[path] = look(path)
    for name in os.listdir(path) if os.path.isdir(path) else ():
        seen[os.path.join(path, name)] = look(os.path.join(path, name))
reset_context()
context.validate_configuration()
told = {name: getattr(context, name) for name in sys.argv[at + 1:]}
print(json.dumps({**told, "seen": seen}, default=plain))
"""


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
        path = presence.resolved(prefix)
        if path not in found and (base := _look(path)) is not None:
            found[path] = base
    return list(found.values())


def _candidates(place: Place) -> Iterator[Path]:
    env = place.environment
    if env.get(VARIABLE):
        separator = ";" if place.platform == "win32" else ":"
        yield from (Path(named) for named in env[VARIABLE].split(separator) if named)
        return
    if env.get("CONDA_ROOT"):
        yield Path(env["CONDA_ROOT"])
    program = presence.program(place, "conda")
    for path in (Path(env["CONDA_EXE"]) if env.get("CONDA_EXE") else None, program):
        if path is not None:
            yield presence.resolved(path).parent.parent
    folders = [place.home / name for name in _NAMES]
    if place.platform == "win32":
        folders += [Path(env.get("PROGRAMDATA") or "C:\\ProgramData") / name for name in _NAMES]
    else:
        folders += [Path(folder) for folder in _PLACES]
    yield from folders
    yield from _remembered(place.home)


def _remembered(home: Path) -> Iterator[Path]:
    """Give the bases among the environments that conda itself keeps a list of."""
    try:
        lines = (home / ".conda" / "environments.txt").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in filter(None, map(str.strip, lines)):
        if presence.is_folder(Path(line) / "condabin"):
            yield Path(line)


def _python(prefix: Path) -> Path | None:
    names = ("bin/python", "python.exe")
    return next((prefix / name for name in names if presence.is_there(prefix / name)), None)


def _look(prefix: Path) -> Base | None:
    return _seen(prefix) if _python(prefix) else None


@functools.cache
def _seen(prefix: Path) -> Base | None:
    """Look at a folder; once, for a command asks many times and a start of Python is slow."""
    return _by_its_folders(prefix) or _ask(prefix)


def _by_its_folders(prefix: Path) -> Base | None:
    """Read the names in site-packages; None where they leave a doubt."""
    sites = [*prefix.glob("lib/python3*/site-packages"), *prefix.glob("Lib/site-packages")]
    condas = [info for site in sites for info in site.glob("conda-[0-9]*.dist-info")]
    if len(sites) != 1 or len(condas) != 1:
        return None
    version = condas[0].name.removeprefix("conda-").removesuffix(".dist-info")
    return _base(prefix, version, sites[0], has_headrace=any(sites[0].glob("headrace-[0-9]*-info")))


def _ask(prefix: Path) -> Base | None:
    told = _run([str(_python(prefix)), "-I", "-c", _ASK], None)
    if not isinstance(told, dict) or not told.get("conda"):
        return None
    has_headrace = bool(told["headrace"])
    return _base(prefix, str(told["conda"]), Path(str(told["site"])), has_headrace=has_headrace)


def _base(prefix: Path, version: str, site: Path, *, has_headrace: bool) -> Base:
    numbers = [part for part in version.split(".") if part.isdecimal()]
    release = tuple(int(number) for number in numbers[:3])
    return Base(prefix, release, site, os.access(site, os.W_OK), has_headrace)


def configuration(base: Base, place: Place) -> Mapping[str, Any]:
    """Return what conda says of its channels; LocalError when it cannot say."""
    told, _ = _configuration(base, place)
    return told


def _configuration(base: Base, place: Place) -> tuple[Mapping[str, Any], answers.Seen]:
    """The same, and each path that conda read for it, as it was before; none where conda does not
    tell.
    """
    env = {**place.environment, "CONDA_NO_PLUGINS": "true"}
    python, seen = str(_python(base.prefix)), {}
    told = _run([python, "-c", _CONTEXT, *_itself(base), "--", *_SHOWN], env)
    if isinstance(told, dict) and isinstance(seen := told.pop("seen", None), dict):
        presence.asked(seen)
    if not isinstance(told, dict):
        # An older conda without that, or settings in which it finds a mistake: it says which.
        told, seen = ask_conda(base, ["config", "--json", "--show", *_SHOWN], place), {}
    if not isinstance(told, dict) or "channels" not in told:
        raise LocalError(
            "conda-silent",
            f"the conda in {base.prefix} cannot say which channels it uses",
            hint=f"`{base.prefix}/bin/conda config --show channels` says why",
        )
    return told, seen or {}


def _itself(base: Base) -> list[str]:
    """Name what changes with conda itself."""
    return [
        str(base.site),
        str(base.site / "conda"),
        str(base.prefix / "conda-meta" / "history"),
        str(presence.resolved(_python(base.prefix) or base.prefix)),
    ]


#: What conda said before anything of ours was written, by base, variables and folder.
_said: dict[tuple[Base, frozenset[tuple[str, str]], Path], Mapping[str, Any]] = {}


def configuration_before(base: Base, place: Place) -> Mapping[str, Any]:
    """As `configuration`, asked once in a command: for what our own edits do not change."""
    key = (base, frozenset(place.environment.items()), place.working_directory)
    if key not in _said:
        question = [str(base.prefix), *_itself(base), _CONTEXT, *_SHOWN]
        _said[key] = answers.kept("conda", question, place, lambda: _configuration(base, place))
    return _said[key]


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
    words: list[str],
    env: Mapping[str, str] | None,
    patience: float = _PATIENCE,
    *,
    check: bool = True,
) -> Any:
    try:
        process = subprocess.Popen(  # noqa: S603 - the base's own interpreter, our own words
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return None
    with process:
        said = None
        try:
            said, _ = process.communicate(timeout=patience)
        except (subprocess.SubprocessError, ValueError):
            return None
        finally:
            if said is None:
                _end(process)
    return read_json_or_none(said) if not check or process.returncode == 0 else None


def _end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of it, with the children that it has for its driver and for downloads:
    one of these would hold the pipe that is read.
    """
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def command(place: Place) -> list[str]:
    """Return how this headrace is called, for a file that names it: from any shell, for the same
    folders.
    """
    python = os.path.abspath(sys.executable)  # noqa: PTH100 - the link, not what it leads to
    script = Path(python).with_name("headrace.exe" if os.name == "nt" else "headrace")
    words = [str(script)] if presence.is_there(script) else [python, "-m", "headrace.cli"]
    kept = (EnvVars.HEADRACE_HOME, EnvVars.HEADRACE_CONFIG)
    told = [f"{name}={place.environment[name]}" for name in kept if place.environment.get(name)]
    return ["/usr/bin/env", *told, *words] if told and place.platform != "win32" else words
