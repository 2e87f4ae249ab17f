"""Hosts and accelerators as JSON, and back; what does not fit is a ValueError."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from headrace.foreign import foreign
from headrace.variants.hosts import Accelerator, Host, Situation

__all__ = ["accelerator_of", "host_of", "text_of", "version_of"]

_ACCELERATOR = {field.name for field in dataclasses.fields(Accelerator)}
_HOST = {field.name for field in dataclasses.fields(Host)}


def text_of(value: Any) -> str | None:
    """Return one line of readable text, or None for anything else."""
    if not isinstance(value, str):
        return None
    line = "".join(c if c.isprintable() else " " for c in value[:200])
    return " ".join(line.split()) or None


def version_of(value: Any) -> tuple[int, int] | None:
    """Return a pair of numbers that can be a version, or None."""
    if isinstance(value, list | tuple) and len(value) == 2:
        major, minor = value
        if type(major) is int and type(minor) is int and 0 < major < 100 and 0 <= minor < 100:
            return major, minor
    return None


def accelerator_of(entry: Any) -> Accelerator:
    """Make an accelerator of what a child process, a plugin or the cache says."""
    if not isinstance(entry, Mapping) or not _ACCELERATOR.issuperset(entry):
        raise ValueError(f"is no accelerator: {entry!r:.100}")
    maker, name = text_of(entry.get("maker")), text_of(entry.get("name"))
    memory = entry.get("memory")
    if maker is None or name is None or not isinstance(memory, int | None):
        raise ValueError(f"is no accelerator: {entry!r:.100}")
    return Accelerator(
        maker=maker.lower(),
        name=name,
        capability=version_of(entry.get("capability")),
        architecture=text_of(entry.get("architecture")),
        driver=text_of(entry.get("driver")),
        runtime=text_of(entry.get("runtime")),
        memory=memory,
        method=text_of(entry.get("method")) or "",
        integrated=entry.get("integrated") is True,
        mig=entry.get("mig") is True,
    )


def host_of(entry: Any) -> Host:
    """Make a host of `dataclasses.asdict`'s answer after it went through JSON."""
    with foreign("a host"):
        values = {key: value for key, value in entry.items() if key in _HOST}
        values["accelerators"] = tuple(accelerator_of(found) for found in entry["accelerators"])
        values["situation"] = Situation(entry["situation"])
        for key in ("tried", "extra"):
            values[key] = tuple((str(name), str(said)) for name, said in entry[key])
        for key, value in values.items():
            if isinstance(value, list):  # versions, notes
                values[key] = tuple(value)
        return Host(**values)
