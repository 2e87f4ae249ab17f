"""The images that a Dockerfile begins from, or copies out of. Pure.

``ARG`` before the first ``FROM`` has its default; what BuildKit sets by itself is the host's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from headrace_docker.builds.dockerfile import directives, instructions, lines_of
from headrace_docker.naming.named import NamedAt, NamedImage, named, tag_beside

__all__ = ["expanded", "images"]

_VARIABLE = re.compile(
    r"\$(?:\$|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-+?])(?P<word>[^{}]*))?\})"
)
_FLAG = re.compile(r"--([a-z]+)=(\"[^\"]*\"|\S+)\s*")
_AS = re.compile(r"(\S+)(?:\s+[Aa][Ss]\s+(\S+))?\s*")
_MOUNTED = re.compile(r"--mount=(\S+)")
#: One of several in an ARG: a name, and a value with quotes or without.
_ARG = re.compile(r"(?<!\S)([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?(?!\S)")
#: What BuildKit sets by itself.
_SET = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)")
#: Variables that one default may lead to, and characters of what becomes of it.
_DEPTH, _LONGEST = 4, 1000


def images(
    text: str, file: str, above: int = 0, platform: Callable[[], str] | None = None
) -> Iterator[NamedImage]:
    """Yield them; `above` is the number of lines of its file that stand before it, `platform` finds
    what it is built for and on (``linux/arm64``), where that is asked about.
    """
    lines = lines_of(text)
    for number, name, value in directives(lines):
        if name == "syntax":
            yield named(value.split()[0], NamedAt(file, above + number + 1))
    stages: set[str] = set()
    known = _by_itself(platform()) if platform is not None and _SET.search(text) else {}
    begun = False
    for each in instructions(text):
        place = NamedAt(file, above + each.first + 1)
        match each.word:
            case "ARG" if not begun:
                _declare(each.rest, known)
            case "FROM":
                begun = True
                yield from _base(each.rest, each.first, place, lines, known, stages)
            case "COPY" | "ADD" | "RUN":
                for other in _others(each.rest):
                    if other.lower() not in stages and not other.isdecimal() and "$" not in other:
                        yield named(other, place, tag=tag_beside(other, lines, each.first))


def _declare(rest: str, known: dict[str, str]) -> None:
    """Take what an ARG before the first FROM says; what BuildKit sets is only named there."""
    for name, value in _ARG.findall(rest[:_LONGEST]):
        if value or not _SET.fullmatch(name):
            known[name] = expanded(_unquoted(value), known)


def _base(  # noqa: PLR0917 - all that one line needs
    rest: str,
    at: int,
    place: NamedAt,
    lines: list[str],
    known: Mapping[str, str],
    stages: set[str],
) -> Iterator[NamedImage]:
    platform = ""
    while flag := _FLAG.match(rest):
        if flag[1] == "platform":
            platform = expanded(_unquoted(flag[2]), known)
            if "$" in platform:
                platform = ""
        rest = rest[flag.end() :]
    match = _AS.fullmatch(rest.strip())
    if match is None:
        return
    text = expanded(_unquoted(match[1]), known)
    seen = text.lower() in stages or text == "scratch"
    if match[2]:
        stages.add(match[2].lower())
    if not seen:
        yield named(text, place, platform, tag_beside(text, lines, at))


def _others(rest: str) -> Iterator[str]:
    """Yield what is copied out of, or mounted from."""
    start = rest[:_LONGEST]
    for name, value in _FLAG.findall(start):
        if name == "from":
            yield _unquoted(value)
    for mount in _MOUNTED.findall(start):
        for part in mount.split(","):
            if part.startswith("from="):
                yield part.removeprefix("from=")


def _by_itself(platform: str) -> dict[str, str]:
    """Return the arguments of a platform that need no ARG before the first FROM."""
    system, _, rest = platform.partition("/")
    machine, _, variant = rest.partition("/")
    parts = {"PLATFORM": platform, "OS": system, "ARCH": machine, "VARIANT": variant}
    return {
        f"{prefix}{name}": value for prefix in ("TARGET", "BUILD") for name, value in parts.items()
    }


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Put values in the place of variables, as shells, compose and BuildKit do; one that has
    neither a value nor a default stays as it is.
    """

    def value(match: re.Match[str]) -> str:
        name = match["plain"] or match["name"]
        if name is None:
            return "$"
        here, how, word = known.get(name, ""), match["how"] or "", match["word"] or ""
        if how.endswith("+"):
            return word if here else ""
        if here:
            return here
        return word if how.endswith("-") else match[0]

    # A default may itself have a variable; one of them at a time, the innermost first.
    for _ in range(_DEPTH):
        made = _VARIABLE.sub(value, text[:_LONGEST])
        if made == text:
            break
        text = made
    return text
