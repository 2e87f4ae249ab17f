"""What ``headrace run`` says beside its command's own words: while it waits, and in the end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.cli.context import Context
from headrace.cli.language.spoken import translated
from headrace.cli.upkeep.shown.folding import fold
from headrace.cli.upkeep.shown.speaking import terminal_width
from headrace.config import environment
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import GatewayAddress
from headrace.wording import printable

if TYPE_CHECKING:
    from headrace.cli.runs.bottom_row import BottomRow
    from headrace.system.service.identity import Expected

__all__ = ["show_progress", "status", "sum_up", "summed_up", "tell_meanwhile", "warn"]


def warn(text: str) -> None:
    """Say something beside what the command says."""
    # What is said is to be said each time, so nothing of such a run is kept.
    sys.audit("headrace.said", text)
    lines = fold(f"headrace: {printable(translated(text))}", terminal_width(sys.stderr), "  ")
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def status(address: GatewayAddress, expected: Expected) -> Any:
    """Ask a gateway for its ``/status``; None where it does not tell."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    return health.ask(address, expected, "/status")


def summed_up(before: Any, after: Any, seconds: float, context: Context) -> list[str]:
    """Say what two answers of ``/status`` differ by, and what is to be known of builds among it."""
    from headrace.cli.explaining import served  # noqa: PLC0415 - start-up time
    from headrace.cli.summary import sentence  # noqa: PLC0415 - as above

    told = [sentence(before, after, seconds)]
    try:
        told += served.lines(before, after, context)
    except (HeadraceError, OSError) as error:
        told.append(f"what runs here is not known: {getattr(error, 'message', error)}")
    return [line for line in told if line]


def sum_up(before: Any, after: Any, seconds: float) -> None:
    """Say what came between two answers of ``/status``, for a run by a kept outcome."""
    for text in summed_up(before, after, seconds, Context(environment())):
        warn(text)


def tell_meanwhile(host: str, port: int, token: str | None, secret: str) -> None:
    """Begin to tell of what such a run's command waits for."""
    from headrace.cli.runs.meanwhile import begin  # noqa: PLC0415 - start-up time
    from headrace.system.service.identity import Expected  # noqa: PLC0415 - as above

    address = GatewayAddress(host, port, token)
    begin(partial(status, address, Expected(secret=secret)), warn, first=0)


def show_progress(
    host: str, port: int, token: str | None, secret: str
) -> tuple[BottomRow | None, Callable[[], None] | None]:
    """Begin to show how far the downloads of such a run are, where somebody sits at a terminal;
    return the row, and what ends it. Elsewhere they are told as by `tell_meanwhile`.
    """
    from headrace.cli.runs.bottom_row import BottomRow  # noqa: PLC0415 - start-up time
    from headrace.cli.runs.progress import begin, wanted  # noqa: PLC0415 - as above
    from headrace.system.service.identity import Expected  # noqa: PLC0415 - as above

    if not wanted(environment()):
        tell_meanwhile(host, port, token, secret)
        return None, None
    row = BottomRow(sys.stderr.fileno())
    address = GatewayAddress(host, port, token)
    return row, begin(partial(status, address, Expected(secret=secret)), row, first=0)
