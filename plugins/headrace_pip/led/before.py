"""What fetches all that a user's program needs, and does not start it: it is led, the program not.

The same command with another program in its place: the project's own interpreter, which does
nothing. So whatever the options mean, they mean the same. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.interface import Place, Reader

__all__ = ["of_hatch", "of_uv"]

_NOTHING = ("python", "-c", "")
#: The options of ``uv run`` and ``uv tool run`` with a value, of 0.6 to 0.13; and those that say
#: what the program is.
_VALUES = frozenset(
    """
    --allow-insecure-host --build-constraints --cache-dir --color --config-file
    --config-setting --config-settings-package --constraints --default-index --directory
    --env-file --exclude-newer --exclude-newer-package --extra --extra-index-url
    --find-links --fork-strategy --from --group --index --index-strategy --index-url
    --keyring-provider --link-mode --no-binary-package --no-build-isolation-package
    --no-build-package --no-editable-package --no-extra --no-group --no-sources-package
    --only-group --overrides --package --prerelease --prerelease-package --project --python
    --python-platform --refresh-package --reinstall-package --resolution --torch-backend
    --upgrade-group --upgrade-package --with --with-editable --with-requirements -C -P -b -c
    -f -i -p -w
    """.split()  # noqa: SIM905 - one that can be read
)
_KINDS = frozenset(("-m", "--module", "-s", "--script", "--gui-script"))
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
        own = "-m" in words[:at] or "--module" in words[:at]
        if not own and _SCRIPT in (_content(asked, place, read) or b""):
            # Its environment is its own, and none that another program could be run in.
            return None if "--with" in options else [words[0], "sync", "--script", asked]
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


def _content(name: str, place: Place, read: Reader) -> bytes | None:
    return read(place.working_directory / name) if name.endswith((".py", ".pyw")) else None


def of_hatch(words: Sequence[str], place: Place, read: Reader) -> Sequence[str] | None:
    """Return what makes the environment that a program of hatch's runs in."""
    del place, read
    for command in ("run", "shell"):
        if command in words[1:]:
            at = list(words).index(command)
            named = words[at + 1] if at + 1 < len(words) else ""
            env, colon, _ = named.partition(":")
            known = env if colon and env else ""
            return [*words[:at], "env", "create", *([known] if known else [])]
    return None
