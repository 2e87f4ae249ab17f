"""The condas that the tests find, and the one that they make where nobody has one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.clients import UnavailableError
from lib.conda import from_index
from lib.serving.ports import refusing

_SEARCH = "from lib.conda.clients import no_base; print(no_base())"
_LOADED = """
import json, sys
import conda.base.context, conda.cli.main, conda.core.link, conda.gateways.connection.download
import conda.gateways.repodata.jlap.fetch, conda.plugins.hookspec
from conda.base.context import context
context.plugin_manager
print(json.dumps([sys.prefix, conda.__version__, sorted(sys.modules)]))
"""


def search(**variables: str) -> str:
    """Give what a run of the tests with these variables would say of a conda that is not here."""
    words = [sys.executable, "-c", _SEARCH]
    done = subprocess.run(
        words, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_conda_of_the_index_is_whole_and_has_its_own_name() -> None:
    try:
        base = from_index.base()
    except UnavailableError as error:
        pytest.skip(lacks("conda", str(error)))
    done = subprocess.run(
        [base / "bin" / "python", "-c", _LOADED], capture_output=True, text=True, check=True
    )
    prefix, version, modules = json.loads(done.stdout)
    assert Path(prefix) == base
    assert version == from_index.VERSION
    assert [name for name in modules if name.startswith("conda_lock")] == []
    texts = [path.read_text("utf-8") for path in base.rglob("site-packages/conda/**/*.py")]
    assert not any("conda_lock." in text for text in texts)


def test_who_has_neither_conda_nor_index_is_told_what_would_help(tmp_path: Path) -> None:
    with refusing() as index:
        told = search(
            HEADRACE_TEST_CLIENTS="all",
            HEADRACE_TEST_CONDA="",
            HEADRACE_TEST_CACHE=str(tmp_path),
            PIP_CONFIG_FILE=os.devnull,
            PIP_INDEX_URL=index,
            PIP_EXTRA_INDEX_URL="",
            PIP_RETRIES="0",
        )
    assert told.startswith("conda: conda-lock ")
    assert "cannot be had: " in told
    assert told.endswith("or named by HEADRACE_TEST_CONDA")


def test_who_names_a_folder_without_conda_is_told_so(tmp_path: Path) -> None:
    told = search(HEADRACE_TEST_CONDA=str(tmp_path))
    assert told.startswith(f"conda: no conda in {tmp_path}, which HEADRACE_TEST_CONDA names")
