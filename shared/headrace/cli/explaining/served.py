"""What is to be known of the builds for accelerators that a command was given.

Whether they will use the accelerator here, and that a record of them names what is not to be had
everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.context import Context
from headrace.wording import listed, noun

if TYPE_CHECKING:
    from headrace.variants.builds import CudaTables

__all__ = ["lines"]

_KEYS = frozenset({"at", "project", "version", "label", "wheel"})


def lines(before: Any, after: Any, context: Context) -> list[str]:
    """Return a sentence for each thing that is to be known of what was given between two answers of
    ``/status``.
    """
    known = {(each["project"], each["at"]) for each in _given(before)}
    new = [each for each in _given(after) if (each["project"], each["at"]) not in known]
    if not new:
        return []
    from headrace.variants.tables import load  # noqa: PLC0415 - start-up time

    tables = load()
    return [text for text in (_unused(new, context, tables), _recorded(new)) if text]


def _given(status: Any) -> list[dict[str, Any]]:
    told = status.get("builds_served") if isinstance(status, Mapping) else None
    every = told if isinstance(told, list) else []
    return [each for each in every if isinstance(each, dict) and each.keys() >= _KEYS]


def _recorded(new: list[dict[str, Any]]) -> str:
    """Say which builds the default index lacks, and what to write instead."""
    from headrace.variants.compatibility.labels import is_ours  # noqa: PLC0415 - start-up time

    apart = [each for each in new if is_ours(each["label"])]
    if not apart:
        return ""
    names = listed([f"{each['project']} {each['version']}+{each['label']}" for each in apart])
    words = " ".join(f"{each['project']}=={each['version']}" for each in apart)
    what = noun(len(apart), "is a build", "are builds")
    return (
        f"{names} {what} that the default index does not list: in what you commit write {words}, "
        "and each machine gets its own; as it is frozen it installs through headrace alone"
    )


def _unused(new: list[dict[str, Any]], context: Context, tables: CudaTables) -> str:
    """Say that the lead that was given will not use the accelerator, why, and what would."""
    from headrace.cli.checks.family import cure  # noqa: PLC0415 - start-up time
    from headrace.cli.checks.installed import Installed, InstalledFamily  # noqa: PLC0415
    from headrace.cli.explaining.builds import found  # noqa: PLC0415 - as above
    from headrace.variants.builds import Candidate  # noqa: PLC0415 - as above
    from headrace.variants.compatibility.unused import unused  # noqa: PLC0415 - as above
    from headrace.variants.target import decided, override_from, said_in  # noqa: PLC0415

    every = [Installed(each["project"], each["version"], each["label"]) for each in new]
    lead = next((each for each in every if each.project == tables.lead), None)
    if lead is None:
        return ""
    settings = context.understood
    env = decided(context.env, settings.variants, settings.target)
    here = found(context)
    override = override_from(env, here, tables, said_in(context.env, settings.source))
    if override.build:
        return ""  # the user's word
    host = override.host or here
    python = _python(next(each["wheel"] for each in new if each["project"] == tables.lead))
    build = Candidate(lead.project, lead.version, lead.label)
    if not (why := unused(build, python, host, tables)):
        return ""
    others = tuple(each for each in every if each is not lead)
    there = InstalledFamily(Path(), python, lead, others)
    return f"{lead.project} {lead.name} will not use the GPU: {why}; {cure(there, host, tables)}"


def _python(wheel: str) -> str | None:
    interpreter = wheel.partition("-")[0]
    digits = interpreter.removeprefix("cp")
    return f"{digits[0]}.{digits[1:]}" if digits.isdecimal() and len(digits) > 1 else None
