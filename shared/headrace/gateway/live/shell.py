"""The page itself: what a browser loads before it is shown anything of what the gateway does.

Nothing in these files is about a user, so that everybody may have them; no byte of the page comes
from anywhere else, and its policy says so (Content Security Policy Level 3).
"""

from __future__ import annotations

import functools
import html
import json
import re
import zlib
from collections.abc import Mapping
from importlib import resources

from headrace.http.conditional import quality

__all__ = ["ASSETS", "LANGUAGES", "POLICY", "asset", "language", "packed", "shell"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
#: By name, with their kinds.
ASSETS: Mapping[str, str] = {
    "live.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "drawing.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
LANGUAGES = ("en", "zh")
_WORD = re.compile(r"\{\{([a-z_]+)\}\}")
#: Ranges of one Accept-Language that are looked at.
_MOST = 20


@functools.cache
def asset(name: str) -> bytes:
    """Return a file of `ASSETS`."""
    return _read(name)


def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath("files", name).read_bytes()


@functools.lru_cache(len(ASSETS) + len(LANGUAGES))
def packed(body: bytes) -> bytes:
    """Return one of these files in fewer bytes (gzip, RFC 1952)."""
    packing = zlib.compressobj(wbits=31)
    return packing.compress(body) + packing.flush()


def language(accepted: str, asked: str = "") -> str:
    """Return the language that a browser likes best (RFC 9110 section 12.5.4) of `LANGUAGES`.

    `asked` is what the person chose on the page; it counts first.
    """
    if asked in LANGUAGES:
        return asked
    best, weight = LANGUAGES[0], 0.0
    for each in accepted.split(",")[:_MOST]:
        tag, _, rest = each.partition(";")
        name, likes = tag.strip().lower().partition("-")[0], quality(rest)
        if name in LANGUAGES and likes > weight:
            best, weight = name, likes
    return best


@functools.cache
def shell(name: str) -> bytes:
    """Return the page in a language of `LANGUAGES`, with its words for the script."""
    words: dict[str, str] = json.loads(_read(f"{name}.json"))
    # Within a script element only this could end it.
    data = json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    values = {**{key: html.escape(text) for key, text in words.items()}, "words": data}
    page = _read("live.html").decode("utf-8")
    return _WORD.sub(lambda found: values[found[1]], page).encode("utf-8")
