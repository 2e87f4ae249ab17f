"""Hosts that the user has a login for: a led command talks to them itself, byte for byte.

What is not found here is seen when it is shown: the gateway passes it on to that origin alone, and
does not look again.
"""

from __future__ import annotations

import logging
import netrc
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from headrace.cli.context import Context
from headrace.config import EnvVars, home_folder
from headrace.foreign import UnreadableError, foreign
from headrace.interface.editing import presence
from headrace.redact import hosts_of_secrets

__all__ = ["known"]

_log = logging.getLogger("headrace.cli")

_EVERY = "*"


def known(context: Context, command: tuple[str, ...] = ()) -> set[str]:
    """Name them: hosts, ``*.host`` or ``*``, by netrc, the environment and tools' own files."""
    return {
        *_in_netrc(context.env),
        *_in_variables(context.env),
        *_of_tools(context, command),
    }


def _in_netrc(env: Mapping[str, str]) -> Iterator[str]:
    """Name the hosts there; a ``default`` is shown to every host."""
    named = env.get(EnvVars.NETRC)
    folder = home_folder()
    # requests knows a home that is written as shells do, uv does not.
    own = [Path(named), Path(os.path.expanduser(named))] if named else []  # noqa: PTH111 - no error
    for path in own or [folder / ".netrc", folder / "_netrc"]:
        try:
            with foreign("a netrc file"):
                # One that comes later must be seen to come (`runs.kept`).
                there = presence.is_there(path) and path.is_file()
                hosts = [*netrc.netrc(path).hosts] if there else []
        except UnreadableError as error:
            _log.info("%s", error.message)
            hosts = [*_as_others_read_it(path)]
        yield from (_EVERY if host == "default" else host for host in hosts)


def _as_others_read_it(path: Path) -> Iterator[str]:
    """Name the hosts of a netrc that Python's reader gives up: others pass over what they do not
    know. Rather too many than too few.
    """
    with suppress(OSError):
        words = path.read_text("utf-8", "replace").split()
        for word, following in zip(words, (*words[1:], ""), strict=True):
            if word == "machine":
                yield following
            elif word == "default":
                yield word


def _in_variables(env: Mapping[str, str]) -> Iterator[str]:
    for name, value in env.items():
        # A proxy's login is the proxy's, and no host is led there.
        if "://" in value and not name.lower().endswith("_proxy"):
            yield from hosts_of_secrets(value)


def _of_tools(context: Context, command: tuple[str, ...]) -> Iterator[str]:
    """Ask each tool, for a command may start any of them."""
    place = context.place(command)
    for tool in context.plugins.led_tools():
        if tool.logins is None:
            continue
        try:
            yield from [str(host) for host in tool.logins(place, context.journal.pristine)]
        except Exception as error:  # noqa: BLE001 - any error of a foreign function
            _log.warning("the logins of %s are not known: %r", tool.name, error)
