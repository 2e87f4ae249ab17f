"""What a command says to people on standard output: in their language, in the terminal's width and
colours, if one is there, else line by line as it is.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from headrace.cli.language.spoken import translated
from headrace.cli.upkeep.shown.folding import places
from headrace.config import EnvVars
from headrace.wording import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment

__all__ = ["Colour", "Speaker", "terminal_width"]


class Colour(enum.StrEnum):
    """What ``--color`` says of colours."""

    AUTO = "auto"
    """For a terminal, unless NO_COLOR forbids them; FORCE_COLOR wants them in a pipe, too."""
    ALWAYS = "always"
    NEVER = "never"


class Speaker:
    """Says it. Whatever a text holds is shown, and nothing in it is obeyed."""

    def __init__(self, env: Mapping[str, str], colour: Colour) -> None:
        """`colour` is the user's word, which goes before the environment's."""
        self.env = env
        self.colour = colour

    @cached_property
    def console(self) -> Console:
        """For people, on standard output; where ``--color`` says nothing rich itself obeys
        FORCE_COLOR.
        """
        if self.colour is Colour.NEVER or (self.colour is Colour.AUTO and self._no_colour):
            # Neither bold nor dim: who wants no colours wants the text.
            return _console(color_system=None, no_color=True)
        if self.colour is Colour.ALWAYS:
            # Told by word, which goes before the environment's NO_COLOR.
            return _console(force_terminal=True, no_color=False, color_system="standard")
        return _console()

    @property
    def to_terminal(self) -> bool:
        """Whether somebody sits there, and sees each line as it comes."""
        return sys.stdout.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal on standard output, or as COLUMNS says; None: nobody looks."""
        return terminal_width(sys.stdout)

    @property
    def _no_colour(self) -> bool:
        return bool(self.env.get(EnvVars.NO_COLOR))

    @property
    def _has_styles(self) -> bool:
        """Whether rich has anything to do: it is a quarter of a short command's start."""
        if self.colour is Colour.AUTO and self._no_colour:
            return False
        if self.colour is Colour.AUTO:
            return self.to_terminal or bool(self.env.get(EnvVars.FORCE_COLOR))
        return self.colour is Colour.ALWAYS

    def say(self, text: str, style: str = "", *, indent: str | None = None) -> None:
        """Write a line for people, in their language, folded where a terminal is narrower: see
        `folding.fold`.
        """
        self.say_parts(((text, style),), indent=indent)

    def say_parts(self, parts: Sequence[tuple[str, str]], *, indent: str | None = None) -> None:
        """Write a line of texts with their styles, which only a terminal shows."""
        parts = [(translated(part), style) for part, style in parts]
        text = printable("".join(part for part, _ in parts).rstrip())
        lines = list(places(text, self.width, indent))
        if self._has_styles and any(style for _, style in parts):
            from rich.text import Text  # noqa: PLC0415 - start-up time

            whole = Text.assemble(*parts)
            for before, start, end in lines:
                self.console.print(Text(before) + whole[start:end])
        else:
            sys.stdout.write("".join(f"{before}{text[s:e]}\n" for before, s, e in lines))

    def write(self, text: str) -> None:
        """Write lines that are there to be copied, or are a file's own: as they are."""
        if text:
            sys.stdout.write(printable(text if text.endswith("\n") else f"{text}\n"))


def terminal_width(stream: TextIO) -> int | None:
    """Return the columns of the terminal behind a stream, or those that COLUMNS says; None: it is
    none.
    """
    if not stream.isatty():
        return None
    import shutil  # noqa: PLC0415 - start-up time

    return shutil.get_terminal_size((80, 24)).columns


def _console(**options: Any) -> Console:
    """Make one that shows whatever a text holds, and obeys nothing in it: styles are rich's own."""
    from rich.console import Console  # noqa: PLC0415 - start-up time

    class Careful(Console):
        def render(self, *args: Any, **rest: Any) -> Iterator[Segment]:
            for each in super().render(*args, **rest):
                yield each if each.control else each._replace(text=printable(each.text))

    return Careful(highlight=False, soft_wrap=True, **options)
