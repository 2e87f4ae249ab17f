"""What a run could not try is listed at its end, with the way to try it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.capabilities import WAYS, capability_of, lacks, summary

TESTS = Path(__file__).resolve().parents[2]
SKIPPING = """
import pytest
from lib.capabilities import lacks

@pytest.mark.skipif(True, reason=lacks("conda", "none is here"))
@pytest.mark.parametrize("number", [1, 2])
def test_marked(number):
    pass

@pytest.fixture
def machine():
    pytest.skip(lacks("root", "no namespaces"))

def test_of_a_machine(machine):
    pass

def test_that_runs():
    pass
"""
MUTE = "import pytest\ndef test_it():\n    pytest.skip('not today')\n"


def run(folder: Path, text: str, *words: str) -> str:
    shutil.copy(TESTS / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words, folder],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_end_of_a_run_lists_by_capability_what_was_not_tried(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    told = run(tmp_path, SKIPPING, *words)
    lines = [line for line in told.partition("not tried here")[2].splitlines() if line][1:7]
    assert lines == [
        "conda (2 tests)",
        "    none is here (2)",
        f"    -> {WAYS['conda']}",
        "root (1 test)",
        "    no namespaces (1)",
        f"    -> {WAYS['root']}",
    ]
    assert "1 passed, 3 skipped" in told


def test_a_skip_that_does_not_say_what_to_do_is_a_failure(tmp_path: Path) -> None:
    told = run(tmp_path, MUTE)
    assert "1 failed" in told
    assert "skips without `lib.capabilities.lacks`" in told


def test_reasons_are_known_again_as_pytest_writes_them() -> None:
    assert capability_of(lacks("index", "pip: no answer")) == "index"
    assert capability_of(f"Skipped: {lacks('index', 'x')}") == "index"
    assert capability_of("needs: nothing") is None
    assert summary([]) == []
    with pytest.raises(AssertionError):
        lacks("luck", "none")


def test_engines_are_one_workers_and_other_tests_the_next_ones(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "contract" / "docker"
    folder.mkdir(parents=True)
    numbered = "import pytest\n@pytest.mark.parametrize('n', range(%d))\ndef test_it(n): pass\n"
    # Two: a worker that still has more than that to do is given nothing beside it at the start.
    (folder / "test_engines.py").write_text(numbered % 2)
    told = run(tmp_path, numbered % 8, "-v", "-n", "2")
    by = re.findall(r"\[(gw\d)\].*PASSED (\S+)::", told)
    assert len(by) == 10
    assert len({worker for worker, file in by if file.startswith("tests/")}) == 1
    assert len({worker for worker, file in by if not file.startswith("tests/")}) == 2
