"""Which files name images, and which images those are. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from headrace.interface import ImageFile, NamedImages, foreign, read_json
from headrace_docker.gpu.preflight import linux_on
from headrace_docker.naming import dockerfiles, yaml_files
from headrace_docker.naming.named import PLACEHOLDER, NamedAt, NamedImage, named

__all__ = ["all_named", "may_name_images", "named_in"]

_DOCKERFILE = re.compile(r"(?:.+\.)?(?:Docker|Container)file(?:\..+)?", re.IGNORECASE)
_DEVCONTAINERS = ("devcontainer.json", ".devcontainer.json")
#: Of several, each has a folder of its own in theirs.
_DEEPEST = 3
_YAML = (".yaml", ".yml")
#: What is a string, and where a comment begins, in JSON as editors take it; then which commas end a
#: list. A string that is not closed is looked through once.
_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"?|//[^\n]*|/\*')
_LAST_COMMA = re.compile(r'"(?:[^"\\\n]|\\.)*"?|,(?=\s{0,200}[}\]])')


def may_name_images(name: str) -> bool:
    """Whether a file may name images, by its path below a project's folder."""
    path = PurePosixPath(name)
    within = path.parent.as_posix()
    if path.name in _DEVCONTAINERS:
        return path.parts[:-1][:1] in ((), (".devcontainer",)) and len(path.parts) <= _DEEPEST
    if path.suffix in _YAML:
        return within in (".", ".github/workflows")
    return within == "." and bool(_DOCKERFILE.fullmatch(path.name))


def all_named(question: NamedImages) -> Iterator[NamedImage]:
    """Yield all images that are asked about, those of the command line first. What cannot be read
    comes as one that has a problem and no repository.
    """
    for name in question.names:
        yield named(name, None)
    for file in question.files:
        try:
            found = named_in(file, partial(_platform, question))
            # What is to be filled in names nothing yet.
            yield from (image for image in found if image.registry != PLACEHOLDER)
        except ValueError as error:
            told = error.message if hasattr(error, "message") else str(error)
            yield NamedImage(file.name, NamedAt(file.name, 1), problem=str(told))


@foreign("a file that names images")
def named_in(file: ImageFile, platform: Callable[[], str] | None = None) -> list[NamedImage]:
    """Return what one file names; UnreadableError where it is not what its name says. `platform`
    finds what a Dockerfile is built for, as ``linux/arm64``, where it asks.
    """
    text = file.content.decode("utf-8", "replace").removeprefix("\ufeff")
    name = PurePosixPath(file.name.replace("\\", "/")).name
    if name in _DEVCONTAINERS:
        return list(_devcontainer(text, file.name))
    if _DOCKERFILE.fullmatch(name) and not name.endswith(_YAML):
        return list(dockerfiles.images(text, file.name, platform=platform))
    return list(yaml_files.images(text, file.name, platform))


def _platform(question: NamedImages) -> str:
    return question.platforms[0] if question.platforms else linux_on(question.find_host())


def _devcontainer(text: str, file: str) -> Iterator[NamedImage]:
    table: Any = read_json(_without_comments(text).encode())
    image = table.get("image") if isinstance(table, dict) else None
    if isinstance(image, str):
        at = text.find(image)
        yield named(image, NamedAt(file, text.count("\n", 0, max(at, 0)) + 1))


def _without_comments(text: str) -> str:
    """Take comments, and commas behind the last of a list, out of JSON; lines stay lines."""
    kept, at = [], 0
    while found := _COMMENT.search(text, at):
        end = found.end()
        if found[0][0] == '"':
            kept.append(text[at:end])
        else:
            kept.append(text[at : found.start()])
        if found[0] == "/*":
            end = text.find("*/", end) + 2
            if end < 2:
                break  # it is not closed, and all that follows is comment
        at = end
    else:
        kept.append(text[at:])
    return _LAST_COMMA.sub(lambda found: "" if found[0] == "," else found[0], "".join(kept))
