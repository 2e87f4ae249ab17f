"""What runs inside conda: its hooks. conda imports this file at every command, so it imports
nothing but conda's own marker. No other part of headrace is needed in conda's base.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from conda.plugins import hookimpl


def _of(hook: str, *words: object) -> Iterator[object]:
    from headrace_conda_inside import registered  # noqa: PLC0415 - see above

    yield from getattr(registered, hook)(*words)


@hookimpl
def conda_auth_handlers() -> Iterator[object]:
    """The handler that ``channel_settings`` name: it sends requests through the gateway."""
    yield from _of("auth_handlers")


@hookimpl
def conda_pre_commands() -> Iterator[object]:
    """The gateway is up before a command that downloads."""
    yield from _of("pre_commands")


@hookimpl
def conda_subcommands() -> Iterator[object]:
    """``conda headrace status|explain|doctor``."""
    yield from _of("subcommands")


@hookimpl
def conda_health_checks() -> Iterator[object]:
    """A line in ``conda doctor``."""
    yield from _of("health_checks")


@hookimpl(optionalhook=True)
def conda_settings() -> Iterator[object]:
    """``plugins.headrace_gateway`` and its kin, written by `headrace on` or by the user."""
    yield from _of("settings")


@hookimpl(optionalhook=True)
def conda_error_hints(error: Exception) -> Iterator[object]:
    """What to look at when a download failed (conda 26.7 and later)."""
    yield from _of("error_hints", error)


@hookimpl(hookwrapper=True)
def conda_virtual_packages() -> Generator[None]:
    """``__cuda_arch``, where the user switched it on and nobody else gives it."""
    from headrace_conda_inside.registered import add_cuda_arch  # noqa: PLC0415 - see above

    add_cuda_arch((yield))
