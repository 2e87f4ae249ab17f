"""File edits as values: take an edit out of a file that has changed since, and show one as a diff.

Pure. `journal` does the writing.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from headrace.interface.hookspecs import FileEdit
from headrace.redact import hide_secrets
from headrace.wording import counted

__all__ = ["diff", "without"]

_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
#: Pairs of equal lines for each line: two thousand lines may all be alike.
_MOST_PAIRS = 1000


def without(before: bytes | None, after: bytes | None, now: bytes | None) -> bytes | None:
    """Take the edit `before` -> `after` out of `now`, keeping whatever else has changed.

    This is a three-way merge of lines with `after` as the common ancestor. ValueError when a
    line that the edit touched is no longer as the edit left it: then nobody but the user can say
    what is meant.
    """
    if now == after:
        return before
    if now == before:
        return before
    if after is None or now is None:
        raise ValueError("the file was removed, or made anew")
    ours, base, theirs = _lines(before or b""), _lines(after), _lines(now)
    kept = _kept(base, theirs)
    merged: list[bytes] = []
    done = 0
    for tag, i1, i2, j1, j2 in _opcodes(base, ours):
        if tag == "equal":
            continue
        start, end = _place(kept, i1, i2, len(base), len(theirs))
        merged += theirs[done:start]
        merged += ours[j1:j2]
        done = end
    merged += theirs[done:]
    result = _joined(merged)
    # A file that we made and that holds nothing of anybody else's goes away with us.
    return None if before is None and not result.strip() else result


def _joined(lines: list[bytes]) -> bytes:
    """Put lines together; one that was the last, without an end, gets one where it no longer is."""
    end = next((e for e in (b"\r\n", b"\n", b"\r") for line in lines if line.endswith(e)), b"\n")
    inner = [line if line.endswith((b"\n", b"\r")) else line + end for line in lines[:-1]]
    return b"".join(inner + lines[-1:])


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _opcodes(a: list[bytes], b: list[bytes]) -> Sequence[tuple[str, int, int, int, int]]:
    """Say how lines became others; ValueError where so many are alike that it would take minutes.

    The library looks at every pair of equal lines.
    """
    ours, theirs = Counter(a), Counter(b)
    pairs = sum(number * theirs[line] for line, number in ours.items())
    if pairs > _MOST_PAIRS * (len(a) + len(b)):
        raise ValueError("too many of its lines are alike to say which was which")
    return difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()


def _kept(base: list[bytes], theirs: list[bytes]) -> dict[int, int]:
    """Map the lines of `base` that are still there to where they are now."""
    kept: dict[int, int] = {}
    for tag, i1, i2, j1, _ in _opcodes(base, theirs):
        if tag == "equal":
            kept.update(zip(range(i1, i2), range(j1, j1 + i2 - i1), strict=True))
    return kept


def _place(kept: dict[int, int], i1: int, i2: int, base: int, theirs: int) -> tuple[int, int]:
    """Find where lines [i1, i2) of the ancestor, all together, stand now."""
    if i1 == i2:  # the edit only took lines away: they go back between the same two neighbours
        above = kept.get(i1 - 1, -1 if i1 == 0 else None)
        below = kept.get(i1, theirs if i1 == base else None)
        if above is None or below is None or below != above + 1:
            raise ValueError("what stood around the removed lines has changed")
        return below, below
    now = [kept.get(line) for line in range(i1, i2)]
    first = now[0]
    if first is None or now != list(range(first, first + i2 - i1)):
        raise ValueError("the lines that were written have changed")
    return first, first + i2 - i1


def diff(edits: Iterable[FileEdit]) -> str:
    """Return a unified diff of the edits for people, without secrets."""
    parts: list[str] = []
    for edit in edits:
        if any(b"\0" in (content or b"") for content in (edit.before, edit.after)):
            parts.append(f"{edit.path}: {counted(len(edit.after or b''), 'byte')}, not text")
            continue
        old = _text(edit.before)
        new = _text(edit.after)
        parts += difflib.unified_diff(
            old,
            new,
            str(edit.path) if edit.before is not None else "/dev/null",
            str(edit.path) if edit.after is not None else "/dev/null",
            n=2,
            lineterm="",
        )
    return "".join(hide_secrets(line) + "\n" for line in parts)


def _text(content: bytes | None) -> list[str]:
    lines = (content or b"").decode("utf-8", "backslashreplace").splitlines()
    return list(_without_keys(lines))


def _without_keys(lines: Iterable[str]) -> Iterator[str]:
    """Hide what is between the lines around a private key (RFC 7468); without an end, all."""
    within = False
    for line in lines:
        if within:
            within = "-----END " not in line
            yield line if not within else "***"
        else:
            within = _KEY_BEGINS.search(line) is not None
            yield line
