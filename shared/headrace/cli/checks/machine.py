"""The doctor's checks of this machine: settings, plugins, files, disk, what wins over us."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from headrace.cli.context import Context
from headrace.cli.known_words import UNKNOWN_MIRROR
from headrace.errors import ConfigurationError, ConflictError
from headrace.interface.hookspecs import Finding

__all__ = ["CHECKS", "Check"]


Check = Callable[[Context], Iterator[Finding]]


def settings(context: Context) -> Iterator[Finding]:
    """Read the settings."""
    for mistake in context.mistakes:
        # What a broken plugin might know is not called wrong.
        doubtful = bool(context.plugins.broken) and mistake in context.unknown_words
        doubtful = doubtful or mistake.reference == UNKNOWN_MIRROR
        yield Finding(
            "settings", "warning" if doubtful else "failure", mistake.message, mistake.hint
        )
    if context.mistakes:
        return
    path = context.settings.source
    told = f"{path} is understood" if path and path.exists() else "no file; the defaults are used"
    yield Finding("settings", "ok", told)


def plugins(context: Context) -> Iterator[Finding]:
    """Load the plugins, and see what they give."""
    context.plugins.activations()
    context.plugins.ecosystems([each.origin for each in context.state.origins()])
    broken = context.plugins.broken
    for name, why in broken.items():
        hint = "update or uninstall that plugin; everything else works without it"
        yield Finding("plugins", "warning", f"{name} {why}", hint)
    if not broken:
        yield Finding("plugins", "ok", ", ".join(context.plugins.names) or "none")


def files(context: Context) -> Iterator[Finding]:
    """Compare each file that was edited with what was written."""
    from headrace.system.edits.file_step import read_file  # noqa: PLC0415 - start-up time

    for entry in context.journal.entries():
        path = Path(entry.path)
        try:
            if read_file(path) == entry.after:
                yield Finding("files", "ok", f"{path} is as headrace wrote it")
                continue
            context.journal.pristine(path)
        except (ConflictError, ConfigurationError) as error:
            yield Finding("files", "warning", error.message, error.hint)
            continue
        text = f"{path} was changed since; `headrace off` keeps that change"
        yield Finding("files", "note", text)


def overrides(context: Context) -> Iterator[Finding]:
    """Find what wins over what was written."""
    from headrace.cli.setup.planned_edits import overrides as all_overrides  # noqa: PLC0415 - start-up time

    address = context.state.gateway()
    if address is None:
        return
    for each in all_overrides(context, address):
        text = f"{each.tool}: {each.where} {each.what}"
        yield Finding("overrides", "warning" if each.wins else "note", text, each.hint)


def disk(context: Context) -> Iterator[Finding]:
    """Compare free space with what headrace leaves free."""
    folder = context.folders.cache
    there = next(each for each in (folder, *folder.parents) if each.exists())
    usage = shutil.disk_usage(there)
    free = usage.free / usage.total
    text = f"{usage.free / 1e9:.1f} GB free ({free:.0%}) at {folder}"
    if free <= context.settings.disk_reserve:
        share = f"{context.settings.disk_reserve:.0%}"
        hint = (
            f"nothing is stored while less than {share} is free; downloads work all the same. "
            "`headrace cache clear` frees what is stored"
        )
        yield Finding("disk", "warning", text, hint)
    else:
        yield Finding("disk", "ok", text)


def store(context: Context) -> Iterator[Finding]:
    """See whether the folders can be written."""
    import os  # noqa: PLC0415 - os.access alone

    for folder in (context.folders.cache, context.folders.state):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            hint = f"`sudo chown -R USER {folder}`, USER being who the gateway runs as"
            yield Finding("store", "failure", f"{folder} cannot be written", hint)
            return
    yield Finding("store", "ok", f"at {context.folders.cache}")


def keyring(context: Context) -> Iterator[Finding]:
    """See which keyring answers, where an origin needs a credential."""
    private = [each for each in context.state.origins() if each.origin.private]
    if not private:
        return
    from keyring import get_keyring  # noqa: PLC0415 - start-up time

    backend = get_keyring()
    names = [each.name for each in getattr(backend, "backends", [backend])]
    yield Finding("keyring", "ok", "asked in this order: " + ", ".join(names))


def mirrors(context: Context, now: float | None = None) -> Iterator[Finding]:
    """See how old what is known of the mirrors in use is."""
    from headrace.policy import evidence  # noqa: PLC0415 - as above
    from headrace.sources.candidates import mirrors_in_use  # noqa: PLC0415 - start-up time

    today = evidence.day(time.time() if now is None else now)
    public = {o.origin.ecosystem for o in context.state.origins() if not o.origin.private}
    for ecosystem in sorted(public):
        used = mirrors_in_use(context.plugins, context.settings, ecosystem, today)
        old = [mirror.id for mirror in used if evidence.is_old(mirror, today)]
        if not old:
            yield Finding("mirrors", "ok", f"{len(used)} for {ecosystem}, none on old evidence")
            continue
        text = (
            f"what is known of {len(old)} of {len(used)} for {ecosystem} is old: {', '.join(old)}"
        )
        hint = "they are used, each sampled here first; a newer headrace may know more of them"
        yield Finding("mirrors", "note", text, hint)


CHECKS: tuple[Check, ...] = (settings, plugins, files, overrides, disk, store, keyring, mirrors)
