"""The reference in `docs/` says what the code says."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from lib.capabilities import lacks
from lib.reference.pages import PAGES, ROOT


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name: str) -> None:
    written = (ROOT / name).read_text("utf-8")
    assert written == PAGES[name](), "PYTHONPATH=tests python -m lib.reference writes it again"


def test_the_manual_page_is_one_that_man_reads_without_complaint() -> None:
    if shutil.which("man") is None:
        pytest.skip(lacks("programs", "man is not installed here"))
    page = str(ROOT / "docs/man/headrace.1")
    done = subprocess.run(
        ["man", "--warnings", "-l", page], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    for heading in ("EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "COMMAND 'headrace run'"):
        assert heading in done.stdout
