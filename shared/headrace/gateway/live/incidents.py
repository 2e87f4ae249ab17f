"""What the sentences of incidents say, by their forms, for a page in another language. Pure.

An incident is one sentence, for the log, `status`, the record of downloads and this page; most
readers want no more of it. Here it is known again: the word for its form, and what stands in it.
"""

from __future__ import annotations

import re

__all__ = ["FORMS", "form_of"]

#: The mirror's id, and a host or the beginning of a URL, hold no space; what others said may.
_PAGE = r"mirror (?P<mirror>\S+) gave a page for (?P<page>.+) that "
FORMS = {
    "no_login": r"mirror (?P<mirror>\S+) is not asked: nobody knows a login for it",
    "led_home": r"(?P<host>\S+) leads to its name, which was not asked: (?P<why>.*)",
    "led_astray": r"(?P<host>\S+) leads to (?P<to>\S+), which was not asked: (?P<why>.*)",
    "other_bytes": rf"{_PAGE}names other bytes for (?P<file>.+)",
    "behind": rf"{_PAGE}lacks (?P<lacks>\d+) files? of the origin's and has (?P<more>\d+) more",
    "internal": r"(?P<error>[A-Za-z]\w*) at (?P<path>/\S*)",
}
"""What each incident says; its words on the page are those of ``i_`` and the form's name."""
_COMPILED = {name: re.compile(form, re.DOTALL) for name, form in FORMS.items()}
#: Characters of a sentence that is looked at.
_LONGEST = 2000


def form_of(sentence: str) -> dict[str, str]:
    """Return ``form``, the word for it, and what stands in it by name; {}: it has none of these
    forms, and is told as it is.
    """
    if len(sentence) > _LONGEST:
        return {}
    for name, form in _COMPILED.items():
        if found := form.fullmatch(sentence):
            return {"form": name, **found.groupdict()}
    return {}
