"""The condas that the tests find, and the one that they make where nobody has one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import LocalError
from headrace_conda.tools import bases
from lib.capabilities import lacks
from lib.clients import UnavailableError
from lib.conda import from_index
from lib.conda.clients import Conda, chosen_bases, no_base
from lib.places import place
from lib.serving.ports import refusing

_BASES = {base.version: base for base in chosen_bases()}
_RICH = """
custom_channels:
  inhouse: https://conda.company.example/t
custom_multichannels:
  both: [https://one.example/a, conda-forge]
channel_settings:
  - channel: conda-forge
    auth: somebody
client_ssl_cert: /etc/ssl/me.pem
default_channels: [https://two.example/main]
"""
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


@pytest.mark.parametrize(
    "version", _BASES or [pytest.param("", marks=pytest.mark.skip(reason=no_base()))]
)
@pytest.mark.parametrize("settings", ["", _RICH, "ssl_verify: [\n", "channel_priority: nonsense\n"])
def test_what_condas_context_says_is_what_its_command_line_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, settings: str
) -> None:
    conda = Conda(_BASES[version], tmp_path / "home", _BASES[version].solvers[0])
    proxies = {"http": "http://u:p@proxy.example:3128"}
    channels = ["both", "defaults", "conda-forge"]
    conda.configure(channels=channels, proxy_servers=proxies, more=settings)
    variables = {**conda.variables, "HEADRACE_CONDA_BASE": str(conda.base.root)}
    where = place(tmp_path, variables)
    (found,) = bases.find(where)

    def heard() -> object:
        try:
            return bases.configuration(found, where)
        except LocalError as error:
            return error.reference

    by_context = heard()
    asked: list[object] = []
    real = bases.ask_conda

    def ask(*args: Any, **rest: Any) -> Any:
        asked.append(args)
        return real(*args, **rest)

    monkeypatch.setattr(bases, "ask_conda", ask)
    assert heard() == by_context
    assert bool(asked) == (settings not in ("", _RICH))
    monkeypatch.setattr(bases, "_CONTEXT", "raise SystemExit(1)")
    assert heard() == by_context
    assert asked
