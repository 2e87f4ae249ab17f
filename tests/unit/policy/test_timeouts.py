"""What each part may take, held against what clients are promised."""

from __future__ import annotations

import ast
from pathlib import Path

from headrace.documents.passthrough_fetch import _PAUSE
from headrace.policy import timeouts
from headrace.system.service import holder

CORE = Path(timeouts.__file__).parents[1]


def test_everything_that_a_head_waits_for_fits_into_the_promise() -> None:
    assert timeouts.HEADERS_WITHIN < timeouts.PROMISED_HEADERS
    parts = (
        timeouts.STALE_AFTER,
        timeouts.LATE_SMALL,
        timeouts.SOURCES_WITHIN,
        timeouts.VARIANTS_WITHIN,
    )
    assert all(part < timeouts.HEADERS_WITHIN for part in parts)
    assert holder.PATIENCE < timeouts.HEADERS_WITHIN


def test_everything_that_a_body_waits_for_fits_into_the_promise() -> None:
    assert timeouts.BODY_GAP <= timeouts.PROMISED_GAP
    assert timeouts.CONFIRM_WITHIN < timeouts.BODY_GAP
    assert 2 * timeouts.ORIGIN_SILENCE + _PAUSE < timeouts.BODY_GAP, "one silence may be made good"


def test_no_other_file_has_a_limit_of_that_name() -> None:
    names = set(timeouts.__all__)
    for path in CORE.rglob("*.py"):
        if path.name == "timeouts.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign):
                own = {each.id for each in node.targets if isinstance(each, ast.Name)}
                assert not own & names, f"{path}:{node.lineno}"
