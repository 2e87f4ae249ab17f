"""``headrace image outdated``: pinned digests whose tag is another image by now."""

from __future__ import annotations

import argparse
import re
import stat
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.context import FAILED, NEEDS_ATTENTION, OK, Context, add_json, add_scope
from headrace.cli.images.asking import gateway, sources_of
from headrace.cli.images.named import add_named, content, files_and_names, host_here, question
from headrace.cli.language.spoken import translated
from headrace.cli.summary import bytes_text
from headrace.cli.upkeep.shown.folding import padded
from headrace.errors import UnfitError
from headrace.wording import counted, listed, shown

if TYPE_CHECKING:
    from headrace.cli.explaining.at_hand import AtHand
    from headrace.interface.named_images import ImagePin

__all__ = ["add", "run"]

_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = actions.add_parser(
        "outdated",
        help="pinned images whose tags are others by now: what changed, how much would come",
        description="Read which images files name, and ask their registries whether the digests "
        "that are pinned are still those of their tags. Exit code 3: some are not.",
    )
    add_named(parser)
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the new digests into the files: nothing else in them changes",
    )
    add_scope(parser, within=True)
    add_json(parser, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask plugins, which ask the registries through the gateway."""
    from headrace.interface.named_images import PinState  # noqa: PLC0415 - as above

    tools = context.plugins.image_tools()
    asked = files_and_names(args.named, tools)
    with gateway(context, tools) as there:
        named = question(asked, there, host_here(context))
        pins = [pin for tool in tools for pin in tool.outdated(named)]
        coming = {pin.image: _coming(pin, there) for pin in pins}
    written = _write(pins) if args.write else []
    if context.as_json:
        context.print_json(
            {
                "files": [str(path) for path in asked[0]],
                "images": [_table(pin, coming[pin.image]) for pin in pins],
                "written": written,
            }
        )
    else:
        _tell(context, pins, coming, written)
    states = {pin.state for pin in pins}
    if PinState.MOVED in states and not (args.write and _all_written(pins, written)):
        return NEEDS_ATTENTION
    return FAILED if PinState.FAILED in states or not pins else OK


def _coming(pin: ImagePin, there: AtHand) -> int:
    """Count the bytes that are neither in the old one nor in the store."""
    objects = {each.path: each.size for each in pin.coming}
    stored = {
        path
        for path in objects
        if any(artifact.get("stored") for artifact in sources_of(there, path))
    }
    return sum(size for path, size in objects.items() if path not in stored)


def _table(pin: ImagePin, coming: int) -> dict[str, Any]:
    return {
        "image": pin.image,
        "places": list(pin.places),
        "state": str(pin.state),
        "why": list(pin.lines),
        **pin.table,
        "to_fetch": coming,
    }


def _tell(
    context: Context, pins: Sequence[ImagePin], coming: dict[str, int], written: Sequence[str]
) -> None:
    from headrace.interface.named_images import PinState  # noqa: PLC0415 - start-up time

    for pin in pins:
        if pin.state not in (PinState.CURRENT, PinState.NOT_PINNED):
            _tell_one(context, pin, coming[pin.image])
    for state, said in (
        (PinState.CURRENT, "{counted} current: the tag is still what is pinned"),
        (PinState.NOT_PINNED, "{counted} not pinned: a pull brings what the tag is then"),
    ):
        if number := sum(pin.state is state for pin in pins):
            context.say(said.format(counted=counted(number, "image")))
        if number and state is PinState.NOT_PINNED:
            context.say(listed(pin.image for pin in pins if pin.state is state), indent="  ")
    for name in written:
        context.say(f"{name} has the new digests")
    if not pins:
        context.say("No image is named there. What is built names its base in a Dockerfile.")
    elif not written and any(pin.new for pin in pins if pin.state is PinState.MOVED):
        context.say("`headrace image outdated --write` puts the new digests into the files.")


def _tell_one(context: Context, pin: ImagePin, coming: int) -> None:
    margin = " " * 13
    state = padded(translated(str(pin.state)), 12)
    context.say_parts(((f"{state} ", ""), (pin.image, "")), indent=margin)
    said = [f"in {', '.join(pin.places)}"] if pin.places else []
    said += pin.lines
    said += [f"{bytes_text(coming)} would come"] if coming else []
    for line in said:
        context.say_parts(((margin, ""), (line, "")), indent=margin)


# ------------------------------------------------------------------ new digests


def _all_written(pins: Sequence[ImagePin], written: Sequence[str]) -> bool:
    from headrace.interface.named_images import PinState  # noqa: PLC0415 - start-up time

    moved = [pin for pin in pins if pin.state is PinState.MOVED]
    return all(pin.new and pin.files and set(pin.files) <= set(written) for pin in moved)


def _write(pins: Sequence[ImagePin]) -> list[str]:
    """Put new digests in the place of old ones; return the files that have changed. UnfitError
    where one cannot be written, before which nothing of it is lost.
    """
    edits: dict[str, dict[str, str]] = {}
    for pin in pins:
        for name in pin.files if pin.new and pin.old and pin.new != pin.old else ():
            edits.setdefault(name, {})[pin.old] = pin.new
    written = []
    for name, digests in edits.items():
        path = Path(name)
        if name == "-":
            continue
        before = content(path)
        # In one pass: what is new for one tag may be old for another.
        after = _DIGEST.sub(partial(_newer, digests), before)
        if after != before:
            _replace(path, after)
            written.append(name)
    return written


def _newer(digests: Mapping[str, str], found: re.Match[bytes]) -> bytes:
    old = found[0].decode()
    return digests.get(old, old).encode()


def _replace(path: Path, after: bytes) -> None:
    from headrace.system import atomic  # noqa: PLC0415 - start-up time

    try:
        # A link stays one, and what it leads to stays its owner's.
        real = path.resolve()
        about = real.stat()
        owner = (about.st_uid, about.st_gid)
        atomic.replace(real, after, mode=stat.S_IMODE(about.st_mode), owner=owner)
    except OSError as error:
        text = f"{shown(str(path))} cannot be written: {error.strerror}"
        raise UnfitError("not-written", text, hint="it is as it was") from error
