"""``registry-mirrors`` of a daemon.json: our URL put first and taken out, the rest byte for byte.

Only the place of the edit is written anew; order, spaces and line ends of the user's text stay.
dockerd takes plain JSON (RFC 8259) as Go reads it, and so do we: of a key that stands there twice
the later one counts, bytes that are no UTF-8 stay (tried with 20.10). What it could not read is
refused. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import ConfigurationError, foreign
from headrace_docker.config_files import json_text

__all__ = ["KEY", "add", "emptied", "load", "mirrors", "remove"]

KEY = "registry-mirrors"
_LOOPBACK = ("127.0.0.1", "::1")


def load(content: bytes | None, path: Path) -> dict[str, Any]:
    """Read the file; ConfigurationError where dockerd could not. Empty is an empty object."""
    if content is None or not content.strip():
        return {}
    with foreign("JSON", lambda why: _broken(path, why)):
        document = json.loads(_text(content), parse_constant=_no_number)
    if not isinstance(document, dict | None):
        raise _broken(path, "it is no JSON object")
    return document or {}


def mirrors(content: bytes | None, path: Path) -> list[str]:
    """Return the mirrors in their order."""
    value = load(content, path).get(KEY)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _broken(path, f'"{KEY}" is no list of URLs')
    return value


def add(content: bytes | None, url: str, path: Path) -> bytes:
    """Put `url`, which must be loopback's, before the user's own mirrors."""
    if (urlsplit(url).hostname or "") not in _LOOPBACK or not url.startswith("http://"):
        raise ConfigurationError("not-loopback", f"{url} is not this machine's gateway")
    before, theirs = load(content, path), mirrors(content, path)
    if content is not None and theirs.count(url) == 1 and theirs[0] == url:
        return content
    if url in theirs:
        theirs = [each for each in theirs if each != url]
        content = _set(content or b"", theirs, path)
    after = _put_first(content, url)
    wanted = {**before, KEY: [url, *theirs]}
    if list(load(after, path).items()) != list(wanted.items()):
        raise _broken(path, "the edit would change more than one key")
    return after


def emptied(content: bytes | None, path: Path) -> bytes | None:
    """Return a file that says "no mirrors"; None where it says something of them already.

    A dockerd that runs takes a key that is left out for "as it was" (tried with 20.10).
    """
    if KEY in load(content, path):
        return None
    return _set(_put_first(content, "http://127.0.0.1"), [], path)


def remove(content: bytes, url: str, before: bytes | None, path: Path) -> bytes:
    """Take `url` out of a file that was rewritten since; the key too, if it was ours alone."""
    theirs = [each for each in mirrors(content, path) if each.rstrip("/") != url.rstrip("/")]
    alone = not theirs and KEY not in load(before, path)
    return _set(content, None if alone else theirs, path)


def _put_first(content: bytes | None, url: str) -> bytes:
    ours = json.dumps(url)
    if content is None or content.strip() in (b"", b"null"):
        return f'{{\n  "{KEY}": [\n    {ours}\n  ]\n}}\n'.encode()
    text = _text(content)
    for member in reversed(json_text.members(text)):
        if member.key == KEY and text[member.value] == "[":
            inner = member.value + 1
            first = json_text.skip(text, inner)
            if text[first] == "]":
                return _bytes(f"{text[:inner]}{ours}{text[inner:]}")
            space = text[inner:first]
            gap = space if "\n" in space else " "
            return _bytes(f"{text[:first]}{ours},{gap}{text[first:]}")
        if member.key == KEY:  # null
            return _bytes(json_text.replaced(text, KEY, [url]))
    return _bytes(json_text.added(text, KEY, [url]))


def _set(content: bytes, urls: Sequence[str] | None, path: Path) -> bytes:
    """Give the key another value; None: remove it."""
    text = _text(content)
    changed = (
        json_text.without(text, KEY) if urls is None else json_text.replaced(text, KEY, list(urls))
    )
    wanted = {key: value for key, value in load(content, path).items() if key != KEY}
    after = load(_bytes(changed), path)
    after.pop(KEY, None)
    if after != wanted:
        raise _broken(path, "the edit would change more than one key")
    return _bytes(changed)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _broken(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-json",
        f"{path} cannot be edited safely: {why}",
        hint="mend it (dockerd reads it when it starts), then `headrace on` again; "
        "it was not changed",
    )
