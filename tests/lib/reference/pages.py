"""Each page of the reference, by its path in the project."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from unittest import mock

from headrace.cli.command_line import parsers
from headrace.cli.help.parsers import EXIT_CODES, CommandParser
from headrace.config import FLEET, SERVE, EnvVars, Settings
from headrace.fleet_settings import FleetSettings
from headrace.interface import hookspecs
from headrace.models import Limits, Mirror
from headrace.serve_settings import ServeSettings
from headrace.setting_rules import MIRROR_FIELDS, RANGES
from lib.reference.docstrings import below_names, in_line
from lib.reference.man_page import man_page
from lib.reference.metrics import metrics

__all__ = ["PAGES", "ROOT"]

ROOT = Path(__file__).resolve().parents[3]
_MADE = "<!-- Made of the code: PYTHONPATH=tests python -m lib.reference -->\n"


def _commands() -> str:
    with mock.patch.dict(os.environ, COLUMNS="80"):
        parser, _ = parsers()
        parts = ["# Commands", _MADE, _block(parser.format_long_help())]
        for command, _ in parser.commands():
            below = f"## {command.prog}"
            parts += [below, f"```text\n{_without_codes(command)}```\n"]
    parts += ["## Exit codes", _table(("code", "what it means"), EXIT_CODES)]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text}```\n"


def _without_codes(command: CommandParser) -> str:
    return command.format_long_help().partition("\nexit codes:")[0]


_WHERE = (
    "`config.toml` in headrace's folder of settings (`headrace doctor` names it), or the file that "
    "`HEADRACE_CONFIG` names. None is needed."
)


def _settings() -> str:
    told = below_names(Settings)
    rows = []
    for each in dataclasses.fields(Settings):
        if each.name in ("source", "mirrors", SERVE, FLEET):
            continue
        low, high, of = RANGES.get(each.name, (0, 0, ""))
        bounds = f" From {low:g} to {high:g}." if of and high < 10**6 else ""
        words = f"{told[each.name]}{bounds}".strip()
        rows.append((f"`{each.name}`", f"`{_toml(_default(each))}`", words))
    serve, fleet = below_names(ServeSettings), below_names(FleetSettings)
    mirror = below_names(Mirror) | {"connections": below_names(Limits)["connections"]}
    return "\n".join(
        (
            "# Settings",
            _MADE,
            f"{_WHERE}\n",
            _table(("key", "default", "what it does"), rows),
            "## `[[mirror]]`: a mirror of your own\n",
            _table(
                ("key", "what it may be", "what it is"),
                [
                    (f"`{name}`", allowed, mirror[name])
                    for name, (_, allowed) in MIRROR_FIELDS.items()
                ],
            ),
            "## `[serve]`: a gateway that others reach\n",
            _table(
                ("key", "default", "what it does"),
                [
                    (f"`{each.name}`", f"`{_toml(_default(each))}`", serve[each.name])
                    for each in dataclasses.fields(ServeSettings)
                ],
            ),
            "## `[fleet]`: a gateway that this machine shares\n",
            _table(
                ("key", "default", "what it does"),
                [
                    (f"`{each.name}`", f"`{_toml(_default(each))}`", fleet[each.name])
                    for each in dataclasses.fields(FleetSettings)
                ],
            ),
        )
    )


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _toml(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, frozenset | tuple):
        return json.dumps(sorted(value))
    return f"{value:_}" if isinstance(value, int) else str(value)


def _environment() -> str:
    rows = [(f"`{name}`", words) for name, words in below_names(EnvVars).items() if words]
    return "\n".join(("# Environment variables", _MADE, _table(("variable", "what it does"), rows)))


def _hooks() -> str:
    parts = [
        "# Hooks",
        _MADE,
        "For plugins, by the entry-point group `headrace`; they import `headrace.interface`.\n",
    ]
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("headrace_"):
            signature = inspect.signature(hook)
            words = inspect.getdoc(hook) or ""
            words, _, example = words.partition("Example::\n")
            parts += [f"## `{name}`\n", f"```python\ndef {name}{signature}\n```\n"]
            parts += _paragraphs(words)
            if example.strip():
                parts.append(f"```python\n{inspect.cleandoc(example)}\n```\n")
    return "\n".join(parts)


def _paragraphs(text: str) -> list[str]:
    return [f"{in_line(each)}\n" for each in text.split("\n\n") if each.strip()]


def _metrics() -> str:
    return "\n".join(
        (
            "# Metrics",
            _MADE,
            "`/metrics` of the gateway, in Prometheus' text format; who may read `/status` may.\n",
            _table(("name", "type", "labels", "what it counts"), metrics()),
        )
    )


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(_cell(each) for each in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/commands.md": _commands,
    "docs/reference/settings.md": _settings,
    "docs/reference/environment.md": _environment,
    "docs/reference/hooks.md": _hooks,
    "docs/reference/metrics.md": _metrics,
    "docs/man/headrace.1": man_page,
}
"""What is written, and what writes it."""
