from __future__ import annotations

import pytest

from headrace.http.caching import (
    TOLERATED,
    directives,
    forbids_storing,
    freshness_lifetime,
    is_fresh,
    request_max_age,
    storable_headers,
)
from headrace.models import Document


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, {}),
        ("", {}),
        (" , ", {}),
        ("No-Store", {"no-store": ""}),
        ("public,MAX-AGE=60 , immutable", {"public": "", "max-age": "60", "immutable": ""}),
        ('private="set-cookie", max-age="60"', {"private": "set-cookie", "max-age": "60"}),
        ("max-age=1, max-age=2", {"max-age": "1"}),
        ("extension=a=b, other=X", {"extension": "a=b", "other": "X"}),
    ],
)
def test_cache_control_is_read_as_the_standard_has_it(
    header: str | None, found: dict[str, str]
) -> None:
    assert directives(header) == found


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (None, True),
        ("public", True),
        ("no-cache", True),
        ("no-store", False),
        ("a, NO-STORE", False),
    ],
)
def test_no_store_alone_forbids_to_keep(header: str | None, kept: bool) -> None:  # noqa: FBT001
    headers = {} if header is None else {"cache-control": header}
    assert forbids_storing(headers) is not kept


def test_what_is_kept_of_a_head_speaks_of_the_page_and_is_bounded() -> None:
    page = {"x-pypi-last-serial": "7", "link": "a" * 1024}
    passing = dict.fromkeys(("date", "set-cookie", "cache-control", "etag", "via"), "x")
    assert storable_headers({**passing, **page, "too-long": "a" * 1025}) == page
    many = {f"x-{number:02}": "x" for number in range(40)}
    assert list(storable_headers(many)) == list(many)[:32]


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({}, None),
        ({"cache-control": "max-age=600"}, 600.0),
        # Sent with every request by older clients that do not mean it.
        ({"cache-control": "max-age=0"}, TOLERATED),
        ({"cache-control": "no-cache"}, 0.0),
        ({"cache-control": "No-Cache, max-age=0"}, 0.0),
        ({"cache-control": "max-age=3"}, TOLERATED),
        ({"pragma": "no-cache"}, 0.0),
        ({"pragma": "no-cache", "cache-control": "max-age=600"}, 600.0),
        ({"pragma": "else"}, None),
        ({"cache-control": "max-age=soon"}, TOLERATED),
    ],
)
def test_age_that_a_client_accepts(headers: dict[str, str], age: float | None) -> None:
    assert request_max_age(headers) == age


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"cache-control": "max-age=600, public"}, 600.0),
        ({"cache-control": 'max-age="600"'}, 600.0),
        ({"cache-control": "max-age=600", "age": ""}, 600.0),
        ({"cache-control": "max-age=600", "age": "100"}, 500.0),
        ({"cache-control": "max-age=60", "age": "100"}, 0.0),
        ({"cache-control": "no-cache"}, 0.0),
        ({"cache-control": "no-store, max-age=600"}, 0.0),
        ({"cache-control": "max-age=soon"}, None),
    ],
)
def test_lifetime_that_an_origin_gives(headers: dict[str, str], seconds: float | None) -> None:
    assert freshness_lifetime(headers) == seconds


@pytest.mark.parametrize(
    ("max_age", "greatest_age", "age", "fresh"),
    [
        (600.0, None, 0.0, True),
        (600.0, None, 0.5, True),
        (600.0, None, 599.0, True),
        (600.0, None, 600.0, False),
        (600.0, None, 601.0, False),
        (600.0, 10.0, 11.0, False),
        (600.0, 0.0, 0.0, False),
        (None, None, 9.0, True),
        (None, None, 11.0, False),
        # One breath for the question and what was read ahead for it.
        (0.0, None, 2.0, True),
        (0.0, None, 4.0, False),
        # Nobody's page is believed for a year; a clock that was set back proves nothing.
        (1e9, None, 4000.0, False),
        (600.0, None, -5.0, False),
    ],
)
def test_page_is_believed_for_its_life(
    max_age: float | None, greatest_age: float | None, age: float, *, fresh: bool
) -> None:
    document = Document("http://127.0.0.1", b"", "", fetched_at=1000.0, max_age=max_age)
    assert is_fresh(document, greatest_age, 1000.0 + age) is fresh
