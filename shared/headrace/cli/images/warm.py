"""``headrace image warm FILE``: the images that files name, brought ahead of time."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headrace.cli.context import FAILED, OK, Context, add_dry_run, add_json, add_scope
from headrace.cli.images.asking import gateway, sources_of
from headrace.cli.images.named import add_named, files_and_names, host_here, question
from headrace.cli.language.spoken import translated
from headrace.cli.summary import bytes_text
from headrace.cli.upkeep.shown.folding import cut
from headrace.cli.upkeep.shown.speaking import terminal_width
from headrace.errors import LocalError, UsageError
from headrace.values import dataclass
from headrace.wording import counted, listed, shown

if TYPE_CHECKING:
    from headrace.cli.explaining.at_hand import AtHand
    from headrace.interface.named_images import ImageObject, ImageToWarm

__all__ = ["add", "run"]

#: Objects that are brought at a time; the gateway brings the parts of each side by side.
_AT_ONCE = 3
#: Seconds that the gateway may be silent, and waits before it is asked again for one object.
_PATIENCE, _PAUSES = 120.0, (0.5, 2.0, 8.0)
#: Seconds between two words on how far it is.
_TELLING = 0.5


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What there is to bring, each object once."""

    objects: tuple[ImageObject, ...]
    stored: frozenset[str]
    """Digests of those that are here already."""
    named: int
    """Objects as the images name them, each time."""

    @property
    def missing(self) -> list[ImageObject]:
        """What is not here yet, the small ones first: manifests say what their layers are."""
        return [each for each in self.objects if each.digest not in self.stored]


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = actions.add_parser(
        "warm",
        help="bring the images that files name into the store, each shared layer once",
        description="Read which images files name, and bring what they are made of into the store, "
        "so that a pull finds it there. What is there already is not fetched again.",
    )
    add_named(parser)
    parser.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="OS/ARCH",
        help="for this one, as linux/arm64; may be repeated (not given: what the file says, else "
        "this machine's)",
    )
    add_dry_run(parser)
    add_scope(parser, within=True)
    add_json(parser, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask plugins what the images are made of, and the gateway for all of that."""
    for platform in args.platform:
        if not platform.startswith("linux/") or platform == "linux/":
            raise UsageError("bad-platform", f"{shown(platform)} is no platform as linux/arm64")
    tools = context.plugins.image_tools()
    asked = files_and_names(args.named, tools)
    with gateway(context, tools) as there:
        named = question(asked, there, host_here(context), args.platform)
        images = [image for tool in tools for image in tool.warm(named)]
        wanted = _wanted(images, there)
        if not context.as_json:
            _tell(context, images, wanted)
        _check_room(wanted, context)
        failed = {} if args.dry_run else _bring(wanted, there, context)
    if context.as_json:
        context.print_json(_table(images, wanted, failed, dry_run=args.dry_run))
    elif not args.dry_run:
        _tell_end(context, wanted, failed)
    problems = [image for image in images if image.problem]
    return FAILED if failed or problems or not images else OK


def _wanted(images: Sequence[ImageToWarm], there: AtHand) -> _Wanted:
    every = [each for image in images for each in image.objects]
    objects = {each.digest: each for each in every}
    stored = {
        digest
        for digest, each in objects.items()
        if any(artifact.get("stored") for artifact in sources_of(there, each.path))
    }
    ordered = sorted(objects.values(), key=lambda each: each.size)
    # One image for several platforms names its index each time.
    named = {(one.image, one.platform, part.digest) for one in images for part in one.objects}
    return _Wanted(tuple(ordered), frozenset(stored), len(named))


def _check_room(wanted: _Wanted, context: Context) -> None:
    """Raise LocalError where it would not fit: what came first would go as the last comes."""
    limit, whole = context.understood.store_limit, _size(wanted.objects)
    if whole > limit:
        raise LocalError(
            "store-too-small",
            f"they have {bytes_text(whole)} together, and the store holds {bytes_text(limit)}",
            hint="name fewer of them, or raise store_limit (`headrace config set store_limit`); "
            "nothing was fetched",
        )


# ------------------------------------------------------------------ bringing


class _StoppedError(Exception):
    """Nobody waits for it any more."""


class _Progress:
    """How far it is, told in one line where somebody looks."""

    def __init__(self, context: Context, whole: int) -> None:
        self._shown = not context.as_json and sys.stderr.isatty()
        self._whole = whole
        self._guard = threading.Lock()
        self._done = 0
        self._told = 0.0
        self._stopped = False

    def stop(self) -> None:
        """End what is on its way at its next bytes: a layer may be gigabytes."""
        self._stopped = True

    def heard(self, count: int) -> None:
        """So many bytes have come, or, below 0, have come for nothing."""
        if self._stopped:
            raise _StoppedError
        with self._guard:
            self._done += count
            now = time.monotonic()
            if self._shown and now - self._told > _TELLING:
                self._told = now
                self._tell(f"{bytes_text(self._done)} of {bytes_text(self._whole)}")

    def end(self) -> None:
        """Leave no line."""
        if self._shown:
            self._tell("")

    def _tell(self, text: str) -> None:
        width = (terminal_width(sys.stderr) or 80) - 1
        sys.stderr.write(f"\r\x1b[K{cut(translated(text), width)}")
        sys.stderr.flush()


def _bring(wanted: _Wanted, there: AtHand, context: Context) -> dict[str, str]:
    """Have each object brought; return why not, by digest."""
    missing = wanted.missing
    progress = _Progress(context, _size(missing))
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="warm") as workers:
        try:
            results = workers.map(lambda each: _one(each, there, progress), missing)
            failed = {each.digest: why for each, why in zip(missing, results, strict=True) if why}
        except BaseException:
            progress.stop()
            raise
        finally:
            progress.end()
    return failed


def _one(wanted: ImageObject, there: AtHand, progress: _Progress) -> str:
    """Have one brought; say why not. A gateway that is started anew goes on where it was."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    assert there.address is not None
    said = ""
    for pause in (*_PAUSES, None):
        came: list[int] = []

        def heard(count: int, came: list[int] = came) -> None:
            progress.heard(count)
            came.append(count)

        given = health.fetched(
            there.address,
            there.expected,
            quote(wanted.path, safe="/:@"),
            _PATIENCE,
            accept="*/*",
            heard=heard,
        )
        if given is not None and given.status == 200:
            return ""
        progress.heard(-sum(came))
        said = "the gateway broke off" if given is None else f"the gateway said {given.status}"
        if pause is None or (given is not None and given.status in (401, 403, 404)):
            break
        time.sleep(pause)
    return said


# ------------------------------------------------------------------ telling


def _tell(context: Context, images: Sequence[ImageToWarm], wanted: _Wanted) -> None:
    for image in images:
        if image.problem:
            where = f" ({', '.join(image.places)})" if image.places else ""
            context.say(f"{image.image}{where} is left out: {image.problem}", indent="  ")
    able = [image for image in images if not image.problem]
    for image in able:
        context.say(f"{image.image} for {image.platform}", indent="  ")
    if not able:
        context.say("There is no image to bring.")
        if not images:
            context.say("What is built names its base in a Dockerfile: name that one.")
        return
    objects, here = wanted.objects, len(wanted.stored)
    size = _size(objects)
    context.say(
        f"{counted(len(able), 'image')} of {counted(len(objects), 'part')}, {bytes_text(size)}; "
        f"{wanted.named - len(objects)} of them shared, {here} here already; "
        f"{bytes_text(_size(wanted.missing))} to fetch"
    )


def _tell_end(context: Context, wanted: _Wanted, failed: Mapping[str, str]) -> None:
    if failed:
        reasons = listed(dict.fromkeys(failed.values()), most=3)
        context.say(f"{counted(len(failed), 'part')} did not come: {reasons}")
        context.say("What came is kept: the same command goes on from there.")
    elif wanted.objects:
        context.say("All of it is in the store.")


def _table(
    images: Sequence[ImageToWarm], wanted: _Wanted, failed: Mapping[str, str], *, dry_run: bool
) -> dict[str, Any]:
    return {
        "images": [
            {
                "image": image.image,
                "platform": image.platform or None,
                "places": list(image.places),
                "digests": [each.digest for each in image.objects],
                "problem": image.problem or None,
            }
            for image in images
        ],
        "parts": len(wanted.objects),
        "shared": wanted.named - len(wanted.objects),
        "size": _size(wanted.objects),
        "here_already": len(wanted.stored),
        "to_fetch": _size(wanted.missing),
        "fetched": 0 if dry_run else len(wanted.missing) - len(failed),
        "failed": dict(failed),
    }


def _size(objects: Sequence[ImageObject]) -> int:
    return sum(each.size for each in objects)
