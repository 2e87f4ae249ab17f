"""What headrace writes into a pip configuration file, as pure text: in, and out again.

``[global] index-url`` leads to the gateway: never ``[install]``, which would beat a virtual
environment's own choice. ``[lock] index-url`` stays with the origin, so that a lock file that is
committed names no gateway.
"""

from __future__ import annotations

from pathlib import Path

from headrace.interface import ConfigurationError
from headrace_pip.tools.ini_lines import (
    BEGIN,
    END,
    KEPT,
    Option,
    insert,
    newline,
    options,
    sections,
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
    lines = strip_blocks(before).splitlines(keepends=True)
    end = newline(lines)
    lines = _replace(lines, gateway, end)
    body: list[bytes] = []
    if not any(o.section == "global" and o.name in INDEX_URL for o in options(lines)):
        setting = _setting(gateway)
        inserted = insert(lines, "global", setting, end)
        if inserted is None:
            body += [b"[global]", setting]
        lines = inserted or lines
    if lock is not None and not any(
        o.section == "lock" and o.name in INDEX_URL for o in options(lines)
    ):
        inserted = insert(lines, "lock", _setting(lock), end)
        if inserted is None:
            body += [b""] * bool(body) + [b"[lock]", _setting(lock)]
        lines = inserted or lines
    if body:
        if lines and not lines[-1].endswith((b"\n", b"\r")):
            lines[-1] += end
        lines += wrap(body, (), end)
    after = b"".join(lines)
    if routed_url(after, path) != gateway:
        raise ConfigurationError(
            "pip-config",
            f"{path} has a form that headrace's lines cannot be put into",
            hint="write its index-url in [global], then `headrace on` again; nothing was changed",
        )
    return after


def _setting(url: str) -> bytes:
    return b"index-url = " + url.encode("utf-8", "surrogateescape")


def _replace(lines: list[bytes], gateway: str, end: bytes) -> list[bytes]:
    found = [o for o in options(lines) if o.name in INDEX_URL]
    chosen = [o for o in found if o.section == "global"]
    # A command's own index wins over [global] in pip. Where it is the same, it moves along.
    values = {o.value.rstrip("/") for o in chosen}
    commands = [o for o in found if o.section in ("install", "download", "wheel")]
    chosen += [o for o in commands if o.section == "install" or o.value.rstrip("/") in values]
    seen: set[str] = set()
    blocks: dict[int, tuple[Option, list[bytes]]] = {}
    for option in sorted(chosen, key=lambda o: o.start):
        first = lines[option.start]
        indent = first[: len(first) - len(first.lstrip())]
        body = [] if option.section in seen else [_setting(gateway)]
        seen.add(option.section)
        old = [line.rstrip(b"\r\n") for line in lines[option.start : option.end]]
        blocks[option.start] = (option, wrap(body, old, end, indent))
    result: list[bytes] = []
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
    ours = {(o.section, o.value) for o in options(after.splitlines()) if o.name in INDEX_URL}
    old_lines = before.splitlines(keepends=True)
    old = {o.section: o for o in options(old_lines) if o.name in INDEX_URL}
    parse(now, path)
    lines = [line for line in now.splitlines(keepends=True) if not _is_mark(line)]
    end = newline(lines)
    for option in reversed(list(options(lines))):
        if option.name in INDEX_URL and (option.section, option.value) in ours:
            back = old.get(option.section)
            instead = [] if back is None else old_lines[back.start : back.end]
            lines[option.start : option.end] = [i.rstrip(b"\r\n") + end for i in instead]
    had = {name for name, _ in sections(old_lines)}
    return b"".join(_without_empty(lines, had))


def _is_mark(line: bytes) -> bool:
    return line.strip() in (BEGIN, END) or line.strip().startswith(KEPT)


def _without_empty(lines: list[bytes], had: set[str]) -> list[bytes]:
    """Drop the headers of sections that we made and that nobody has put anything into."""
    headers = list(sections(lines))
    if not headers:
        return lines
    for (name, start), (_, stop) in reversed(
        list(zip(headers, [*headers[1:], ("", len(lines))], strict=True))
    ):
        made = name in ("global", "lock") and name not in had
        if made and not any(line.strip() for line in lines[start + 1 : stop]):
            del lines[start:stop]
    return lines
