"""What came and what comes, in a line: how far each download is, and the sum at the end of
``headrace run``: bytes, sources, seconds, the saving. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.wording import counted, listed

__all__ = ["bytes_text", "failures_text", "sentence", "under_way"]

#: More sources than this are counted, not named.
NAMED = 4


def sentence(before: Any, after: Any, seconds: float) -> str:
    """Say what two answers of ``/status`` differ by; "" when nothing came through the gateway.

    `seconds` is how long the command took.
    """
    if not isinstance(after, Mapping) or not isinstance(after.get("transfers"), Mapping):
        return ""
    new = after["transfers"]
    old = before.get("transfers", {}) if isinstance(before, Mapping) else {}
    files = _more(old, new, "finished")
    stored = _more(old, new, "from_store")
    size = _more(old, new, "bytes")
    if files + stored == 0:
        return ""
    text = f"{bytes_text(size)} in {counted(files + stored, 'file')}"
    sources = _sources(old.get("bytes_by_source", {}), new.get("bytes_by_source", {}))
    if stored:
        sources.append(f"the store ({round(stored)})")
    if sources:
        text = _from(text, ", ".join(sources))
    text += f"; {seconds:.1f} s in all"
    saved = _more(old, new, "saved_seconds")
    if saved >= 0.1:
        text += f"; about {saved:.1f} s less than from the best single source"
    old_faults = before.get("faults_survived") if isinstance(before, Mapping) else None
    if failed := failures_text(old_faults, after.get("faults_survived")):
        text += f"; {failed}"
    return text


def _from(came: str, sources: str) -> str:
    return f"{came} from {sources}"


def under_way(status: Any, *, held_back: bool = False) -> list[str]:
    """Say of an answer of ``/status`` how far each download is, a line each; with `held_back` of
    those alone that their client waits for while little of them goes out.
    """
    told = status.get("under_way") if isinstance(status, Mapping) else None
    lines = []
    for each in told if isinstance(told, list) else ():
        if not isinstance(each, Mapping) or (held_back and not each.get("held_back")):
            continue
        here, size, seconds = (_number(each.get(key)) for key in ("here", "size", "seconds"))
        name = each.get("name")
        text = f"{name}: {bytes_text(here)}"
        text = f"{name}: {bytes_text(here)} of {bytes_text(size)}" if size else text
        text += f", {bytes_text(here / seconds)}/s" if seconds >= 1 else ""
        text += "; its client gets it when it is checked" if each.get("held_back") else ""
        if each.get("weak"):
            text += ", and till then what two mirrors agree on: the origin does not answer"
        lines.append(text)
    return lines


def failures_text(before: object, after: object) -> str:
    """Say which sources failed how often between two answers; "" where none did.

    Both are counts by ``source:fault``. What is no failure (another one was quicker, a file that a
    mirror does not have) is not told as one.
    """
    old = before if isinstance(before, Mapping) else {}
    new = after if isinstance(after, Mapping) else {}
    if not new:
        return ""
    from headrace.policy.source_conditions import FAILURES  # noqa: PLC0415 - start-up time

    by_source: dict[str, dict[str, int]] = {}
    for name in new:
        source, _, fault = str(name).rpartition(":")
        count = round(_more(old, new, name))
        if count and fault in FAILURES:
            by_source.setdefault(source, {})[fault] = count
    total = {source: sum(faults.values()) for source, faults in by_source.items()}
    if not total:
        return ""
    ranked = sorted(total, key=lambda source: -total[source])
    told = [f"{source} ({_kinds(by_source[source])})" for source in ranked]
    failed = counted(sum(total.values()), "request failed", "requests failed")
    return f"{failed}, and another source was asked: {listed(told, most=NAMED)}"


def _kinds(faults: Mapping[str, int]) -> str:
    return ", ".join(f"{fault} {count}" if count > 1 else fault for fault, count in faults.items())


def _more(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> float:
    """Return by how much a counter grew; a worker that was replaced began at nothing."""
    now, then = _number(new.get(name)), _number(old.get(name))
    return now - then if now >= then else now


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _sources(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    grown = {name: _more(old, new, name) for name in new}
    names = sorted((name for name in grown if grown[name] > 0), key=lambda name: -grown[name])
    shown = [f"{name} ({bytes_text(grown[name])})" for name in names[:NAMED]]
    if rest := len(names) - len(shown):
        shown.append(f"{rest} more")
    return shown


def bytes_text(size: float) -> str:
    """Write a number of bytes for people, in decimal units."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return counted(size, "byte") if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return ""
