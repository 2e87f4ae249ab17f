"""What a user may write behind ``headrace explain``."""

from __future__ import annotations

import pytest

from headrace.cli import explain
from headrace.interface.hookspecs import Explanation


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("requests", (None, "requests", None)),
        ("python:requests==2.32", ("python", "requests", "2.32")),
        ("requests[socks]>=2,<3; python_version > '3'", (None, "requests", ">=2,<3")),
        # Brackets and semicolons mean something else where other tools are meant.
        ("conda:pytorch[build=cuda*]", ("conda", "pytorch", "[build=cuda*]")),
        ("conda:pytorch=2.12=cuda*", ("conda", "pytorch", "=2.12=cuda*")),
        ("conda:pytorch ==2.12 cuda*", ("conda", "pytorch", "==2.12 cuda*")),
        ("conda:conda-forge::pytorch=2", ("conda", "conda-forge::pytorch=2", None)),
        ("conda:_openmp_mutex", ("conda", "_openmp_mutex", None)),
        ("docker:pytorch/pytorch:2.9.1", ("docker", "pytorch/pytorch:2.9.1", None)),
    ],
)
def test_a_request_is_split_as_its_tool_reads_it(
    text: str, parts: tuple[str | None, str, str | None]
) -> None:
    assert explain._parse(text) == parts


YES, NO = Explanation("x", ("is there",)), Explanation("x", ("is not",), answers=False)
PAGE, FILE = {"kept": True}, {"name": "f"}


@pytest.mark.parametrize(
    ("explanations", "documents", "artifacts", "answers"),
    [
        ([YES], [], [], True),
        ([NO], [], [], False),
        ([NO], [PAGE], [], False),
        ([NO, YES], [], [], True),
        ([NO], [], [FILE], True),
        ([], [PAGE], [], True),
        ([], [], [], False),
    ],
)
def test_what_nobody_can_explain_is_no_success(
    explanations: list[Explanation],
    documents: list[dict[str, object]],
    artifacts: list[dict[str, object]],
    answers: bool,  # noqa: FBT001 - a column
) -> None:
    assert explain._answers(explain._Finds(explanations, documents, artifacts)) is answers
