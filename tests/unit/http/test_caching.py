from __future__ import annotations

import pytest

from headrace.http.caching import TOLERATED, freshness_lifetime, is_fresh, request_max_age
from headrace.models import Document


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({}, None),
        ({"cache-control": "max-age=600"}, 600.0),
        # Sent with every request by older clients that do not mean it.
        ({"cache-control": "max-age=0"}, TOLERATED),
        ({"cache-control": "no-cache"}, 0.0),
        ({"cache-control": "No-Cache, max-age=0"}, 0.0),
        ({"pragma": "no-cache"}, 0.0),
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
        (600.0, None, 599.0, True),
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
