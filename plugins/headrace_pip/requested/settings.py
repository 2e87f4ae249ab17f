"""What pip takes its options' values from where its command line does not say: files, variables.

A command's section beats ``[global]``, a variable both; of lists what the command line says is
added (`pip._internal.cli.parser`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headrace.interface import Place, Program, Scope, UnreadableError
from headrace_pip.requested.command_line import LONG_NAMES, PipCommand
from headrace_pip.tools.pip_config import config_files, parse

__all__ = ["complete"]

#: Variables that say where pip's files are.
_PLACES = (
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "PIP_CONFIG_FILE",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
)
#: Words that switch something on (`pip._internal.utils.misc.strtobool`).
_YES = frozenset(("y", "yes", "t", "true", "on", "1"))
#: Characters of a value.
_LONGEST = 64 << 10
#: In a build of its own pip hears of no constraint but those for builds.
_BUILDS = "_PIP_IN_BUILD_IGNORE_CONSTRAINTS"


def complete(command: PipCommand, program: Program) -> PipCommand:
    """Return a command with what its settings add; ConfigurationError where pip would stop."""
    told = _settings(command, program)
    lists, values = dict(command.lists), dict(command.values)
    switches = set(command.switches)
    for name, destination in LONG_NAMES.items():
        value = told.get(name, "")
        if not value:
            continue
        if destination in lists:
            lists[destination] = (*value.split(), *command.lists[destination])
        elif destination in _SWITCHED:
            switches |= {destination} if value.lower() in _YES else set()
        else:
            values.setdefault(destination, value)
    if program.variable(_BUILDS):
        lists["constraints"] = lists["build_constraints"]
    return replace(command, lists=lists, values=values, switches=frozenset(switches))


_SWITCHED = frozenset(
    ("upgrade", "force_reinstall", "ignore_installed", "no_dependencies", "isolated")
)


def _settings(command: PipCommand, program: Program) -> dict[str, str]:
    alone = "isolated" in command.switches
    known = {name: value for name in _PLACES if (value := program.variable(name)) is not None}
    home = Path(known.get("HOME") or "/")
    place = Place(
        Scope.USER,
        home,
        known,
        "linux",
        program.working_directory,
        (str(program.executable),),
    )
    sections: dict[str, dict[str, str]] = {"global": {}, command.name: {}}
    for file in config_files(place):
        if alone and file.level == "user":
            continue
        content = program.read(file.path)
        for section, values in parse(content, file.path).items() if content else ():
            # A later file's empty value takes an earlier one's away.
            sections.setdefault(section, {}).update(values)
    told = {name: value for name, value in sections["global"].items() if value}
    told |= {name: value for name, value in sections[command.name].items() if value}
    for name in () if alone else LONG_NAMES:
        if value := program.variable("PIP_" + name.upper().replace("-", "_")):
            told[name] = value
    if any(len(value) > _LONGEST for value in told.values()):
        raise UnreadableError("pip's settings", "one is too long")
    return told
