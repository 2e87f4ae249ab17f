"""pip's command line as pip itself reads it: which of a program's arguments are pip's, and options.

The options are those of pip 23.2 to 26.3 together. What is not understood is a ValueError: then pip
would stop, or it is newer than this, and nothing is known of the request.
"""

from __future__ import annotations

import optparse
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NoReturn

from headrace.interface import dataclass, foreign

__all__ = ["COMMANDS", "LONG_NAMES", "Interpreter", "LineParser", "PipCommand", "of_pip", "options"]

#: Subcommands that ask an index for projects.
COMMANDS = ("install", "download", "wheel", "lock", "index")
_SCRIPT = re.compile(r"pip(?:[0-9](?:\.[0-9]+)?)?(?:\.exe|\.pyz)?")
_RUNNERS = ("__main__.py", "__pip-runner__.py")
#: Python's own options (python(1)): letters that take a value.
_VALUED = "WX"

# By destination. Those with a short name have it first.
_LISTS = {
    "requirements": ("-r", "--requirement"),
    "constraints": ("-c", "--constraint"),
    "build_constraints": ("--build-constraint",),
    "scripts": ("--requirements-from-script",),
    "editables": ("-e", "--editable"),
    "groups": ("--group",),
    "platforms": ("--platform",),
    "abis": ("--abi",),
    "extra_index_urls": ("--extra-index-url",),
    "find_links": ("-f", "--find-links"),
    "hashes": ("--hash",),
}
_VALUES = {
    "index_url": ("-i", "--index-url", "--pypi-url"),
    "python_version": ("--python-version",),
    "implementation": ("--implementation",),
    "target": ("-t", "--target"),
    "upgrade_strategy": ("--upgrade-strategy",),
}
_SWITCHES = {
    "upgrade": ("-U", "--upgrade"),
    "force_reinstall": ("--force-reinstall",),
    "ignore_installed": ("-I", "--ignore-installed"),
    "no_dependencies": ("--no-deps", "--no-dependencies"),
    "isolated": ("--isolated",),
}
#: Options that say nothing about what is asked for, with all their names: such that take a value.
_OTHER_VALUES = """
    --all-releases --build-option --cache-dir --cert --client-cert -C/--config-settings
    -d/--dest/--destination-dir/--destination-directory --exists-action --global-option
    --keyring-provider --log/--log-file/--local-log --no-binary --only-binary --only-final
    -o/--output --prefix --progress-bar --proxy --python --refresh-package --report
    --resume-retries --retries --root --root-user-action
    --src/--source/--source-dir/--source-directory --timeout/--default-timeout --trusted-host
    --uploaded-prior-to --use-deprecated --use-feature -w/--wheel-dir
"""
_OTHER_SWITCHES = """
    --break-system-packages --check-build-dependencies --compile --debug
    --disable-pip-version-check --dry-run -h/--help --ignore-requires-python --json
    --no-build-isolation --no-cache-dir --no-clean --no-color --no-compile --no-index --no-input
    --no-proxy-env --no-python-version-warning --no-require-hashes --no-use-pep517 --no-user
    --no-verify --no-warn-conflicts --no-warn-script-location --only-deps/--only-dependencies
    --pre --prefer-binary -q/--quiet --require-hashes --require-virtualenv/--require-venv
    --use-pep517 --user -v/--verbose -V/--version
"""
#: Before the subcommand no other option may stand.
_GENERAL = """
    --cache-dir --cert --client-cert --debug --timeout/--default-timeout
    --disable-pip-version-check --exists-action -h/--help --isolated --keyring-provider
    --log/--log-file/--local-log --no-cache-dir --no-color --no-input --no-proxy-env
    --no-python-version-warning --proxy --python -q/--quiet --require-virtualenv/--require-venv
    --resume-retries --retries --trusted-host --use-deprecated --use-feature -v/--verbose
    -V/--version
"""
#: The long names of what has a meaning here, as pip's configuration files and variables call it.
LONG_NAMES: Mapping[str, str] = {
    name.removeprefix("--"): destination
    for table in (_LISTS, _VALUES, _SWITCHES)
    for destination, names in table.items()
    for name in names
    if name.startswith("--") and name != "--hash"
}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Python's own options, as far as they decide where it looks for packages."""

    user_site: bool = True
    variables: bool = True
    """Whether PYTHONPATH and the like count."""


@dataclass(frozen=True, slots=True)
class PipCommand:
    """A command of pip's, with what its line alone says; lists are in the order given."""

    name: str
    words: tuple[str, ...]
    """What is no option: requirements."""
    lists: Mapping[str, tuple[str, ...]]
    values: Mapping[str, str]
    switches: frozenset[str]


def of_pip(arguments: Sequence[str]) -> tuple[Interpreter, tuple[str, ...]] | None:
    """Return how Python runs pip, and pip's own arguments; None: this is another program."""
    if not arguments:
        return None
    if _is_pip(arguments[0]):
        return Interpreter(), tuple(arguments[1:])
    letters = ""
    at = 1
    while at < len(arguments) and arguments[at].startswith("-"):
        word = arguments[at]
        if word.startswith("--"):
            at += 2 if word == "--check-hash-based-pycs" else 1
            continue
        letter, rest = _valued(word[1:])
        letters += word[1 : len(word) - len(rest) - 1] if letter else word[1:]
        if letter == "c" or word == "-":
            return None
        following = rest or (arguments[at + 1] if at + 1 < len(arguments) else "")
        at += 1 if rest or not letter else 2
        if letter == "m":
            return (_told(letters), tuple(arguments[at:])) if following == "pip" else None
    if at < len(arguments) and _is_pip(arguments[at]):
        return _told(letters), tuple(arguments[at + 1 :])
    return None


def _valued(letters: str) -> tuple[str, str]:
    """Return the letter of a word that takes a value, and what follows it there."""
    for at, letter in enumerate(letters):
        if letter in f"cm{_VALUED}":
            return letter, letters[at + 1 :]
    return "", ""


def _told(letters: str) -> Interpreter:
    alone = "I" in letters
    return Interpreter(not (alone or "s" in letters), not (alone or "E" in letters))


def _is_pip(program: str) -> bool:
    path = PurePath(program)
    if path.name in _RUNNERS:
        return path.parent.name == "pip"
    return bool(_SCRIPT.fullmatch(path.name))


class _OptionParser(optparse.OptionParser):
    """pip's own kind of parser, which neither ends the process nor prints."""

    def error(self, msg: str) -> NoReturn:
        raise ValueError(msg)

    def exit(self, status: int = 0, msg: str | None = None) -> NoReturn:
        raise ValueError(msg or status)


def _parser(only: Collection[str] = ()) -> _OptionParser:
    """Make a parser; `only`: of some options alone, each as the tables have it."""
    made = _OptionParser(add_help_option=False, prog="pip", usage="")
    tables = ((_LISTS, "append"), (_VALUES, "store"), (_SWITCHES, "store_true"))
    every = [(names, key, action) for table, action in tables for key, names in table.items()]
    for text, action in ((_OTHER_VALUES, "store"), (_OTHER_SWITCHES, "store_true")):
        every += [(tuple(names.split("/")), "other", action) for names in text.split()]
    for names, destination, action in every:
        if not only or "/".join(names) in only:
            made.add_option(*names, dest=destination, action=action)
    return made


@foreign("a command line")
def options(arguments: Sequence[str]) -> PipCommand:
    """Read pip's arguments; ValueError where pip would not, or where it asks no index."""
    general = _parser(_GENERAL.split())
    general.disable_interspersed_args()
    _, rest = general.parse_args(list(arguments))
    if not rest or rest[0] not in COMMANDS:
        raise ValueError("no command that asks an index")
    words = list(arguments)
    words.remove(rest[0])
    return _command(rest[0], words, _parser())


def known_options() -> dict[str, bool]:
    """Return each option by each of its names, and whether it takes a value."""
    return {
        name: bool(option.takes_value())
        for option in _parser().option_list
        for name in (*option._short_opts, *option._long_opts)  # noqa: SLF001 - has no other way
    }


class LineParser:
    """Reads the options of lines of requirement files. Not for several threads."""

    def __init__(self) -> None:
        self._parser = _parser()

    @foreign("the options of a line")
    def read(self, words: Sequence[str]) -> PipCommand:
        """Read those of one line; ValueError where pip would not."""
        return _command("", words, self._parser)


def _command(name: str, words: Sequence[str], parser: _OptionParser) -> PipCommand:
    read, rest = parser.parse_args(list(words))
    told: dict[str, Any] = vars(read)
    return PipCommand(
        name,
        tuple(rest),
        {each: tuple(told[each] or ()) for each in _LISTS},
        {each: told[each] for each in _VALUES if told[each]},
        frozenset(each for each in _SWITCHES if told[each]),
    )
