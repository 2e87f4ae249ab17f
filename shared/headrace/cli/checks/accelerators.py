"""The doctor's checks of accelerators: the driver, and whether what is installed can use it.

Nothing is imported from the environments that are looked at: their files tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import Finding
from headrace.variants.builds import CudaTables
from headrace.variants.hosts import Host, Situation

__all__ = ["CHECKS", "decided_otherwise"]

_WHERE = {
    Situation.DRIVER_MISSING: "warning",
    Situation.UNREADABLE: "warning",
}


def accelerators(context: Context) -> Iterator[Finding]:
    """Say what was found, and by whom; compare with what is installed; ask the plugins."""
    from headrace.cli.checks.family import judged  # noqa: PLC0415 - start-up time
    from headrace.cli.checks.installed import environments  # noqa: PLC0415 - as above
    from headrace.cli.explaining.builds import found  # noqa: PLC0415 - as above
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - as above
    from headrace.variants.compatibility.coverage import gpu_text  # noqa: PLC0415 - as above
    from headrace.variants.compatibility.gpu_names import with_capabilities  # noqa: PLC0415

    tables = cuda_tables.load()
    host = with_capabilities(found(context), tables)
    gpus = ", ".join(gpu_text(gpu) for gpu in host.accelerators)
    driver = f", driver {host.driver}" if host.driver else ""
    level = _WHERE.get(host.situation, "ok" if gpus else "note")
    by = f" (by {host.method})" if host.method else ""
    notes = "; ".join(host.notes)
    if gpus and notes:
        level = "warning"
    yield Finding("accelerators", level, f"{gpus or 'none was found'}{driver}{by}", notes)
    yield from decided_otherwise(context, host, tables)
    for each in environments(context, tables):
        yield from judged(each, host, tables)
    yield from context.plugins.checks(context.place(), host)


def decided_otherwise(context: Context, host: Host, tables: CudaTables) -> Iterator[Finding]:
    """Read what the settings and the environment decide of builds."""
    from headrace.variants.target import decided, override_from, said_in  # noqa: PLC0415 - as above

    settings = context.understood
    env = decided(context.env, settings.variants, settings.target)
    try:
        override_from(env, host, tables, said_in(context.env, settings.source))
    except ConfigurationError as error:
        text = f"{error.message}; pages go out as the index has them"
        yield Finding("builds", "failure", text, error.hint)


CHECKS: tuple[Check, ...] = (accelerators,)
