"""What runs inside conda: its hooks. conda imports this file at every command, so it imports
nothing but conda's own marker. No other part of headrace is needed in conda's base.
"""

from __future__ import annotations

from collections.abc import Iterator

from conda.plugins import hookimpl

# ruff: noqa: PLC0415 - see above


@hookimpl
def conda_auth_handlers() -> Iterator[object]:
    """The handler that ``channel_settings`` name: it sends requests through the gateway."""
    from headrace_conda_inside import registered

    yield registered.auth_handler()


@hookimpl
def conda_pre_commands() -> Iterator[object]:
    """The gateway is up before a command that downloads."""
    from headrace_conda_inside import registered

    yield registered.pre_command()


@hookimpl
def conda_subcommands() -> Iterator[object]:
    """``conda headrace status|explain|doctor``."""
    from headrace_conda_inside import registered

    yield registered.subcommand()


@hookimpl
def conda_health_checks() -> Iterator[object]:
    """A line in ``conda doctor``."""
    from headrace_conda_inside import registered

    yield registered.health_check()


@hookimpl(optionalhook=True)
def conda_settings() -> Iterator[object]:
    """``plugins.headrace_gateway`` and ``plugins.headrace_command``, written by `headrace on`."""
    from headrace_conda_inside import registered

    yield from registered.settings()


@hookimpl(optionalhook=True)
def conda_error_hints(error: Exception) -> Iterator[object]:
    """What to look at when a download failed (conda 26.7 and later)."""
    from headrace_conda_inside.commands import hints

    yield from hints(error)
