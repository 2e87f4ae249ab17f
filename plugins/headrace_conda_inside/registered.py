"""What the hooks register, in conda's own types. The work behind it is imported when it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from conda.plugins import types

__all__ = [
    "add_cuda_arch",
    "auth_handlers",
    "error_hints",
    "health_checks",
    "pre_commands",
    "settings",
    "subcommands",
]

# ruff: noqa: PLC0415 - conda asks for all of these at every command

#: Commands that download. Those that only look at what is installed do not wake the gateway.
_DOWNLOADING = frozenset(
    ("create", "install", "update", "upgrade", "search", "env", "env_create", "env_update")
)


def auth_handlers() -> Iterator[object]:
    """Give the handler; conda takes a class, and makes one for each channel and thread."""
    yield types.CondaAuthHandler(name="headrace", handler=_Handler)


class _Handler(types.ChannelAuthBase):
    """Becomes a `Reroute` when it is made."""

    def __new__(cls, channel_name: str | None = None) -> Any:
        from headrace_conda_inside.reroute import Reroute

        return Reroute(channel_name)


def pre_commands() -> Iterator[object]:
    """Give what wakes the gateway."""

    def wake(command: str) -> None:
        from headrace_conda_inside.waking import wake as work

        with contextlib.suppress(Exception):  # whatever is wrong with us, conda goes on
            work(command)

    yield types.CondaPreCommand("headrace-wake", wake, set(_DOWNLOADING))


def subcommands() -> Iterator[object]:
    """Give ``conda headrace``."""

    def run(words: Any) -> int:
        from headrace_conda_inside.commands import subcommand as work

        return work(words)

    yield types.CondaSubcommand(
        name="headrace", summary="Where conda's downloads come from.", action=run
    )


def health_checks() -> Iterator[object]:
    """Give the check."""

    def check(prefix: str, verbose: bool) -> None:  # noqa: FBT001 - conda's signature
        from headrace_conda_inside.commands import health_check as work

        work(prefix, verbose)

    yield types.CondaHealthCheck("headrace", check)


def error_hints(error: Exception) -> Iterator[object]:
    """Give what stands under an error."""
    from headrace_conda_inside.commands import hints

    yield from hints(error)


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
    yield types.CondaSetting(
        name="headrace_cuda_arch",
        description="Whether solvers are told the GPUs' compute capability (__cuda_arch, CEP 46).",
        parameter=PrimitiveParameter(default=False),
    )


def add_cuda_arch(outcome: Any) -> None:
    """Add ``__cuda_arch`` to what all other plugins give; nothing where it is not switched on."""
    from headrace_conda_inside import settings as chosen

    if not chosen.cuda_arch_wanted():
        return
    # What another plugin raises here it would raise a line later, in conda itself.
    given = [list(each) for each in outcome.get_result()]
    with contextlib.suppress(Exception):  # whatever is wrong with us, conda goes on
        from headrace_conda_inside.cuda_arch import version

        if (found := version([one for each in given for one in each])) is not None:
            given.append([types.CondaVirtualPackage("cuda_arch", found, "0")])
    outcome.force_result(given)
