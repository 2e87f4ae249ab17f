"""``headrace run`` where its outcome is kept: the user's gateway proves itself, and gives a proxy
of this command's own; what the command needs is made again, and it runs.

What a kept outcome cannot say is left to the long way (`cli.run`): a gateway that is down or is
another one, anything that changed. Nothing heavy is imported.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import os
import sys
import time

from headrace.cli import child_process
from headrace.cli.runs.kept import outcome as kept
from headrace.system.service.runs.runners import Runners, nobody_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from headrace.cli.runs.bottom_row import BottomRow
    from headrace.cli.runs.kept.contact import ProvenGateway

__all__ = ["HERE", "MOST_FILES", "Scratch", "run", "split", "usable"]

#: Stands in a kept outcome for the command's own folder.
HERE = "\0here\0"
#: More files than this are made anew by the long way.
MOST_FILES = 200
#: Seconds, as in `cli.runs.leading`: the gateway may read a page for it.
_LIMIT = 10.0
#: Seconds after which a command is told what it waits for (`cli.runs.meanwhile`).
_PATIENCE = 10.0
#: Seconds after which the progress of one that shows none is looked at (`cli.runs.progress`).
_FIRST = 1.0


def run(words: list[str]) -> int | None:
    """Run the words behind ``headrace run`` by a kept outcome; return the command's exit code, or
    None where there is no such outcome: nothing has happened then.
    """
    env = dict(os.environ)  # noqa: TID251 - headrace.config would cost as much as all of this
    quiet, command = split(words)
    if not command or not usable(env):
        return None
    prepared = None
    try:
        outcome = kept.load(_folder(env), kept.key_of(command, env))
        if outcome is not None and not _left_behind(str(outcome["temporary"])):
            prepared = _Prepared(outcome, env, quiet=quiet)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # of a foreign form, or a gateway that is not there
    return None if prepared is None else _perform(prepared, command)


def usable(env: dict[str, str]) -> bool:
    """Whether an outcome may be kept, or taken: here, and by whoever wants to know nothing more."""
    return (
        sys.platform == "linux"
        and not env.get("HEADRACE_RUN")
        and not env.get("HEADRACE_LOG")
        and not (os.geteuid() == 0 and env.get("SUDO_UID"))
    )


def split(words: list[str]) -> tuple[bool, list[str]]:
    """Return whether ``--quiet`` was said, and the command; no words where it takes argparse."""
    quiet = words[:1] in (["--quiet"], ["-q"])
    rest = words[1:] if quiet else words
    rest = rest[1:] if rest[:1] == ["--"] else rest
    return quiet, [] if rest[:1] and rest[0].startswith("-") else rest


def _folder(env: dict[str, str]) -> str:
    """Return where outcomes are kept: where this is another place than platformdirs says, there is
    none, and the long way finds it.
    """
    if home := env.get("HEADRACE_HOME"):
        return os.path.join(home, "state", kept.FOLDER)
    state = env.get("XDG_STATE_HOME", "").strip() or os.path.expanduser("~/.local/state")
    return os.path.join(state, "headrace", kept.FOLDER)


def _left_behind(temporary: str) -> bool:
    """Whether a run that was killed left a folder: the long way clears up."""
    for name in os.listdir(temporary):
        if not name.startswith(kept.PREFIX):
            continue
        path = os.path.join(temporary, name)
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue  # another run was done meanwhile
        if found.st_uid == os.geteuid():
            runners = os.path.join(path, "runners")
            # One without is just being made, or of a file system without locks.
            old = time.time() - found.st_mtime > kept.LASTS
            if nobody_runs(runners) if os.path.exists(runners) else old:
                return True
    return False


class _Prepared:
    """A command's files and environment, made of a kept outcome."""

    def __init__(self, outcome: dict[str, Any], env: dict[str, str], *, quiet: bool) -> None:
        """OSError where the gateway is not that of before, or leads otherwise."""
        from headrace.cli.runs.kept.contact import ProvenGateway  # noqa: PLC0415 - only now it is wanted

        secret = kept.read_own(outcome["secret"])
        if secret is None or not os.access(outcome["program"], os.X_OK):
            raise FileNotFoundError
        self.program: str = outcome["program"]
        self.env = env
        self.silent = bool(outcome.get("silent"))
        self.place = (outcome["host"], outcome["port"], outcome["token"], json.loads(secret))
        self.gateway = ProvenGateway(*self.place)
        try:
            self.scratch = Scratch(outcome["temporary"])
        except BaseException:
            self.gateway.close()
            raise
        try:
            self.before = None if quiet else self.gateway.ask("/status", 2.0)
            _make(outcome, self.gateway, self.scratch, env)
        except BaseException:
            self.clear()
            raise

    def clear(self) -> None:
        """End the proxy, remove the files, and let go of the gateway."""
        self.scratch.clear()
        self.gateway.close()

    def status(self) -> dict[str, object] | None:
        """Return what the gateway tells now, of who it was before; None: nothing."""
        from headrace.cli.runs.kept.contact import ProvenGateway  # noqa: PLC0415 - loaded already

        try:
            return self.gateway.ask("/status", 2.0)
        except (OSError, ValueError):
            self.gateway.close()  # it keeps no connection for ever
        try:
            self.gateway = ProvenGateway(*self.place)
            return self.gateway.ask("/status", 2.0)
        except (OSError, ValueError):
            return None


def _perform(prepared: _Prepared, command: list[str]) -> int | None:
    """Run the command; None where it could not be started, which the long way tells."""
    quiet = prepared.before is None
    began = os.times().elapsed
    try:
        row = _LaterRow(prepared.place)
        after, aside = (_PATIENCE, lambda: _tell(prepared.place)), None
        if prepared.silent and os.isatty(2):
            after, aside = (_FIRST, row.begin), row.aside
        try:
            code = child_process.run(
                prepared.program,
                command,
                prepared.env,
                after=None if quiet else after,
                aside=None if quiet else aside,
            )
        except OSError as error:
            if error.filename is None:
                raise
            return None
        finally:
            row.end()
        if prepared.before is not None:
            _sum_up(prepared.before, prepared.status(), os.times().elapsed - began)
    finally:
        prepared.clear()
    return code


def _make(
    outcome: dict[str, Any], gateway: ProvenGateway, scratch: Scratch, env: dict[str, str]
) -> None:
    """Make the command's files, and its environment in `env`; OSError where the gateway leads
    otherwise than it did.
    """
    here = scratch.path
    for name, data in outcome["files"].items():
        scratch.write(name, binascii.a2b_base64(data).replace(HERE.encode(), here.encode()))
    variables = dict(outcome["variables"])
    if (lead := outcome["lead"]) is not None:
        if not scratch.locked:
            raise OSError("nobody could end a proxy")
        asked = json.dumps({**lead["asked"], "runners": f"{here}/runners"})
        told: dict[str, Any] = gateway.ask(f"/interception?asked={_quoted(asked)}", _LIMIT)
        scratch.of_gateway = str(told["file"])
        if told["hosts"] != lead["hosts"]:
            raise OSError("other hosts are led than before")
        for name, path in lead["bundles"].items():
            text = kept.read_own(path)
            if text is None:
                raise FileNotFoundError(path)
            scratch.write(name, text + str(told["certificate"]).encode())
        proxy = f"http://headrace:{_quoted(str(told['token']))}@{gateway.where}"
        variables.update(lead["variables"])
        variables.update(dict.fromkeys(lead["proxies"], proxy))
    for name, value in variables.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value.replace(HERE, here)


def _quoted(text: str) -> str:
    """Write a text as part of a URL; `urllib.parse` brings as much as all of this."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"
    return "".join(chr(one) if one in plain else f"%{one:02X}" for one in text.encode())


class Scratch:
    """The folder of one command, as `started.scratch_folder` makes it."""

    def __init__(self, temporary: str) -> None:
        """Make it, and lock it; OSError."""
        self.path = os.path.join(temporary, kept.PREFIX + os.urandom(6).hex())
        self.of_gateway = ""
        """What the gateway has for this command; its removal ends the proxy."""
        self._made: list[str] = []
        self._folders: list[str] = []
        os.mkdir(self.path, 0o700)
        # Under another name until it is locked: then nobody takes it for left behind.
        new, self._lock = f"{self.path}/runners-new", f"{self.path}/runners"
        self._runners = Runners(new)
        try:
            self.locked = self._runners.join(0)
            if self.locked:
                os.rename(new, self._lock)
        except BaseException:
            self.clear()
            raise

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, for this user alone."""
        path = os.path.join(self.path, name)
        self._make_folder(os.path.dirname(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(data)
        self._made.append(path)

    def _make_folder(self, path: str) -> None:
        if path != self.path and path not in self._folders:
            self._make_folder(os.path.dirname(path))
            os.mkdir(path, 0o700)
            self._folders.append(path)

    def clear(self) -> None:
        """End the proxy, let go of the gateway, and remove all of it."""
        _unlink(self.of_gateway)
        self._runners.leave()
        self._runners.close()
        for path in (*self._made, self._lock, f"{self.path}/runners-new"):
            _unlink(path)
        try:
            for path in (*reversed(self._folders), self.path):
                os.rmdir(path)
        except OSError:  # the command has put something there
            import shutil  # noqa: PLC0415 - seldom

            shutil.rmtree(self.path, ignore_errors=True)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


# ------------------------------------------------------------------ what is told


class _LaterRow:
    """Shows the progress of a command that shows none itself, once it takes long enough."""

    def __init__(self, place: tuple[Any, ...]) -> None:
        self._place = place
        self._row: BottomRow | None = None
        self._end: Callable[[], None] | None = None

    def begin(self) -> None:
        """Begin with it, where somebody looks."""
        with contextlib.suppress(Exception):  # as in `_tell`
            from headrace.cli.runs.telling import show_progress  # noqa: PLC0415 - seldom

            self._row, self._end = show_progress(*self._place)

    def aside(self) -> AbstractContextManager[object]:
        """Leave the terminal to another job."""
        return self._row.aside() if self._row else contextlib.nullcontext()

    def end(self) -> None:
        """Give the row back."""
        if self._end:
            self._end()


def _tell(place: tuple[Any, ...]) -> None:
    """Tell of what is held back, from now on: a command that takes so long can pay for it."""
    # The command runs: what cannot be told any more (it may have replaced this very headrace)
    # neither ends it nor has it run once more.
    with contextlib.suppress(Exception):
        from headrace.cli.runs.telling import tell_meanwhile  # noqa: PLC0415 - seldom

        tell_meanwhile(*place)


def _sum_up(before: dict[str, object], after: dict[str, object] | None, seconds: float) -> None:
    """Say what came; nothing where the gateway tells the same as before."""
    if after is None:
        return
    if any(after.get(name) != before.get(name) for name in ("transfers", "builds_served")):
        with contextlib.suppress(Exception):  # as above: the command's exit code is returned
            from headrace.cli.runs.telling import sum_up  # noqa: PLC0415 - only where something came

            sum_up(before, after, seconds)
