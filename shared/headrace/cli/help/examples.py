"""Examples of commands: data, because they name tools, which nothing else of the core does."""

from __future__ import annotations

import tomllib

from headrace import data

__all__ = ["of_command"]


def of_command(prog: str) -> list[tuple[str, str]]:
    """Return the commands that can be copied for `prog` ("headrace", "headrace on"), each with
    what it does.
    """
    every = tomllib.loads(data.text("examples.toml"))
    return [(command, what) for command, what in every.get(_key(prog), ())]


def _key(prog: str) -> str:
    return prog.partition(" ")[2] or prog
