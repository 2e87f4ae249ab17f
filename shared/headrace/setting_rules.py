"""What each setting may be, and how a mistake is told: file, key, value, what is allowed. Pure.

These are the rules that need nobody: shapes and ranges. Whether a word means anything here (a
layout, a mirror, a tool) is for `headrace.cli.known_words` to say, which knows the plugins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from headrace import redact
from headrace.errors import SettingsError
from headrace.foreign import whole_number
from headrace.models import Limits, Mirror, OperatorClass
from headrace.wording import listed, meant, noun, shown

__all__ = [
    "LABEL",
    "MIRROR_FIELDS",
    "RANGES",
    "WrongValue",
    "all_in_one",
    "is_address",
    "is_plain",
    "mistake",
    "mistaken_mirror",
    "port_of",
    "read",
]

#: What the numbers may be: from, to, and of what.
RANGES: Mapping[str, tuple[float, float, str]] = {
    "port": (0, 65535, "a port"),
    "provisional_after": (0, 3600, "seconds"),
    "store_limit": (0, 2**63 - 1, "bytes"),
    "disk_reserve": (0, 1, "a share of the disk"),
    "connections_per_mirror": (1, 64, "connections"),
    "connections": (1, 1024, "connections"),
    "downloads": (1, 1024, "downloads"),
}
#: A label of builds.
LABEL = r"cpu|xpu|cu[0-9]{2,3}|rocm[0-9]+(\.[0-9]+)*"
#: What the words may be: a pattern, how it is told, and the words that can be told one by one.
_WORDS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "documents": (
        r"origin|provisional",
        "'origin' or 'provisional'",
        ("origin", "provisional"),
    ),
    "variants": (
        rf"auto|off|{LABEL}",
        "'auto', 'off', or a label as 'cu126', 'rocm6.4', 'xpu', 'cpu'",
        ("auto", "off", "xpu", "cpu", "cu126", "rocm6.4"),
    ),
}
_THIS_MACHINE = frozenset(("127.0.0.1", "::1", "localhost"))
#: Where settings go that are no settings: tables have names in TOML.
_TABLE = "mirror"
_MEND = "mend that line"


def read(
    table: Mapping[str, Any], defaults: Mapping[str, object], path: Path
) -> tuple[dict[str, Any], list[SettingsError]]:
    """Return the values of a settings file that are right, and a mistake for each that is not.

    `defaults` are the settings that there are, by name.
    """
    values: dict[str, Any] = {}
    mistakes: list[SettingsError] = []

    def take(key: str, value: object, read_one: Callable[[], object]) -> None:
        try:
            values[key] = read_one()
        except WrongValue as wrong:
            mistakes.append(mistake(path, key, wrong.what, value, wrong.known))

    for key, value in table.items():
        if key == _TABLE:
            values["mirrors"], wrong = _mirrors(value, path)
            mistakes += wrong
        elif key not in defaults:
            every = [*defaults, _TABLE]
            guess, known = meant(key, every), ", ".join(sorted(every))
            text = f"is not a setting{guess} There are {known}"
            text = text if guess else f"is not a setting; there are {known}"
            mistakes.append(mistake(path, _name(key), text))
        elif isinstance(defaults[key], frozenset):
            values[key], wrong = _each(path, key, value)
            mistakes += wrong
        else:
            default = defaults[key]
            take(key, value, lambda: _typed(key, value, default))  # noqa: B023 - called at once
    return values, mistakes


def all_in_one(mistakes: Sequence[SettingsError]) -> SettingsError:
    """Return the first mistake, which counts the others."""
    first, more = mistakes[0], len(mistakes) - 1
    if not more:
        return first
    also = f"{first.message} (and {more} more {noun(more, 'mistake')})"
    hint = f"{first.hint}; `headrace doctor` names every mistake"
    return SettingsError(first.reference, also, hint=hint)


def mistake(
    path: Path | None,
    key: str,
    what: str,
    value: object = None,
    known: Collection[str] = (),
    *,
    hint: str = _MEND,
    reference: str = "bad-settings",
) -> SettingsError:
    """Make the error of a key: `what` it must be, the `value` that it has, if that is to be told,
    and which of the `known` words was meant. `path` None: the key is a variable.
    """
    where = f"{path}: " if path else "the variable "
    now = "" if value is None else f", not {shown(value)}"
    instead = meant(value, known) if isinstance(value, str) else ""
    error = SettingsError(reference, f"{where}{key} {what}{now}{instead}", hint=hint)
    error.key = key
    return error


def port_of(variable: str, text: str) -> int:
    """Read a port; SettingsError names the variable."""
    number = whole_number(text)
    if number is not None and number <= 65535:
        return number
    what = "must be a whole number from 0 to 65535 (a port)"
    raise mistake(None, variable, what, text, hint="set it right or unset it")


class WrongValue(Exception):  # noqa: N818 - is said, never seen
    """What a value must be."""

    def __init__(self, what: str, known: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.known = known


def _name(key: str) -> str:
    """Show a key as it stands there, if it can be shown."""
    plain = len(key) <= 60 and key.isprintable() and "@" not in key
    return key if plain and key else shown(key)


def _typed(key: str, value: object, default: object) -> object:
    if isinstance(default, bool) and not isinstance(value, bool):
        raise WrongValue("must be true or false")
    if key in RANGES:
        return _number(key, value, whole=not isinstance(default, float))
    if isinstance(default, str) and not isinstance(value, str):
        raise WrongValue("must be a string")
    if key in _WORDS and isinstance(value, str):
        pattern, allowed, words = _WORDS[key]
        value = value.lower()
        if not re.fullmatch(pattern, value):
            raise WrongValue(f"must be {allowed}", words)
    return value


def _number(key: str, value: object, *, whole: bool) -> float:
    least, most, what = RANGES[key]
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    # A number that is none (nan) is in no range.
    if not fits or not least <= cast("float", value) <= most:
        kind = "a whole number" if whole else "a number"
        raise WrongValue(f"must be {kind} from {least} to {most} ({what})")
    number = cast("float", value)
    return number if whole else float(number)


# ------------------------------------------------------------------ lists


def _each(path: Path, key: str, value: object) -> tuple[frozenset[str], list[SettingsError]]:
    """Read a list of words entry by entry."""
    if not isinstance(value, list):
        return frozenset(), [mistake(path, key, "must be a list of strings", value)]
    good: set[str] = set()
    wrong: list[SettingsError] = []
    for entry in value:
        if not isinstance(entry, str):
            wrong.append(mistake(path, key, "must be a list of strings", entry))
            continue
        try:
            good.add(_ENTRIES.get(key, str)(entry))
        except WrongValue as error:
            wrong.append(mistake(path, key, error.what, entry))
    return frozenset(good), wrong


def is_address(url: str) -> bool:
    """Whether it is an http(s) URL with a host, and a port that can be one if any."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_plain(url: str) -> bool:
    """Whether an address is one without user, token, query and fragment."""
    return is_address(url) and not (
        redact.has_secret(url) or urlsplit(url).query or urlsplit(url).fragment
    )


def _origin(text: str) -> str:
    """Check one of `Settings.origins`."""
    what, _, url = text.partition("=")
    if not what.partition("/")[0] or not is_address(url):
        raise WrongValue("must be texts as ECOSYSTEM/NAME=URL with http or https URLs")
    if redact.has_secret(url):
        raise WrongValue("must be addresses without user or token")
    return text


def _public_origin(url: str) -> str:
    if not is_plain(url):
        raise WrongValue("must be http or https addresses without user or token")
    return url.rstrip("/")


#: How the entries of a list are read, where they are more than strings.
_ENTRIES: Mapping[str, Callable[[str], str]] = {
    "origins": _origin,
    "public_origins": _public_origin,
}


# ------------------------------------------------------------------ mirrors


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_word(value: object) -> bool:
    """Whether it can stand in a list, in a line of output and in a name of statistics."""
    return isinstance(value, str) and re.fullmatch(r"[^\s\x00-\x1f]{1,80}", value) is not None


#: The fields of a ``[[mirror]]`` table: whether a value is right, and what is.
MIRROR_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "id": (_is_word, "a word"),
    "ecosystem": (_is_word, "a word"),
    "url": (
        lambda v: _is_text(v) and is_plain(v),
        "an http or https address without user, token or query",
    ),
    "layout": (_is_word, "a word"),
    "operator": (_is_text, "a string"),
    "operator_class": (
        lambda v: _is_text(v) and v in set(OperatorClass),
        f"one of {', '.join(OperatorClass)}",
    ),
    "connections": (lambda v: type(v) is int and 1 <= v <= 64, "a whole number from 1 to 64"),
    "gives_documents": (lambda v: isinstance(v, bool), "true or false"),
    "rank": (
        lambda v: type(v) is int and abs(v) <= 10**6,
        "a whole number from -1000000 to 1000000",
    ),
    "carries": (
        lambda v: isinstance(v, list) and all(_is_text(word) for word in v),
        "a list of strings",
    ),
    "login": (lambda v: isinstance(v, bool), "true or false"),
}


def _mirrors(value: object, path: Path) -> tuple[tuple[Mirror, ...], list[SettingsError]]:
    """Read the ``[[mirror]]`` tables; one with a mistake is left out."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return (), [mistake(path, _TABLE, "must be tables, each under [[mirror]]", value)]
    found: dict[tuple[str, str], Mirror] = {}
    mistakes: list[SettingsError] = []
    for entry in value:
        wrong = list(_wrong_fields(entry, path))
        mistakes += wrong
        if wrong:
            continue
        mirror = _mirror(entry)
        parts = urlsplit(mirror.url)
        if mirror.login and parts.scheme != "https" and parts.hostname not in _THIS_MACHINE:
            what = "has a login, which would cross the network readable: use https"
            mistakes.append(mistaken_mirror(path, mirror.id, what))
        elif (mirror.ecosystem, mirror.id) in found:
            what = f"is there twice for {mirror.ecosystem}; each needs an id of its own"
            mistakes.append(mistaken_mirror(path, mirror.id, what))
        else:
            found[mirror.ecosystem, mirror.id] = mirror
    return tuple(found.values()), mistakes


def mistaken_mirror(
    path: Path, name: str, what: str, value: object = None, known: Collection[str] = ()
) -> SettingsError:
    """Make the error of a ``[[mirror]]`` table; see `mistake`."""
    error = mistake(path, _TABLE, f"{name}: {what}", value, known)
    error.entry = name
    return error


def _wrong_fields(entry: Mapping[str, Any], path: Path) -> list[SettingsError]:
    named = entry.get("id")
    name = _name(named) if isinstance(named, str) and named else "of no id"
    wrong = []
    for field in ("id", "url"):
        if field not in entry:
            near = next(
                (key for key in entry if key not in MIRROR_FIELDS and meant(key, [field])), None
            )
            instead = f" (there is {_name(near)})" if near else ""
            wrong.append(mistaken_mirror(path, name, f"{field} is missing{instead}"))
    for field, value in entry.items():
        right, allowed = MIRROR_FIELDS.get(field, (None, ""))
        if right is None:
            text = f"{_name(field)} is not a field of a mirror{meant(field, MIRROR_FIELDS)}"
            text += f"{' There' if text.endswith('?') else '; there'} are {listed(MIRROR_FIELDS)}"
            wrong.append(mistaken_mirror(path, name, text))
        elif not right(value):
            known = list(OperatorClass) if field == "operator_class" else []
            wrong.append(mistaken_mirror(path, name, f"{field} must be {allowed}", value, known))
    return wrong


def _mirror(entry: Mapping[str, Any]) -> Mirror:
    """Make the mirror of a table whose fields are right."""
    return Mirror(
        id=entry["id"],
        ecosystem=entry.get("ecosystem", "python"),
        url=entry["url"].rstrip("/"),
        layout=entry.get("layout", "packages"),
        operator=entry.get("operator", ""),
        operator_class=OperatorClass(entry.get("operator_class", "organisation")),
        limits=Limits(connections=entry.get("connections")),
        gives_documents=entry.get("gives_documents", False),
        rank=entry.get("rank", 0),
        carries=tuple(entry.get("carries", ())),
        login=entry.get("login", False),
        own=True,
    )
