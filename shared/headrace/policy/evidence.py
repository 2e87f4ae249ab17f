"""What it means that the catalogue's evidence for a mirror is old.

Nobody looks at the mirrors again for a copy of headrace that was installed long ago, so age alone
says nothing against one: a mirror is worth what it gives here and now, and each transfer measures
that. Were old rows left out, every install would grow slower with its age. What age takes away is
what would rest on the evidence alone:

- A mirror that nobody signs for by name is used no longer, unless the settings name it.
- Of those that were not measured on this network, the ones with fresh evidence are asked first.
- A rate from before the last day is no reason to give it much: it is sampled first.
- Its pages stand in for no origin's, until one of them agreed with the origin's own lately.

Pure; times are epochs, days are those of UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable

from headrace.models import Mirror, MirrorStats, OperatorClass

__all__ = ["AGREED", "day", "in_use", "is_old", "pages_agreed"]

#: Seconds for which a page that agreed with the origin's own speaks for its mirror.
AGREED = 7 * 24 * 3600.0


def day(now: float) -> dt.date:
    """Return the day of an epoch."""
    return dt.datetime.fromtimestamp(now, dt.UTC).date()


def is_old(mirror: Mirror, today: dt.date) -> bool:
    """Whether what is known of a mirror is only a hint by now; the user's own word never is."""
    return mirror.evidence_until is not None and mirror.evidence_until < today


def in_use(
    mirrors: Iterable[Mirror],
    today: dt.date,
    *,
    named: Collection[str] = (),
    off: Collection[str] = (),
) -> tuple[Mirror, ...]:
    """Return the mirrors that are used, the first of each id. `named` and `off` are the ids that
    the settings enable and disable.
    """
    found: dict[str, Mirror] = {}
    for mirror in mirrors:
        nobodys = mirror.operator_class is OperatorClass.COMMUNITY and is_old(mirror, today)
        wanted = mirror.id in named or not (mirror.opt_in or nobodys)
        if wanted and mirror.id not in off:
            found.setdefault(mirror.id, mirror)
    return tuple(found.values())


def pages_agreed(pages: MirrorStats, now: float) -> bool:
    """Whether a page of this mirror was right lately. `pages` is what was learned from its pages.

    A page that was wrong takes the right away by a pause; only what came after that counts.
    """
    measured = pages.measured_at
    return measured > pages.paused_until and now - measured <= AGREED
