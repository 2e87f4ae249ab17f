"""``headrace config``: what holds and why, what is wrong on which line, and an edit."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from headrace.cli.context import FAILED, OK, Context, Strictness, add_json, add_scope
from headrace.cli.known_words import UNKNOWN_MIRROR, unknown_words
from headrace.cli.runs.telling import warn
from headrace.cli.upkeep.settings import file as settings_file
from headrace.cli.upkeep.settings.places import line_of, line_of_key
from headrace.cli.upkeep.shown import columns
from headrace.config import FLEET, SERVE, EnvVars, Settings
from headrace.errors import ConflictError, HeadraceError, LocalError, SettingsError, UnfitError
from headrace.foreign import read_toml
from headrace.redact import for_display
from headrace.system import atomic, folders
from headrace.system.edits import file_step
from headrace.wording import counted, shown

__all__ = ["add", "run"]

#: Variables that go before what the file says.
_VARIABLES = {
    "port": EnvVars.HEADRACE_PORT,
    "variants": EnvVars.HEADRACE_CUDA,
    "target": EnvVars.HEADRACE_TARGET,
}
_STANDARD_ERROR = 2
#: What a new file begins with.
_BEGINNING = """\
# Settings of headrace. None are needed; `headrace config` shows what holds, and README what may
# stand here.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "config",
        help="what your settings are, where each comes from, what is wrong with them",
        description="Without a word: show each setting and where it comes from.",
    )
    add_scope(parser)
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for name, text in (
        ("show", "each setting, and where it comes from"),
        ("check", "what is wrong, with the line where it stands"),
        ("edit", "open the file in your editor; what is wrong is not saved"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_scope(action, within=True)
        add_json(action, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what is asked."""
    context.strictness = Strictness.NONE
    if args.action == "check":
        return _check(context)
    if args.action == "edit":
        return _edit(context)
    return _show(context)


def _say(context: Context, text: str, style: str = "") -> None:
    context.say(text, style, indent="  ")


# ------------------------------------------------------------------ show


def _show(context: Context) -> int:
    path = settings_file.location(context)
    text = _text(path)
    rows = list(_rows(context, text))
    mistakes = context.mistakes
    if context.as_json:
        context.print_json(
            {"file": str(path), "there": path.exists(), "settings": rows, "mistakes": len(mistakes)}
        )
        return OK
    there = "" if path.exists() else " (there is none, and none is needed)"
    _say(context, f"file {path}{there}")
    table = [(row["name"], _shown(row["value"]), _where(row)) for row in rows]
    for line in columns.laid_out(table, context.width):
        context.write(line)
    if mistakes:
        what = counted(len(mistakes), "mistake")
        _say(context, f"{what} in it: `headrace config check` tells each", "yellow")
    return OK


def _rows(context: Context, text: str) -> Any:
    settings, default = context.understood, Settings()
    for field in fields(Settings):
        if field.name in ("source", SERVE, FLEET):
            continue
        value = getattr(settings, field.name)
        line = line_of_key(text, field.name)
        if field.name == "mirrors":
            value = [f"{each.id} ({for_display(each.url)})" for each in value]
            line = next(iter(_mirror_lines(text)), None)
        variable = _VARIABLES.get(field.name, "")
        told = context.env.get(variable, "") if variable else ""
        origin = "environment" if told else "file" if line else "default"
        if told and field.name != "port":
            value = told
        yield {
            "name": "mirror" if field.name == "mirrors" else field.name,
            "value": sorted(value) if isinstance(value, frozenset) else value,
            "from": origin,
            "line": line if origin == "file" else None,
            "variable": variable if told else None,
            "default": None if field.name == "mirrors" else _plain(getattr(default, field.name)),
        }


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def _mirror_lines(text: str) -> list[int]:
    lines = text.split("\n")
    return [n for n, line in enumerate(lines, 1) if line.strip().startswith("[[mirror")]


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value not in ("", None) else "not set"


def _where(row: dict[str, Any]) -> str:
    if row["from"] == "environment":
        return f"the variable {row['variable']}"
    return f"line {row['line']}" if row["from"] == "file" else "default"


# ------------------------------------------------------------------ check


def _text(path: Path) -> str:
    try:
        return (file_step.read_file(path) or b"").decode("utf-8", "replace").removeprefix("\ufeff")
    except HeadraceError:
        return ""  # that it cannot be read is one of the mistakes


def _check(context: Context) -> int:
    path = settings_file.location(context)
    return _tell(context, path, _text(path), context.mistakes)


def _tell(context: Context, path: Path, text: str, mistakes: Sequence[HeadraceError]) -> int:
    told = [{**each.table(), "line": line_of(text, each)} for each in mistakes]
    if context.as_json:
        context.print_json({"file": str(path), "mistakes": told})
        return FAILED if told else OK
    for each in told:
        where = f"line {each['line']}: " if each["line"] else ""
        _say(context, f"{where}{str(each['message']).removeprefix(f'{path}: ')}", "yellow")
        if each["hint"]:
            _say(context, f"  {each['hint']}")
    if not told:
        there = "is right" if path.exists() else "is not there, and none is needed"
        _say(context, f"{path} {there}.")
    return FAILED if told else OK


# ------------------------------------------------------------------ edit


def _edit(context: Context) -> int:
    path = settings_file.location(context)
    before = file_step.read_file(path)
    editor = _editor(context)
    draft = path.with_name(f"{path.name}.draft")
    try:
        folders.make(draft.parent)
        # One of before holds what somebody wrote and could not save.
        if draft.exists():
            _check_draft(draft, path)
        else:
            content = _BEGINNING.encode() if before is None else before
            atomic.replace(draft, content, mode=0o600)
    except OSError as error:
        raise LocalError(
            "settings-unwritable",
            f"{draft} cannot be written: {error.strerror or error}",
            hint="check its folder; the machine's needs sudo",
        ) from error
    # Where one JSON document is wanted, standard output is for nothing else: it draws on the other.
    output = _STANDARD_ERROR if context.as_json else None
    done = subprocess.run([*editor, str(draft)], check=False, stdout=output)  # noqa: S603 - the program that the user names
    if done.returncode:
        raise LocalError(
            "editor-failed",
            f"{editor[0]} ended with {done.returncode}: nothing was saved",
            hint=f"what you wrote is in {draft}; `headrace config edit` goes on with it",
        )
    after = _drafted(draft, editor[0])
    mistakes = _mistakes(after, path, context)
    if mistakes:
        warn(f"not saved; what you wrote is in {draft}")
        return _tell(context, path, after.decode("utf-8", "replace"), mistakes)

    def edit(content: bytes, _: Path) -> bytes:
        if content != (before or b""):
            raise ConflictError(
                "settings-changed",
                f"{path} was changed by somebody else meanwhile: nothing was saved",
                hint=f"what you wrote is in {draft}; put together what both of you mean",
            )
        return content if before is None and after == _BEGINNING.encode() else after

    changed = settings_file.change(context, edit, mending=True) is not None
    draft.unlink(missing_ok=True)
    if context.as_json:
        context.print_json({"file": str(path), "changed": changed, "mistakes": []})
        return OK
    if not changed:
        _say(context, f"{path} is as it was.")
        return OK
    _say(context, f"{path} is saved. What it says of mirrors holds at once; all else from the next "
         "start of the gateway on.")  # fmt: skip
    return OK


def _check_draft(draft: Path, path: Path) -> None:
    """Raise ConflictError where the settings were changed since a draft was left: to save it would
    take that back without a word.
    """
    if path.exists() and path.stat().st_mtime_ns > draft.stat().st_mtime_ns:
        raise ConflictError(
            "settings-changed",
            f"{path} was changed since {draft} was left, and that draft knows nothing of it",
            hint=f"put together what both say, in {path}, and remove {draft}; nothing was changed",
        )


def _drafted(draft: Path, editor: str) -> bytes:
    """Return what the editor left; LocalError where that is nothing, or no file."""
    content = file_step.read_file(draft)
    if content is None:
        raise LocalError(
            "no-draft",
            f"{editor} left no file at {draft}: nothing was saved",
            hint="save to the file that was opened; `headrace config edit` begins anew",
        )
    return content


def _editor(context: Context) -> list[str]:
    variable = EnvVars.VISUAL if context.env.get(EnvVars.VISUAL) else EnvVars.EDITOR
    named = context.env.get(variable) or ""
    try:
        words = shlex.split(named)
    except ValueError as error:
        raise UnfitError(
            "no-editor",
            f"the variable {variable} is no command: {shown(named)} ({error})",
            hint="name a program there, and quote its words as in a shell",
        ) from error
    if not words:
        usual = ("notepad",) if sys.platform == "win32" else ("editor", "nano", "vim", "vi")
        words = [each for each in usual if shutil.which(each)][:1]
    if not words or shutil.which(words[0]) is None:
        raise UnfitError(
            "no-editor",
            f"there is no editor {words[0]}" if words else "no editor is known",
            hint=f"name one by the variable {EnvVars.VISUAL} or {EnvVars.EDITOR}; the file is "
            f"{settings_file.location(context)}",
        )
    return words


def _mistakes(content: bytes, path: Path, context: Context) -> list[HeadraceError]:
    """Return every mistake of a file that is not saved yet."""
    try:
        settings, mistakes = Settings.understood(read_toml(content, path), path)
    except LocalError as error:
        return [SettingsError(error.reference, error.message, hint=error.hint)]
    unknown = unknown_words(settings, context.env, context.plugins)
    # A mirror that left the catalogue is told elsewhere, and stops nobody.
    return [*mistakes, *(each for each in unknown if each.reference != UNKNOWN_MIRROR)]
