"""Whether a page that was asked for in our words is the one that a client would have got."""

from __future__ import annotations

import pytest

from headrace.http.negotiation import suits

JSON, HTML = "application/vnd.x.v1+json", "text/html"
OURS = f"{JSON}, {HTML};q=0.1"


@pytest.mark.parametrize(
    ("kind", "accept", "suited"),
    [
        (JSON, OURS, True),
        (f"{JSON}; charset=utf-8", f"{JSON},{HTML};q=0.2", True),
        # The origin has no JSON.
        (HTML, OURS, True),
        (HTML, HTML, True),
        (JSON, HTML, False),
        (JSON, f"{HTML}, {JSON};q=0.5", False),
        (JSON, f"{JSON};q=0", False),
        (JSON, "", False),
        (JSON, "*/*", False),
    ],
)
def test_page_suits_who_would_have_got_the_same_kind(
    kind: str, accept: str, suited: object
) -> None:
    assert suits(kind, accept, OURS) is suited
