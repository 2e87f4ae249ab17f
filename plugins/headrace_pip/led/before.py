"""What fetches all that a user's program needs, and does not start it: it is led, the program not.

The same command with another program in its place: the project's own interpreter, which does
nothing. So whatever the options mean, they mean the same. Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from headrace.interface import Place, Reader

__all__ = ["HATCH_VALUES", "of_hatch", "of_uv"]

#: hatch's options before its command, with a value.
HATCH_VALUES = ("-e", "--env", "-p", "--project", "--data-dir", "--cache-dir", "--config")
_NOTHING = ("python", "-c", "")
#: The options of ``uv run`` and ``uv tool run`` with a value, of 0.6 to 0.13, also those that their
#: help does not name; and those that say what the program is.
_VALUES = frozenset(
    """
    --allow-insecure-host --build-constraint --build-constraints --cache-dir --color --config-file
    --config-setting --config-settings --config-settings-package --constraint --constraints
    --default-index --directory --env-file --exclude-newer --exclude-newer-package --extra
    --extra-index-url --find-links --fork-strategy --from --group --index --index-strategy
    --index-url --keyring-provider --link-mode --no-binary-package --no-build-isolation-package
    --no-build-package --no-editable-package --no-extra --no-group --no-sources-package
    --only-group --override --overrides --package --prerelease --prerelease-package
    --preview-features --project --python --python-fetch --python-platform --python-preference
    --refresh-package --reinstall-package --resolution --torch-backend --upgrade-group
    --upgrade-package --with --with-editable --with-requirements -C -P -b -c -f -i -p -w
    """.split()  # noqa: SIM905 - one that can be read
)
_SCRIPTS = frozenset(("-s", "--script", "--gui-script"))
_KINDS = _SCRIPTS | {"-m", "--module"}
#: Options of ``uv run`` that ``uv sync`` does not have.
_NOT_OF_SYNC = frozenset(
    """
    --env-file --isolated --no-env-file --no-sync --with --with-editable --with-requirements -w
    """.split()  # noqa: SIM905 - one that can be read
)
#: What a script that says itself what it requires begins with (PEP 723).
_SCRIPT = b"# /// script"


def of_uv(words: Sequence[str], place: Place, read: Reader) -> Sequence[str] | None:
    """Return what brings the environment of ``uv run`` or ``uvx``."""
    at = _program_at(words)
    if at is None:
        return None
    options = [word for word in words[:at] if word not in _KINDS and word != "--"]
    asked = words[at]
    if "run" in words[1:at] and "tool" not in words[1:at]:
        if _SCRIPT in (_script(words[:at], asked, place, read) or b""):
            # Its environment is its own, and none that another program could be run in.
            if any(word.partition("=")[0] in _NOT_OF_SYNC for word in options):
                return None
            run = options.index("run")
            return [*options[:run], "sync", *options[run + 1 :], "--script", asked]
        return [*options, "--", *_NOTHING]
    return [*options, *([] if "--from" in options else ["--from", asked]), *_NOTHING]


def _program_at(words: Sequence[str]) -> int | None:
    """Return where the program stands behind the options; None: nowhere, or on standard input."""
    subcommands = ("run", "tool")
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            return at + 1 if at + 1 < len(words) else None
        if word == "-":
            return None
        if word in _VALUES:
            at += 2
        elif word.startswith("-") or (word in subcommands and word not in words[1:at]):
            at += 1
        else:
            return at
    return None


def _script(options: Sequence[str], asked: str, place: Place, read: Reader) -> bytes | None:
    """Return the content of what ``uv run`` takes for a script; None: it is none."""
    if not _KINDS.isdisjoint(options):
        named = not _SCRIPTS.isdisjoint(options)
        return read(place.working_directory / asked) if named else None
    return _content(asked, place, read)


def _content(name: str, place: Place, read: Reader) -> bytes | None:
    return read(place.working_directory / name) if name.endswith((".py", ".pyw")) else None


def of_hatch(words: Sequence[str], place: Place, read: Reader) -> Sequence[str] | None:
    """Return what brings the environments of ``hatch run``, ``hatch env run`` or ``hatch shell``:
    the same environments, selected by the same words.
    """
    at = 1
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in HATCH_VALUES else 1
    named, rest = list(words[at : at + 1]), list(words[at + 1 :])
    if named == ["run"]:
        return _hatch_run([*words[: at + 1]], rest, place, read)
    if named == ["env"] and rest[:1] == ["run"]:
        return _hatch_env_run([*words[: at + 2]], rest[1:])
    if named == ["shell"]:
        chosen = _first_word(rest, ("--name", "--path"))
        return [*words[:at], "run", *_hatch_program(chosen)]
    # `hatch test` chooses its environment itself.
    return None


def _hatch_run(
    head: list[str], rest: Sequence[str], place: Place, read: Reader
) -> Sequence[str] | None:
    selected = list(itertools.takewhile(lambda word: word[:1] in "+-", rest))
    if len(selected) == len(rest) or {"-h", "--help"} & {*selected[:1]}:
        return None
    asked = rest[len(selected)]
    if not selected and _SCRIPT in (_content(asked, place, read) or b""):
        return None
    env, colon, _ = asked.rpartition(":")
    # No name before the colon is the environment that hatch itself is started in.
    return None if colon and not env else [*head, *selected, *_hatch_program(env)]


def _hatch_env_run(head: list[str], rest: Sequence[str]) -> Sequence[str] | None:
    values = ("-e", "--env", "-i", "--include", "-x", "--exclude", "-f", "--filter")
    at = 0
    while at < len(rest) and rest[at].startswith("-") and rest[at] != "--":
        at += 2 if rest[at] in values else 1
    return None if at >= len(rest) else [*head, *rest[:at], "--", *_NOTHING]


def _hatch_program(env: str) -> Sequence[str]:
    return [f"{env}:{_NOTHING[0]}" if env else _NOTHING[0], *_NOTHING[1:]]


def _first_word(words: Sequence[str], values: Sequence[str]) -> str:
    """Return the first that is no option and no option's value, or nothing."""
    at = 0
    while at < len(words):
        if not words[at].startswith("-"):
            return words[at]
        at += 2 if words[at] in values else 1
    return ""
