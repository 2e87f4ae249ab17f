"""How each tool stands: routed or not, by which files, and what wins over them.

All tools are asked at the same time. An engine that hangs, or a conda on a slow disk, answers after
seconds; with several of them their seconds do not add up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from headrace.cli.context import Context
from headrace.cli.setup.guarded import guarded
from headrace.cli.setup.planned_edits import in_use
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import Activation, GatewayAddress, Override, Place, Standing
from headrace.system.edits.file_step import read_file

__all__ = ["rows"]


def rows(
    context: Context,
    address: GatewayAddress | None,
    tell: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Return a table for each tool, in the order of the plugins. A tool that fails is broken.

    `tell` is given each as it comes, in this thread.
    """
    place = context.place()
    files: dict[str, list[str]] = {}
    for entry in context.journal.entries():
        files.setdefault(entry.tool, []).append(entry.path)
    answers: SimpleQueue[tuple[int, dict[str, Any]] | None] = SimpleQueue()

    def ask(number: int, activation: Activation) -> None:
        answer = None
        try:
            answer = number, _row(activation, place, address, files.get(activation.tool, []))
        finally:
            answers.put(answer)

    asking = [
        threading.Thread(target=ask, args=each, daemon=True) for each in enumerate(in_use(context))
    ]
    for thread in asking:
        thread.start()
    found: dict[int, dict[str, Any]] = {}
    for answer in (answers.get() for _ in asking):
        if answer is None:
            continue  # nobody foresaw how it failed, and its thread has told
        number, row = answer
        found[number] = row
        if tell is not None:
            tell(row)
    return [found[number] for number in sorted(found)]


def _row(
    activation: Activation, place: Place, address: GatewayAddress | None, files: list[str]
) -> dict[str, Any]:
    winning: list[Override] = []
    try:
        with guarded(activation):
            standing = activation.standing(place, address, read_file)
            if address is not None and standing is not Standing.NOT_FOUND:
                winning = list(activation.overrides(place, address, read_file))
        state = str(standing)
    except HeadraceError as error:
        state = "broken"
        winning = [Override(activation.tool, "configuration", error.message, error.hint)]
    if state == Standing.ROUTED and any(each.wins for each in winning):
        state = "overridden"
    overrides = [
        {"where": each.where, "what": each.what, "hint": each.hint, "wins": each.wins}
        for each in winning
    ]
    return {"tool": activation.tool, "state": state, "files": files, "overrides": overrides}
