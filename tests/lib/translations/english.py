"""English that is left in what a person is told in another language."""

from __future__ import annotations

import re

__all__ = ["english_in"]

#: What is English in any language: names, commands, what stands in quotation marks.
_NAMES = re.compile(
    r"^ {2}(?:sudo )?headrace .*?(?= {2}|$)|headrace [a-z]+"
    r"|`[^`]*`|'[^']*'|\"[^\"]*\"|https?:\S+|\S*/\S*|--\S+|\[[A-Z]+\]"
)
#: Words that only a sentence has: one that joins others, or three in a row.
_ENGLISH = re.compile(
    r"\b(?:the|is|are|of|it|in|and|or|was|not|with|for)\b(?! \[)|\b[a-z]{2,}(?: [a-z]{2,}){2}"
)


def english_in(text: str) -> list[str]:
    """Return the lines of a text in which words are left that are neither names nor commands."""
    return [line for line in text.splitlines() if _ENGLISH.search(_NAMES.sub("", line))]
