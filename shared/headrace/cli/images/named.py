"""What ``headrace image outdated`` and ``warm`` are asked about: files, and images by name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cli.context import Context
from headrace.errors import UnfitError, UsageError
from headrace.wording import shown

if TYPE_CHECKING:
    from headrace.cli.explaining.at_hand import AtHand
    from headrace.interface.images import ImageTool
    from headrace.interface.named_images import NamedImages
    from headrace.variants.hosts import Host

__all__ = ["Asked", "add_named", "content", "files_and_names", "host_here", "question"]

#: Bytes of a file, and files of a folder, that are read.
_LONGEST, _MOST = 4 << 20, 200
#: Where files that name images lie below a project's folder.
_BELOW = ("*", ".devcontainer/*", ".devcontainer/*/*", ".github/workflows/*")

Asked = tuple[tuple[Path, ...], tuple[str, ...]]


def add_named(parser: argparse.ArgumentParser) -> None:
    """Add the files and names."""
    parser.add_argument(
        "named",
        nargs="*",
        metavar="FILE|IMAGE",
        help="Dockerfiles, compose files, Kubernetes manifests, a folder with such files, or "
        "images by their names (not given: the files of this folder; - reads YAML from standard "
        "input)",
    )


def files_and_names(words: Sequence[str], tools: Sequence[ImageTool]) -> Asked:
    """Tell files from images' names; UnfitError where a file is not there, UsageError where there
    is nothing to be read.
    """
    files: list[Path] = []
    names: list[str] = []
    for word in words or (".",):
        path = Path(word)
        if word == "-" or path.is_file():
            files.append(path)
        elif path.is_dir():
            found = list(_in_folder(path, tools))
            if not found and not words:
                raise UsageError(
                    "nothing-named",
                    "this folder has no Dockerfile, compose file or manifest",
                    hint="name a file, a folder or an image",
                )
            files += found
        elif any(tool.names_images(path.name) for tool in tools) or word.startswith((".", "/")):
            raise UnfitError("no-file", f"there is no file {shown(word)}", hint="look at its name")
        else:
            names.append(word)
    return tuple(dict.fromkeys(files)), tuple(dict.fromkeys(names))


def _in_folder(folder: Path, tools: Sequence[ImageTool]) -> Iterator[Path]:
    for below in _BELOW:
        within = sorted(path.relative_to(folder).as_posix() for path in folder.glob(below))
        left = _MOST
        for relative in within:
            path = folder / relative
            if left and any(tool.names_images(relative) for tool in tools) and path.is_file():
                left -= 1
                yield path


def question(
    asked: Asked,
    there: AtHand,
    find_host: Callable[[], Host],
    platforms: Sequence[str] = (),
) -> NamedImages:
    """Read the files; UnfitError where one cannot be."""
    from headrace.cli.images.asking import ask  # noqa: PLC0415 - start-up time
    from headrace.interface.named_images import ImageFile, NamedImages  # noqa: PLC0415 - as above

    files, names = asked
    read = tuple(ImageFile(str(path), content(path)) for path in files)
    return NamedImages(names, read, find_host, partial(ask, there), tuple(platforms))


def content(path: Path) -> bytes:
    """Read one of them, whole."""
    try:
        if str(path) == "-":
            found = sys.stdin.buffer.read(_LONGEST + 1)
        else:
            with path.open("rb") as file:
                found = file.read(_LONGEST + 1)
    except OSError as error:
        text = f"{shown(str(path))} cannot be read: {error.strerror}"
        raise UnfitError("no-file", text, hint="look at who may read it") from error
    if len(found) > _LONGEST:
        text = f"{shown(str(path))} is longer than any file that names images"
        raise UnfitError("too-long", text, hint="name the file that you mean")
    return found


def host_here(context: Context) -> Callable[[], Host]:
    """Return what finds this machine's own."""
    from headrace.cli.explaining import builds  # noqa: PLC0415 - start-up time

    return partial(builds.host_for, context, None)
