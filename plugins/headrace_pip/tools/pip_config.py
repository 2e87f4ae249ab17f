"""Where pip's settings come from, by pip's own rules of precedence.

`pip._internal.configuration` and `pip._internal.utils.appdirs` of pip 23.2 to 26.3: files of the
machine, of the user, of the virtual environment, PIP_CONFIG_FILE, then PIP_* variables. A
command's section beats ``[global]`` whatever the level, and variables beat both.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace.interface import ConfigurationError, Place, Reader, Scope, dataclass, foreign
from headrace.interface.editing import presence
from headrace_pip.tools.ini_lines import decode, strip_blocks

__all__ = [
    "ConfigFile",
    "Setting",
    "config_files",
    "effective",
    "file_to_edit",
    "parse",
    "prefix",
    "proxy",
    "render",
]

#: Names under which pip knows the option.
INDEX_URL = ("index-url", "pypi-url")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file of pip's, with the level that it has."""

    level: str
    """``global``, ``user``, ``site`` or ``env``, as `pip config debug` has it."""
    path: Path


@dataclass(frozen=True, slots=True)
class Setting:
    """A value with the place that it came from."""

    value: str
    level: str
    """As `ConfigFile.level`, or ``env var``."""
    where: str
    section: str


def prefix(place: Place) -> Path | None:
    """Return the virtual environment that pip would run in: the command's own, else the active."""
    if place.command:
        program = Path(place.command[0])
        if len(program.parts) > 1:
            found = (place.working_directory / program).parent.parent
            if presence.is_there(found / "pyvenv.cfg"):
                return found
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if value := place.environment.get(name):
            return Path(value)
    return None


def config_files(place: Place) -> list[ConfigFile]:
    """Return the files that pip reads from where the user stands, weakest first."""
    env, name = place.environment, _name(place)
    if env.get("PIP_CONFIG_FILE") in ("/dev/null", "nul"):
        return []
    files = [ConfigFile("global", path) for path in _global(place)]
    own = env.get("PIP_CONFIG_FILE")
    if not (own and presence.is_there(Path(own))):
        files += [ConfigFile("user", path) for path in _user(place)]
    if (venv := prefix(place)) is not None:
        files.append(ConfigFile("site", venv / name))
    if own:
        files.append(ConfigFile("env", Path(own)))
    return files


def file_to_edit(place: Place) -> Path:
    """Return the file that activation writes: the strongest of its scope."""
    return (_global(place) if place.scope is Scope.SYSTEM else _user(place))[-1]


def _name(place: Place) -> str:
    return "pip.ini" if place.platform == "win32" else "pip.conf"


def _global(place: Place) -> list[Path]:
    env, name = place.environment, _name(place)
    if place.platform == "win32":
        return [Path(env.get("PROGRAMDATA") or "C:\\ProgramData") / "pip" / name]
    if place.platform == "darwin":
        folders = ["/opt/homebrew/share", "/Library/Application Support"]
        return [Path(folder, "pip", name) for folder in folders]
    folders = (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    return [*(Path(folder, "pip", name) for folder in folders if folder), Path("/etc", name)]


def _user(place: Place) -> list[Path]:
    env, home, name = place.environment, place.home, _name(place)
    if place.platform == "win32":
        roaming = Path(env.get("APPDATA") or home / "AppData" / "Roaming")
        return [home / "pip" / name, roaming / "pip" / name]
    folder = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
    if place.platform == "darwin":
        library = home / "Library" / "Application Support" / "pip"
        folder = library if presence.is_folder(library) else home / ".config" / "pip"
    return [home / ".pip" / name, folder / name]


#: As the library's own, which tries each run of spaces from each of its places.
_OPTION = re.compile(r"(?P<option>[^=:]*)(?P<vi>[=:])\s*(?P<value>.*)$", re.DOTALL)


class _Parser(configparser.RawConfigParser):
    OPTCRE = _OPTION


def parse(content: bytes, path: Path) -> dict[str, dict[str, str]]:
    """Read a file as pip does; ConfigurationError where pip would stop.

    Of two spellings of a name the later one counts, as with pip 23 to 26.0: newer ones stop there,
    with us or without.
    """

    def broken(why: str) -> ConfigurationError:
        return ConfigurationError(
            "pip-config",
            f"pip cannot read its own {path}: {why}",
            hint="mend that file; nothing was changed",
        )

    parser = _Parser()
    with foreign("pip's configuration", broken):
        parser.read_string("\n".join(re.split(r"\r\n|\r|\n", decode(content))), str(path))
        return {
            section: {_normal(name): value for name, value in parser.items(section)}
            for section in parser.sections()
        }


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def render(values: Mapping[str, Mapping[str, str]]) -> bytes:
    """Write a file that `parse` reads back."""
    lines = []
    for section, entries in values.items():
        lines.append(f"[{section}]")
        # Values of several lines go on while lines are indented.
        lines += [f"{key} = " + value.replace("\n", "\n    ") for key, value in entries.items()]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def settings(
    place: Place, read: Reader, names: tuple[str, ...], *, with_us: bool = False
) -> Iterator[Setting]:
    """Yield each place that sets one of the options, weakest first: without headrace's blocks, or
    as the files stand.
    """
    for file in config_files(place):
        content = read(file.path)
        if content is None:
            continue
        content = content if with_us else strip_blocks(content)
        for section, values in parse(content, file.path).items():
            for name in names:
                if value := values.get(name):
                    yield Setting(value, file.level, str(file.path), section)
    for name in names:
        variable = "PIP_" + name.upper().replace("-", "_")
        if value := place.environment.get(variable):
            yield Setting(value, "env var", variable, ":env:")


def proxy(place: Place, read: Reader) -> Setting | None:
    """Return what sends any command of pip's to a proxy, whatever its section."""
    return next((each for each in settings(place, read, ("proxy",)) if each.value.strip()), None)


def effective(
    place: Place,
    read: Reader,
    names: tuple[str, ...],
    command: str = "install",
    *,
    with_us: bool = False,
) -> Setting | None:
    """Return the setting that wins for a pip command."""
    order = ("global", command, ":env:")
    every = settings(place, read, names, with_us=with_us)
    found = [s for s in every if s.section in order]
    # max() keeps the first of equals, and of equals the last one wins in pip.
    return max(reversed(found), key=lambda s: order.index(s.section), default=None)
