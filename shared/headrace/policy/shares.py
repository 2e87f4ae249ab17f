"""Whose connection goes when there are too many: nobody's share is another user's to take. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TypeVar

__all__ = ["heavy_user", "who_goes"]

K = TypeVar("K")


def heavy_user(counts: Mapping[int, int], most: int) -> int | None:
    """Return the user who has more than a fair share of `most` connections; None: nobody has.

    `counts` are users' connections by their ids. A share is an equal one for each of them, and one
    for a user who is yet to come.
    """
    user = max(counts, key=counts.__getitem__, default=None)
    return user if user is not None and counts[user] > most // (len(counts) + 1) else None


def who_goes(
    owners: Mapping[K, int | None],
    heavy: int | None,
    *,
    waiting: Iterable[K],
    stalled: Iterable[K],
    newest: Iterable[K],
) -> K | None:
    """Return which of the connections goes; None: there is none.

    `owners` says whose each is, where that is known. One of the `heavy` user's goes, if there is
    such a user, else one of anybody's: the first of `waiting`, which have nothing to do, then the
    first of `stalled`, whose clients do not read, then of `newest`.
    """
    for each in chain(waiting, stalled, newest):
        if heavy is None or owners.get(each) == heavy:
            return each
    return None
