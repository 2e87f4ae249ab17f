"""What headrace writes into a pip configuration file, as pure text: in, and out again.

``[global] index-url`` leads to the gateway: never ``[install]``, which would beat a virtual
environment's own choice. ``[lock] index-url`` stays with the origin, so that a lock file that is
committed names no gateway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.interface import ConfigurationError
from headrace_pip.tools.ini_lines import (
    BEGIN,
    END,
    KEPT,
    Option,
    decode,
    encode,
    insert,
    newline,
    options,
    sections,
    split,
    strip_blocks,
    wrap,
)
from headrace_pip.tools.pip_config import INDEX_URL, parse

__all__ = ["routed", "routed_url", "unrouted"]


def routed(before: bytes, gateway: str, lock: str | None, path: Path) -> bytes:
    """Return the file with our block; ConfigurationError where pip cannot read it.

    An index of the file itself, in ``[global]`` or in the section of a command that installs,
    is replaced and kept inside the block as a comment. `lock` None: say nothing about locks.
    """
    parse(before, path)
    lines = split(decode(strip_blocks(before)))
    end = newline(lines)
    lines = _replace(lines, gateway, end)
    body: list[str] = []
    if not any(o.section == "global" and o.name in INDEX_URL for o in options(lines)):
        setting = _setting(gateway)
        inserted = insert(lines, "global", setting, end)
        if inserted is None:
            body += ["[global]", setting]
        lines = inserted or lines
    if lock is not None and not any(
        o.section == "lock" and o.name in INDEX_URL for o in options(lines)
    ):
        inserted = insert(lines, "lock", _setting(lock), end)
        if inserted is None:
            body += [""] * bool(body) + ["[lock]", _setting(lock)]
        lines = inserted or lines
    if body:
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += end
        lines += wrap(body, (), end)
    after = encode("".join(lines), before)
    _check(before, after, gateway, path)
    return after


def _check(before: bytes, after: bytes, gateway: str, path: Path) -> None:
    """Read the file again as pip does: the gateway for `pip install`, all else as it was."""
    was, now = parse(strip_blocks(before), path), parse(after, path)
    asked = next(
        (now[s][n] for s in ("install", "global") for n in INDEX_URL if n in now.get(s, {})), None
    )
    if asked == gateway and _others(was) == _others(now):
        return
    raise ConfigurationError(
        "pip-config",
        f"{path} has a form that a setting cannot be put into safely",
        hint="write it plainly, a setting on a line of its own; nothing was changed",
    )


def _others(values: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    kept = {
        section: {name: value for name, value in each.items() if name not in INDEX_URL}
        for section, each in values.items()
    }
    return {section: each for section, each in kept.items() if each}


def _setting(url: str) -> str:
    return f"index-url = {url}"


def _replace(lines: list[str], gateway: str, end: str) -> list[str]:
    found = [o for o in options(lines) if o.name in INDEX_URL]
    # What stands in [DEFAULT] counts in every section (configparser), so in [install] too.
    chosen = [o for o in found if o.section in ("global", "DEFAULT")]
    # A command's own index wins over [global] in pip. Where it is the same, it moves along.
    values = {o.value.rstrip("/") for o in chosen}
    commands = [o for o in found if o.section in ("install", "download", "wheel")]
    chosen += [o for o in commands if o.section == "install" or o.value.rstrip("/") in values]
    seen: set[str] = set()
    blocks: dict[int, tuple[Option, list[str]]] = {}
    for option in sorted(chosen, key=lambda o: o.start):
        first = lines[option.start]
        indent = first[: len(first) - len(first.lstrip())]
        body = [] if option.section in seen else [_setting(gateway)]
        seen.add(option.section)
        old = [line.rstrip("\r\n") for line in lines[option.start : option.end]]
        blocks[option.start] = (option, wrap(body, old, end, indent))
    result: list[str] = []
    number = 0
    while number < len(lines):
        if number in blocks:
            option, block = blocks[number]
            result += block
            number = option.end
        else:
            result.append(lines[number])
            number += 1
    return result


def routed_url(content: bytes, path: Path) -> str | None:
    """Return ``[global] index-url`` of a file."""
    values = parse(content, path).get("global", {})
    return next((values[name] for name in INDEX_URL if name in values), None)


def unrouted(before: bytes, after: bytes, now: bytes, path: Path) -> bytes:
    """Take our settings out of a file that was rewritten since, whoever's values stand there now.

    A setting that no longer has our value is the user's and stays.
    """
    ours = {(o.section, o.value) for o in options(split(decode(after))) if o.name in INDEX_URL}
    old_lines = split(decode(before))
    old = {o.section: o for o in options(old_lines) if o.name in INDEX_URL}
    parse(now, path)
    lines = [line for line in split(decode(now)) if not _is_mark(line)]
    end = newline(lines)
    for option in reversed(list(options(lines))):
        if option.name in INDEX_URL and (option.section, option.value) in ours:
            back = old.get(option.section)
            instead = [] if back is None else old_lines[back.start : back.end]
            lines[option.start : option.end] = _standing_as(lines[option.start], instead, end)
    had = {name for name, _ in sections(old_lines)}
    return encode("".join(_without_empty(lines, had)), now)


def _standing_as(ours: str, lines: Sequence[str], end: str) -> list[str]:
    """Give an option's lines the indent of the line that they replace: what stood in by itself once
    would now go on with the option above it.
    """
    indent = ours[: len(ours) - len(ours.lstrip())]
    first = [indent + line.strip() + end for line in lines[:1]]
    return first + [f"{indent}    {line.strip()}".rstrip() + end for line in lines[1:]]


def _is_mark(line: str) -> bool:
    return line.strip() in (BEGIN, END) or line.strip().startswith(KEPT)


def _without_empty(lines: list[str], had: set[str]) -> list[str]:
    """Drop the headers of sections that we made and that nobody has put anything into."""
    headers = list(sections(lines))
    stops = [*(start for _, start in headers[1:]), len(lines)]
    # A file that has nothing left has no header to drop.
    for (name, start), stop in reversed(list(zip(headers, stops, strict=False))):
        made = name in ("global", "lock") and name not in had
        if made and not any(line.strip() for line in lines[start + 1 : stop]):
            del lines[start:stop]
    return lines
