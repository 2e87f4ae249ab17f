"""The record of what came, in sentences. Pure: times are written by the caller's clock."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.cli.summary import bytes_text
from headrace.models import Fault
from headrace.policy.source_conditions import DOES
from headrace.wording import counted, listed

__all__ = ["is_about", "moment", "of_entry", "story"]

_WORDS = frozenset(Fault)
#: Sources that are named in a line.
_NAMED = 4


def moment(at: float, now: float) -> str:
    """Write an epoch by this machine's clock: the time, and the day where that is another one."""
    then = time.localtime(at)
    today = time.localtime(now)
    same = (then.tm_year, then.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M:%S", then)


def of_entry(entry: Mapping[str, Any]) -> str:
    """Say one entry in a line, without its time."""
    if entry["kind"] == "incident":
        return f"incident {_text(entry, 'what')}"
    tool = _text(entry, "tool") or "somebody"
    name = _text(entry, "name")
    size = bytes_text(_number(entry.get("size")))
    if entry["kind"] == "was here":
        return f"{tool} {name}: {size} from the store"
    seconds = _number(entry.get("seconds"))
    rate = f", {bytes_text(_number(entry.get('size')) / seconds)}/s" if seconds > 0.05 else ""
    text = f"{tool} {name}: {size} in {seconds:.1f} s{rate} from {_given(entry)}"
    failed = dict.fromkeys(_text(each, "source") for each in _rows(entry, "failed"))
    return f"{text}; failed: {listed(failed, most=_NAMED)}" if failed else text


def story(entry: Mapping[str, Any], now: float) -> Iterator[str]:
    """Tell all that is known of one download, a line each."""
    yield f"{_text(entry, 'name')}, {moment(_number(entry['at']), now)}, for " + (
        _text(entry, "tool") or "a client without a name"
    )
    kind = "your own: no mirror is asked for its names" if entry.get("private") else "public"
    yield f"named by   {_text(entry, 'origin')} ({_text(entry, 'ecosystem')}, {kind})"
    if digest := _text(entry, "digest"):
        yield f"digest     {digest}"
    else:
        yield "digest     none: the origin alone may supply it"
    size = _number(entry.get("size"))
    if entry["kind"] == "was here":
        yield f"given by   the store ({bytes_text(size)}): it came, and was checked, before"
        return
    seconds = _number(entry.get("seconds"))
    rate = f", {bytes_text(size / seconds)}/s" if seconds > 0.05 else ""
    yield f"came       {bytes_text(size)} in {seconds:.1f} s{rate}"
    given = entry.get("sources")
    for source, count in _ranked(given if isinstance(given, Mapping) else {}):
        share = f" ({count / size:.0%})" if size else ""
        yield f"given by   {source}: {bytes_text(count)}{share}"
    for each, count in _failures(entry):
        times = f" ({counted(count, 'time')})" if count > 1 else ""
        yield f"failed     {each}{times}"
    left = entry.get("left")
    for source, why in (left if isinstance(left, Mapping) else {}).items():
        yield f"left out   {source} {why}"


def is_about(entry: Mapping[str, Any], what: str) -> bool:
    """Whether an entry is about a file that somebody names: its name, its path or URL, a project, a
    digest or the beginning of one.
    """
    if entry["kind"] not in ("came", "was here"):
        return False
    name, path = _text(entry, "name"), _text(entry, "path")
    asked = what.partition("#")[0].partition("?")[0].rstrip("/")
    last = asked.rpartition("/")[2]
    if "/" in asked:
        return path == asked or (bool(last) and last == name) or name.endswith(asked)
    plain = re.sub(r"[-_.]+", "-", asked).lower()
    told = re.sub(r"[-_.]+", "-", name).lower()
    digest = _text(entry, "digest").partition(":")[2]
    value = asked.rpartition(":")[2].lower()
    return (
        name == asked
        or bool(plain and re.match(re.escape(plain) + r"(-v?[0-9]|$)", told))
        or (len(value) >= 6 and digest.startswith(value))
    )


def _given(entry: Mapping[str, Any]) -> str:
    given = entry.get("sources")
    ranked = _ranked(given if isinstance(given, Mapping) else {})
    told = [f"{source} ({bytes_text(count)})" for source, count in ranked]
    return listed(told, most=_NAMED) or "nobody"


def _ranked(given: Mapping[str, Any]) -> list[tuple[str, float]]:
    return sorted(((str(s), _number(n)) for s, n in given.items()), key=lambda each: -each[1])


def _failures(entry: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    counts: dict[str, int] = {}
    for each in _rows(entry, "failed"):
        fault = _text(each, "fault")
        does = DOES[Fault(fault)] if fault in _WORDS else fault
        detail = _text(each, "detail")
        text = f"{_text(each, 'source')} {does}" + (f": {detail}" if detail else "")
        counts[text] = counts.get(text, 0) + 1
    yield from counts.items()


def _rows(entry: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = entry.get(key)
    return [each for each in rows if isinstance(each, Mapping)] if isinstance(rows, list) else []


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return "".join(c if c.isprintable() else "?" for c in value) if isinstance(value, str) else ""


def _number(value: object) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good else 0.0  # type: ignore[arg-type]
