"""What the hooks register, in conda's own types. The work behind it is imported when it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from conda.plugins import types

__all__ = ["auth_handler", "health_check", "pre_command", "settings", "subcommand"]

# ruff: noqa: PLC0415 - conda asks for all of these at every command

#: Commands that download. Those that only look at what is installed do not wake the gateway.
_DOWNLOADING = frozenset(
    ("create", "install", "update", "upgrade", "search", "env", "env_create", "env_update")
)


def auth_handler() -> object:
    """Return the handler; conda takes a class, and makes one for each channel and thread."""
    return types.CondaAuthHandler(name="headrace", handler=_Handler)


class _Handler(types.ChannelAuthBase):
    """Becomes a `Reroute` when it is made."""

    def __new__(cls, channel_name: str | None = None) -> Any:
        from headrace_conda_inside.reroute import Reroute

        return Reroute(channel_name)


def pre_command() -> object:
    """Return what wakes the gateway."""

    def wake(command: str) -> None:
        from headrace_conda_inside.waking import wake as work

        with contextlib.suppress(Exception):  # whatever is wrong with us, conda goes on
            work(command)

    return types.CondaPreCommand("headrace-wake", wake, set(_DOWNLOADING))


def subcommand() -> object:
    """Return ``conda headrace``."""

    def run(words: Any) -> int:
        from headrace_conda_inside.commands import subcommand as work

        return work(words)

    return types.CondaSubcommand(
        name="headrace", summary="Where conda's downloads come from.", action=run
    )


def health_check() -> object:
    """Return the check."""

    def check(prefix: str, verbose: bool) -> None:  # noqa: FBT001 - conda's signature
        from headrace_conda_inside.commands import health_check as work

        work(prefix, verbose)

    return types.CondaHealthCheck("headrace", check)


def settings() -> Iterator[object]:
    """Describe the settings."""
    from conda.common.configuration import PrimitiveParameter, SequenceParameter

    yield types.CondaSetting(
        name="headrace_gateway",
        description="Where headrace's gateway listens; empty: headrace's own records say it.",
        parameter=PrimitiveParameter("", element_type=str),
    )
    yield types.CondaSetting(
        name="headrace_command",
        description="How headrace is called, word by word.",
        parameter=SequenceParameter(PrimitiveParameter("", element_type=str)),
    )
