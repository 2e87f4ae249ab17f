"""The doctor's checks of accelerators: the driver, and whether what is installed can use it.

Nothing is imported from the environments that are looked at: their files tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.cli.checks.machine import Check
from headrace.cli.context import Context
from headrace.config import EnvVars
from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import Finding
from headrace.variants.builds import Candidate, CudaTables, Outcome
from headrace.variants.hosts import Host, Situation, VariantRequest

__all__ = ["CHECKS", "Installed", "decided_otherwise", "installed", "judged"]

_WHERE = {
    Situation.DRIVER_MISSING: "warning",
    Situation.UNREADABLE: "warning",
}
#: How a build says which CUDA it was made with.
_CUDA = re.compile(r"^cuda\s*(?::[^=]+)?=\s*['\"](\d+)\.(\d+)['\"]", re.MULTILINE)
_VERSION = re.compile(r"^__version__\s*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_PYTHON = re.compile(r"python(\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class Installed:
    """The lead as it is installed somewhere."""

    prefix: Path
    python: str | None
    version: str
    """Public version."""
    label: str
    """What its files say it was built for."""

    @property
    def name(self) -> str:
        """``2.15.0+cu132``."""
        return f"{self.version}+{self.label}" if self.label else self.version


def accelerators(context: Context) -> Iterator[Finding]:
    """Say what was found, and by whom; compare with what is installed; ask the plugins."""
    from headrace.cli.explaining.builds import found  # noqa: PLC0415 - as above
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - start-up time
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
    for each in _environments(context, tables.lead):
        yield judged(each, host, tables)
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


def _environments(context: Context, lead: str) -> Iterator[Installed]:
    """Look where the user's commands would: the active environments, else the first Python."""
    import shutil  # noqa: PLC0415 - start-up time

    env = context.env
    prefixes = [env.get(name) for name in (EnvVars.VIRTUAL_ENV, EnvVars.CONDA_PREFIX)]
    first = shutil.which("python3", path=env.get(EnvVars.PATH))
    if first is not None:
        prefixes.append(str(Path(first).parent.parent))
    for prefix in dict.fromkeys(Path(each) for each in prefixes if each):
        there = installed(prefix, lead)
        if there is not None:
            yield there


def installed(prefix: Path, lead: str) -> Installed | None:
    """Read from an environment's files what is installed of the lead; None: nothing."""
    for site in (
        *sorted(prefix.glob("lib/python3*/site-packages")),
        *prefix.glob("Lib/site-packages"),
    ):
        file = site / lead / "version.py"
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        version = _VERSION.search(text)
        if version is None:
            continue
        public, _, local = version[1].partition("+")
        cuda = _CUDA.search(text)
        label = local or (f"cu{cuda[1]}{cuda[2]}" if cuda else "")
        python = _PYTHON.fullmatch(site.parent.name)
        return Installed(prefix, python[1] if python else None, public, label)
    return None


def judged(there: Installed, host: Host, tables: CudaTables) -> Finding:
    """Say whether a build can use the accelerators of a host, and what to type if it cannot."""
    from headrace.variants.choose import decide  # noqa: PLC0415 - as above
    from headrace.variants.listing import listing  # noqa: PLC0415 - start-up time
    from headrace.variants.target import NOTHING  # noqa: PLC0415 - as above

    what = f"{tables.lead} {there.name} in {there.prefix}"
    if not host.accelerators:
        return Finding(tables.lead, "note", f"{what}; no accelerator was found for it here")
    request = VariantRequest(tables.lead, there.python)
    this = Candidate(tables.lead, there.version, there.label, there.label)
    alone = decide(host, request, [this], tables, NOTHING)
    if alone.outcome is Outcome.CHOSEN and alone.covered and not alone.warnings:
        return Finding(tables.lead, "ok", f"{what} runs on what is here")
    why = "; ".join(alone.warnings) or alone.reason
    best = decide(host, request, listing(tables), tables, NOTHING)
    hint = f"headrace would choose {best.name}" if best.candidate else best.reason
    if best.candidate:
        index = f"/pytorch/{best.candidate.index}/simple/" if best.candidate.index else ""
        index = f" (its index here: {index})" if index else ""
        hint += f": install {tables.lead}=={best.candidate.version} anew through headrace{index}"
    return Finding(tables.lead, "warning", f"{what} cannot use all that is here: {why}", hint)


CHECKS: tuple[Check, ...] = (accelerators,)
