"""What each part may take, held against what clients are promised."""

from __future__ import annotations

import ast
from pathlib import Path

from headrace.documents.passthrough_fetch import _PAUSE
from headrace.policy import limits
from headrace.system.service import holder

CORE = Path(limits.__file__).parents[1]


def test_everything_that_a_head_waits_for_fits_into_the_promise() -> None:
    assert limits.HEADERS_WITHIN < limits.PROMISED_HEADERS
    parts = (
        limits.STALE_AFTER,
        limits.LATE_SMALL,
        limits.SOURCES_WITHIN,
        limits.VARIANTS_WITHIN,
    )
    assert all(part < limits.HEADERS_WITHIN for part in parts)
    assert holder.PATIENCE < limits.HEADERS_WITHIN


def test_everything_that_a_body_waits_for_fits_into_the_promise() -> None:
    assert limits.BODY_GAP <= limits.PROMISED_GAP
    assert limits.CONFIRM_WITHIN < limits.BODY_GAP
    assert 2 * limits.ORIGIN_SILENCE + _PAUSE < limits.BODY_GAP, "one silence may be made good"


def test_no_other_file_has_a_limit_of_that_name() -> None:
    names = set(limits.__all__)
    for path in CORE.rglob("*.py"):
        if path.name == "limits.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign):
                own = {each.id for each in node.targets if isinstance(each, ast.Name)}
                assert not own & names, f"{path}:{node.lineno}"
