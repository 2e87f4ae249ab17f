"""The parser of the command line: short and long help, colours, errors that are said as all are."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from headrace.cli.context import Colour, one_of
from headrace.cli.help.examples import of_command
from headrace.cli.language.spoken import translated
from headrace.cli.upkeep.shown.folding import columns_of, fold
from headrace.errors import UsageError
from headrace.wording import meant

__all__ = ["EXIT_CODES", "CommandParser"]

EXIT_CODES = (
    ("0", "all is well"),
    ("1", "it failed; the message says what, whose fault it is, and what to do next"),
    ("2", "wrong usage; nothing was done"),
    ("3", "it works, but something needs your attention"),
    ("130", "you interrupted it"),
    ("other", "`run` and `build`: the command's own; 126 and 127 as a shell has them"),
)
"""What each exit code of every command means."""

#: Columns from which on an option and what it does stand side by side; else that is indented.
_ROOMY, _BELOW = 58, 8


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong as every other error is said; ``-h`` is short, ``--help`` is not."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        """Take what argparse takes."""
        if sys.version_info >= (3, 14):
            rest.setdefault("color", False)  # the usage is part of messages, too
        rest["add_help"] = False
        rest.setdefault("formatter_class", _Formatter)
        super().__init__(*args, **rest)
        self._everywhere = everywhere = self.add_argument_group("with every command")
        everywhere.add_argument("-h", action=_Help, help="what there is, in short")
        everywhere.add_argument("--help", action=_Help, help="the same with examples and more")
        everywhere.add_argument(
            "--color",
            type=one_of(Colour),
            metavar="{auto,always,never}",
            default=argparse.SUPPRESS,
            help="default: auto, for a terminal, as NO_COLOR and FORCE_COLOR have it",
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what a command does not know where that command is known: argparse lets its
        parent do it, whose usage tells nothing of the command.
        """
        known, rest = super().parse_known_args(args, namespace)
        if rest and " " in self.prog:
            arguments = " ".join(rest)
            self.error(f"unrecognized arguments: {arguments}")
        return known, rest

    def error(self, message: str) -> NoReturn:
        """Raise UsageError, with the word that was probably meant."""
        usage = " ".join(self.format_usage().split())
        hint = f"`{self.prog} --help` tells what there is; {usage}"
        raise UsageError("usage", f"{message}{self._meant(message)}", hint=hint)

    def format_usage(self) -> str:
        """Return argparse's usage with one word for all options: they are listed below."""
        formatter = self.formatter_class(prog=f"{self.prog} [OPTIONS]")
        formatter.add_usage(None, self.arguments(), [])
        usage = formatter.format_help()
        rest = [each for each in self.arguments() if each.nargs == argparse.REMAINDER]
        # argparse says "..." of it.
        return usage.replace("...", str(rest[0].metavar)) if rest else usage

    def format_help(self) -> str:
        """Return argparse's help; what every command has stands last."""
        self.usage = self.format_usage().removeprefix("usage: ").strip().replace("%", "%%")
        self._action_groups.sort(key=lambda group: group is self._everywhere)
        return super().format_help()

    def format_long_help(self) -> str:
        """Return usage, examples, explanation, options and exit codes."""
        parts = [self.format_usage().strip(), self._examples(), self._explained(), self._codes()]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _examples(self) -> str:
        """Explain each example beside it where all have room for that, else above it."""
        examples = [(command, translated(what)) for command, what in of_command(self.prog)]
        if not examples:
            return ""
        width = self._get_formatter()._width  # noqa: SLF001 - the terminal's, as argparse sees it
        column = max(len(command) for command, _ in examples) + 4
        if column + max(columns_of(what) for _, what in examples) <= width:
            lines = [f"  {command:<{column - 2}}{what}" for command, what in examples]
        else:
            lines = []
            for command, what in examples:
                lines += [f"  # {line}" for line in fold(what, width - 4, "")]
                lines.append(f"  {command}")  # to be copied: never broken
        return "\n".join((translated("examples:"), *lines))

    def _explained(self) -> str:
        """Return argparse's own help without the usage, which stands on top."""
        return self.format_help().partition("\n\n")[2].strip()

    def _print_message(self, message: str, file: Any = None) -> None:
        # The usage is part of messages before it is shown, and English there.
        first, end, rest = message.partition("\n")
        is_usage = first.startswith("usage: ")
        super()._print_message(f"{translated(first)}{end}{rest}" if is_usage else message, file)

    def _codes(self) -> str:
        formatter = self._get_formatter()
        formatter.start_section("exit codes")
        for code, what in EXIT_CODES:
            formatter.add_argument(argparse.Action([], code, nargs=0, metavar=code, help=what))
        formatter.end_section()
        return formatter.format_help().strip()

    def _meant(self, message: str) -> str:
        _, unknown, words = message.partition("unrecognized arguments: ")
        if unknown:
            option = next((word for word in words.split() if word.startswith("-")), "")
            return meant(option.partition("=")[0], self._options())
        _, _, choice = message.partition("invalid choice: '")
        word, _, rest = choice.partition("'")
        # "(choose from 'a', 'b')", from Python 3.12 on without the quotation marks.
        every = rest.partition("choose from ")[2].strip(")").split(", ")
        return meant(word, [each.strip("'") for each in every])

    def commands(self) -> list[tuple[CommandParser, str]]:
        """Return the parsers below this one, each with its line in this one's help."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - no public name
                told = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001 - as above
                return [(parser, told.get(name, "")) for name, parser in action.choices.items()]
        return []

    def arguments(self) -> list[argparse.Action]:
        """Return the arguments that have no name, in their order."""
        return self._get_positional_actions()

    def everything(self) -> list[argparse.Action]:
        """Return its arguments, and its options that are not kept to itself."""
        return [each for each in self._actions if each.help != argparse.SUPPRESS]

    def _options(self) -> list[str]:
        """List the options of this parser and of those below it, in argparse's own words."""
        found = [word for action in self._actions for word in action.option_strings]
        for parser, _ in self.commands():
            found += parser._options()  # noqa: SLF001 - of its own class
        return found


class _Formatter(argparse.HelpFormatter):
    """Says it in the reader's language, and folds as everything else here is folded, which argparse
    does by the number of characters.
    """

    def __init__(self, prog: str, **rest: Any) -> None:
        """Take what argparse takes; in little room what options do stands below them."""
        super().__init__(prog, **rest)
        if self._width < _ROOMY:
            self._max_help_position = _BELOW

    def start_section(self, heading: str | None) -> None:
        """Begin one, as argparse does."""
        super().start_section(heading and translated(heading))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help and translated(action.help)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return fold(" ".join(text.split()), width, "")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = fold(" ".join(translated(text).split()), width - len(indent), "")
        return "\n".join(f"{indent}{line}" for line in lines)


class _Help(argparse._HelpAction):  # noqa: SLF001 - what completions know a help option by
    """``-h`` prints argparse's help, ``--help`` the long one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 - argparse's own signature
        values: Any,  # noqa: ARG002 - as above
        option_string: str | None = None,
    ) -> None:
        if option_string == "-h" or not isinstance(parser, CommandParser):
            parser.print_help()
        else:
            parser._print_message(parser.format_long_help(), sys.stdout)  # noqa: SLF001 - as argparse
        parser.exit()
