"""What old facts about a mirror are worth, on days of the test's choosing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from headrace.interface import catalogue
from headrace.models import Mirror, MirrorStats, OperatorClass
from headrace.policy import evidence, selection
from headrace_conda.channels import known
from headrace_docker.registry_api import registries
from headrace_pip.index import layouts

UNTIL = dt.date(2026, 5, 1)
AFTER = UNTIL + dt.timedelta(days=1)
YEARS_LATER = dt.date(2036, 1, 1)
DAY = 24 * 3600.0
#: Noon of the day after.
NOW = dt.datetime(2026, 5, 2, 12, tzinfo=dt.UTC).timestamp()
CAMPUS = Mirror(
    "campus",
    "python",
    "https://mirror.campus.example/pypi",
    "packages",
    operator_class=OperatorClass.UNIVERSITY,
    evidence_until=UNTIL,
)
NOBODYS = replace(CAMPUS, id="nobodys", operator_class=OperatorClass.COMMUNITY)


def ids(today: dt.date, **settings: Any) -> list[str]:
    return [mirror.id for mirror in evidence.in_use([CAMPUS, NOBODYS], today, **settings)]


def test_evidence_is_old_on_the_day_after_and_a_users_word_never() -> None:
    assert not evidence.is_old(CAMPUS, UNTIL)
    assert evidence.is_old(CAMPUS, AFTER)
    assert not evidence.is_old(replace(CAMPUS, evidence_until=None), YEARS_LATER)


def test_a_day_begins_at_midnight_utc() -> None:
    assert evidence.day(NOW) == AFTER
    assert evidence.day(NOW - DAY / 2) == AFTER
    assert evidence.day(NOW - DAY / 2 - 1) == UNTIL


def test_a_named_operators_mirror_is_used_however_old_and_a_nameless_one_while_fresh() -> None:
    assert ids(UNTIL) == ["campus", "nobodys"]
    assert ids(AFTER) == ids(YEARS_LATER) == ["campus"]


def test_the_settings_decide_all_the_same() -> None:
    assert ids(YEARS_LATER, named={"nobodys"}) == ["campus", "nobodys"]
    assert ids(UNTIL, off={"campus"}) == ["nobodys"]
    assert ids(UNTIL, named={"campus"}, off={"campus", "nobodys"}) == []


def test_a_mirror_that_is_to_be_named_stays_so_while_its_evidence_is_fresh() -> None:
    doubtful = replace(CAMPUS, opt_in=True)
    assert evidence.in_use([doubtful], UNTIL) == ()
    assert evidence.in_use([doubtful], AFTER, named={"campus"}) == (doubtful,)


def test_the_first_of_an_id_is_used() -> None:
    own = replace(CAMPUS, evidence_until=None)
    assert evidence.in_use([own, CAMPUS], AFTER) == (own,)


@pytest.mark.parametrize(
    "mirrors", [layouts.mirrors, known.mirrors, registries.mirrors], ids=["pip", "conda", "docker"]
)
def test_no_mirror_of_the_shipped_catalogue_gets_lost_by_age(mirrors: Any) -> None:
    fresh = evidence.in_use(mirrors(), dt.date(2026, 1, 1))
    assert fresh
    assert evidence.in_use(mirrors(), YEARS_LATER) == fresh
    assert all(evidence.is_old(mirror, YEARS_LATER) for mirror in fresh)


def test_a_row_without_a_date_is_old_from_the_beginning() -> None:
    rows = catalogue.load("python", layouts.LAYOUTS).rows
    undated = [row.mirror("python") for row in rows if row.evidence_date is None]
    assert undated
    assert all(evidence.is_old(mirror, dt.date(2000, 1, 1)) for mirror in undated)


# ---------------------------------------------------------------- what use has shown


@pytest.mark.parametrize(
    ("measured", "paused_until", "agreed"),
    [
        (0.0, 0.0, False),
        (NOW - 60, 0.0, True),
        (NOW - 7 * DAY, 0.0, True),
        (NOW - 7 * DAY - 1, 0.0, False),
        # It was wrong, and was right again only in the last case.
        (NOW - 60, NOW + 60, False),
        (NOW - 7200, NOW - 3600, False),
        (NOW - 60, NOW - 3600, True),
    ],
)
def test_a_page_that_agreed_speaks_for_its_mirror_for_a_week(
    measured: float,
    paused_until: float,
    agreed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    pages = MirrorStats(CAMPUS, measured_at=measured, paused_until=paused_until)
    assert evidence.pages_agreed(pages, NOW) is agreed


@pytest.mark.parametrize(
    ("hours", "until", "rate"),
    [
        (1, UNTIL, 5e6),
        (25, UNTIL, None),  # measured too long ago, and nobody looked since
        (25, AFTER, 5e6),
        (25, None, 5e6),
    ],
)
def test_a_rate_of_yesterday_is_no_reason_for_big_work_where_the_evidence_is_old(
    hours: float, until: dt.date | None, rate: float | None
) -> None:
    mirror = replace(CAMPUS, evidence_until=until)
    stats = MirrorStats(mirror, rate=5e6, rtt=0.02, measured_at=NOW - hours * 3600)
    assert selection.trusted_rate(stats, NOW) == rate


def test_of_those_that_nobody_measured_the_ones_with_fresh_evidence_are_asked_first() -> None:
    fresh = [
        MirrorStats(replace(CAMPUS, id=name, rank=rank, evidence_until=until))
        for name, rank, until in (("late", 1, UNTIL), ("own", 80, None), ("new", 90, AFTER))
    ]
    origin = MirrorStats(replace(CAMPUS, id="origin"))
    chosen = selection.select(fresh, origin, 200 << 20, now=NOW)
    assert [stats.mirror.id for stats in chosen] == ["own", "new", "late"]


def test_what_was_measured_counts_more_than_what_is_known() -> None:
    measured = MirrorStats(replace(CAMPUS, id="late"), rate=5e6, rtt=0.02, measured_at=NOW - 60)
    unknown = MirrorStats(replace(CAMPUS, id="new", rank=1, evidence_until=AFTER))
    origin = MirrorStats(replace(CAMPUS, id="origin"))
    chosen = selection.select([unknown, measured], origin, 200 << 20, now=NOW)
    assert [stats.mirror.id for stats in chosen] == ["late", "new"]
