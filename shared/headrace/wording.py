"""Words of messages: numbers with their nouns, articles, values that are shown, what was meant.

Pure, and each costs no more than a few microseconds, whatever somebody wrote into a file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from headrace.redact import for_display

__all__ = [
    "counted",
    "heard",
    "listed",
    "meant",
    "nearest",
    "noun",
    "printable",
    "shown",
    "with_article",
]

#: Characters of a word that is compared with others, and of how many others: the comparison costs
#: their product.
_LONGEST_WORD = 40
_MOST_WORDS = 1000
#: How alike two words must be, from 0 to 1.
_ALIKE = 0.6
#: Characters of a value that are shown, names in a list.
_LONGEST_SHOWN = 60
_MOST_LISTED = 20
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://\S*")
_VOWELS = tuple("aeiouAEIOU")
#: What a terminal obeys (C0 and C1 but for tabs and the ends of lines, ECMA-48), and what changes
#: the order of a line or is not seen at all (Unicode's Cf, and its own ends of lines).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]|\r(?!\n)"
)


def noun(number: float, one: str, many: str = "") -> str:
    """Return the noun for a number of things: `one` for 1, else `many` (not given: with an s)."""
    return one if number == 1 else many or f"{one}s"


def counted(number: float, one: str, many: str = "") -> str:
    """Write a whole number with its noun: ``1 file``, ``2 files``, ``0 entries``."""
    return f"{number:.0f} {noun(number, one, many)}"


def with_article(word: str) -> str:
    """Put the indefinite article before a word, by its first letter: ``an integer``."""
    return f"{'an' if word.startswith(_VOWELS) else 'a'} {word}"


def listed(words: Iterable[str], *, most: int = _MOST_LISTED) -> str:
    """Join words by commas, in their order; those beyond `most` are counted."""
    every = list(words)
    more = [f"{len(every) - most} more"] if len(every) > most else []
    return ", ".join([*every[:most], *more])


def heard(*words: str) -> tuple[str, ...]:
    """Return words that other programs say, for which what they said is searched: nobody is told
    these, and no language has others for them.
    """
    return words


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return the known word that was probably meant; None: no idea, or too long to compare."""
    if not word or len(word) > _LONGEST_WORD or len(known) > _MOST_WORDS:
        return None
    by_lower = {each.lower(): str(each) for each in known if len(each) <= _LONGEST_WORD}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=_ALIKE)
    return by_lower[found[0]] if found else None


def meant(word: str, known: Collection[str]) -> str:
    """Say which known word was probably meant, to stand at a sentence's end; "" where none was."""
    found = nearest(word, known)
    return f"; did you mean {found!r}?" if found else ""


def shown(value: object) -> str:
    """Write a value that somebody typed, in TOML's words: short, in one line, without secrets."""
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a number of many digits"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a table" if isinstance(value, dict) else with_article(type(value).__name__)


def printable(text: str) -> str:
    """Return a text as a terminal may have it: whatever somebody put into a name or an answer, it
    only shows it. Lines stay lines.
    """
    return text if text.isprintable() else _UNSEEN.sub("?", text)


def _shown_text(text: str) -> str:
    # What is cut off first cannot show a part of a secret whose mark comes later.
    plain = _URL.sub(lambda url: for_display(url[0]), text) if "://" in text else text
    if "@" in _URL.sub("", plain) and ("/" in plain or ":" in plain):
        return "'***'"  # an address whose scheme was forgotten may have a password all the same
    cut = plain if len(plain) <= _LONGEST_SHOWN else f"{plain[:_LONGEST_SHOWN]}…"
    return f"'{''.join(c if c.isprintable() else '?' for c in cut)}'"
