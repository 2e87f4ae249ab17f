"""Which projects pip will ask an index for because its user named them: known with its first page.

pip asks for one after the other. What its user named in a word, a file or a group is all known when
it begins, so that the pages need not be waited for one by one.
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.interface import ConfigurationError, Program, UnreadableError
from headrace_pip.index import environment
from headrace_pip.index.environment import Environment
from headrace_pip.requested import command_line, settings
from headrace_pip.requested.closure import joined
from headrace_pip.requested.installed import InstalledProjects
from headrace_pip.requested.needs import ProjectNeed
from headrace_pip.requested.reading import BuildFamily, CommandNeeds, KeptProjects

__all__ = ["named_by_user"]

_NONE = BuildFamily("", frozenset())


def named_by_user(program: Program, where: Environment) -> Iterator[ProjectNeed]:
    """Yield the projects that a pip, which installs as `where` says, asks its index for.

    In its own order, each once, with constraints in the specifier. Nothing that comes from a path
    or a URL, nor what is installed and stays: no index hears of these.
    """
    told = command_line.of_pip(program.arguments)
    if told is None:
        return
    interpreter, arguments = told
    try:
        command = settings.complete(command_line.options(arguments), program)
    except (ConfigurationError, UnreadableError):
        return
    needs = CommandNeeds(program, environment.markers(where), _NONE)
    needs.of_command(command)
    python = "{}.{}".format(*where.python_pair)
    installed = InstalledProjects(program, interpreter, python)
    keeps = KeptProjects(command, installed, {need.project for need in needs.direct})
    limits, places = needs.limits(), {each.name for each in needs.places}
    specifiers: dict[str, list[str]] = {}
    for need in needs.direct:
        if need.project not in places and not need.place:
            specifiers.setdefault(need.project, []).append(need.specifier)
    for project, each in specifiers.items():
        specifier = joined([*each, limits.get(project, "")])
        if keeps.version(project, specifier) is None:
            yield ProjectNeed(project, specifier)
