"""The doctor's checks of what headrace keeps: whose installation set it up, who can read its
secrets, what keeps the gateway up, and whether stored files are what they were.
"""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from headrace import __version__
from headrace.cli.checks.machine import Check
from headrace.cli.context import NEEDS_ATTENTION, OK, Context
from headrace.errors import LocalError
from headrace.interface.hookspecs import Finding, Fix, Scope
from headrace.system.state import set_up_by
from headrace.wording import counted, listed

__all__ = ["CHECKS", "another_installation"]

#: Bytes of stored files that are hashed: a second's work.
_SAMPLE = 256 << 20
_MOST_FILES = 2000
#: What must be for its owner's eyes alone.
_PRIVATE = ("token", "secret", "origins.json", "network.json", "journal")
_HERE = Path(__file__).parents[2]


def another_installation(context: Context) -> str:
    """Say that another headrace, which is still there, has set up what is on; "": it has not."""
    recorded = set_up_by(context.state)
    if recorded is None or recorded[1] == _HERE or not (recorded[1] / "__init__.py").exists():
        return ""
    version, folder = recorded
    return (
        f"what is on was set up by another headrace, {version} in {folder.parent}; this one is "
        f"{__version__} in {_HERE.parent}"
    )


def installation(context: Context) -> Iterator[Finding]:
    """See whether what is on is this headrace's, and as this one writes it."""
    from headrace.cli.mending.set_up_again import lines_again, outdated  # noqa: PLC0415 - as below

    recorded = set_up_by(context.state)
    if recorded is None:
        return
    if other := another_installation(context):
        hint = "`headrace on` of the one that you want takes over; uninstall the other one"
        yield Finding("installation", "warning", other, hint)
        return
    version, folder = recorded
    old = outdated(context)
    fix = lines_again(context, old)
    hint = "`headrace on` writes it anew"
    if folder != _HERE:
        text = f"what is on was set up by headrace {version} in {folder.parent}, which is gone"
        yield Finding("installation", "warning", text, hint, fix)
    elif old:
        tools = listed(dict.fromkeys(tool for tool, _ in old))
        text = f"headrace {version} wrote otherwise than {__version__} does: {tools}"
        yield Finding("installation", "warning", text, hint, fix)
    else:
        yield Finding("installation", "ok", f"{__version__} in {_HERE.parent}")


def service(context: Context) -> Iterator[Finding]:
    """See whether the files are there that keep the gateway up."""
    from headrace.cli.mending.set_up_again import gateway_again  # noqa: PLC0415 - start-up time
    from headrace.system.service import TOOL  # noqa: PLC0415 - as above

    if context.state.gateway() is None:
        return
    for entry in context.journal.entries():
        if entry.tool == TOOL and entry.after is not None and not Path(entry.path).exists():
            text = f"{entry.path} is gone, which keeps the gateway up"
            yield Finding(
                "service", "warning", text, "`headrace on` writes it again", gateway_again(context)
            )


def rights(context: Context) -> Iterator[Finding]:
    """See whether others can read what is secret."""
    from headrace.cli.mending.set_up_again import kept_private  # noqa: PLC0415 - start-up time

    if sys.platform == "win32" or context.scope is Scope.SYSTEM:
        return  # the machine's lie where the gateway's account alone can look
    for name in _PRIVATE:
        path = context.folders.state / name
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & 0o022:
            # Who could write it may have: to believe it from now on would be to believe them.
            text = f"others can write {path}: it is not believed"
            hint = f"`rm {path}`, then `headrace on`"
            yield Finding("rights", "failure", text, hint)
        elif stat.S_ISREG(mode) and mode & 0o044:
            text = f"others can read {path}"
            hint = f"`chmod 600 {path}`; where somebody may have: `headrace off`, `headrace on`"
            yield Finding("rights", "failure", text, hint, kept_private(path))


def damaged(context: Context) -> Iterator[Finding]:
    """Hash some of what is stored, the newest first. Nothing is written: root looks here, too."""
    from headrace.models import Digest  # noqa: PLC0415 - start-up time
    from headrace.system.storage.store import has_digest  # noqa: PLC0415 - as above

    looked, left, wrong = 0, _SAMPLE, []
    for _, size, path in sorted(_stored(context), reverse=True)[:_MOST_FILES]:
        left -= size
        if left < 0:
            break
        try:
            with path.open("rb") as file:
                right = has_digest(file.fileno(), Digest(path.parents[1].name, path.name))
        except OSError:
            continue  # it went meanwhile, or is not for these eyes
        looked += 1
        wrong += [] if right else [path.name[:16]]
    if wrong:
        what = counted(len(wrong), "stored file")
        text = f"{what} changed on the disk: {listed(wrong, most=3)}"
        hint = "`headrace cache verify` hashes all, and drops such ones"
        yield Finding("store", "warning", text, hint, _verified(context))
    elif looked:
        yield Finding("store", "ok", f"{counted(looked, 'file')} hashed again: as stored")


def _stored(context: Context) -> Iterator[tuple[float, int, Path]]:
    for path in (context.folders.cache / "store").glob("sha*/??/*"):
        try:
            found = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and path.suffix == "":
            yield found.st_mtime, found.st_size, path


def _verified(context: Context) -> Fix:
    """By a command of its own, which goes on as the owner of the store where root asks."""

    def perform() -> None:
        words = [*_command(), "cache", "verify", "--scope", str(context.scope)]
        done = subprocess.run(  # noqa: S603 - headrace itself
            words, capture_output=True, text=True, check=False, env=dict(context.env)
        )
        if done.returncode not in (OK, NEEDS_ATTENTION):
            raise LocalError("not-verified", done.stderr.strip()[:300], hint=" ".join(words))

    return Fix("hash every stored file again, and drop those that are damaged", perform=perform)


def _command() -> list[str]:
    return [sys.executable, "-m", "headrace.cli"]


CHECKS: tuple[Check, ...] = (installation, service, rights, damaged)
