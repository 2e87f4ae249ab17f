"""conda's activation for one command: what is asked of conda before, and what the command gets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from headrace.interface.hookspecs import CATALOGUE, Place
from headrace.models import Origin
from headrace_conda.channels import known
from headrace_conda.tools import bases
from headrace_conda.tools.bridge import NAME
from headrace_conda.tools.conda import CondaActivation
from lib.conda.bases import at, stand_in
from lib.places import GATEWAY, reader

FORGE = [Origin("conda", "https://conda.anaconda.org", name="conda.anaconda.org")]
ALIAS = {"scheme": "https", "location": "conda.anaconda.org", "name": "", "auth": None}
CONFIG = {"channels": ["conda-forge"], "channel_alias": ALIAS}


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    bases._seen.cache_clear()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return stand_in(tmp_path / "base", answers={"config": CONFIG})


# ------------------------------------------------------------------ discover


def test_discovery_asks_conda_itself_and_only_once_for_its_facts(
    tmp_path: Path, base: Path
) -> None:
    told = CondaActivation().discover(at(tmp_path, base), reader)
    assert {each.origin.name for each in told} == set(known.origin_names())
    assert (base / "heard.txt").read_text().startswith("config --json --show channels")


@pytest.mark.parametrize("program", ["pip", "/x/pip3.11", "python3", "uv", "uvx", "poetry", "pixi"])
def test_a_command_that_is_no_conda_does_not_wait_for_conda(
    tmp_path: Path, base: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    where = at(tmp_path, base, command=(program, "install", "x"))
    told = CondaActivation().discover(where, reader)
    assert {each.where for each in told} == {CATALOGUE}
    variables, _ = CondaActivation().environment(where, GATEWAY, FORGE, reader, tmp_path / "s")
    assert variables["CONDARC"] == str(tmp_path / "s" / "condarc.d")


@pytest.mark.parametrize("program", ["conda", "mamba", "/x/condabin/conda", "bash", "make", "tox"])
def test_a_command_that_may_run_conda_waits_for_its_words(
    tmp_path: Path, base: Path, program: str
) -> None:
    told = CondaActivation().discover(at(tmp_path, base, command=(program,)), reader)
    assert "conda's channel_alias" in {each.where for each in told}


# ------------------------------------------------------------------ headrace run


def environment(
    where: Place, scratch: Path
) -> tuple[dict[str, str | None], dict[str, bytes | None]]:
    variables, edits = CondaActivation().environment(where, GATEWAY, FORGE, reader, scratch)
    assert all(edit.path.is_relative_to(scratch) for edit in edits)
    names = {edit.path.relative_to(scratch).as_posix(): edit.after for edit in edits}
    return dict(variables), names


def test_run_sets_variables_and_writes_below_its_folder_alone(tmp_path: Path, base: Path) -> None:
    scratch = tmp_path / "scratch"
    variables, files = environment(at(tmp_path, base, command=("conda", "create")), scratch)
    assert variables == {
        "CONDARC": str(scratch / "condarc.d"),
        "HEADRACE_CONDA_GATEWAY": "http://127.0.0.1:17223",
        "PYTHONPATH": str(scratch / NAME),
    }
    assert set(files) == {"condarc.d/headrace.yml", NAME}
    assert b"headrace_gateway" not in (files["condarc.d/headrace.yml"] or b"")


def test_run_keeps_the_users_own_condarc_and_pythonpath(tmp_path: Path, base: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text("channels: [mine]\n")
    env = {"CONDARC": str(own), "PYTHONPATH": "/a::/b"}
    scratch = tmp_path / "scratch"
    variables, files = environment(at(tmp_path, base, env=env), scratch)
    assert variables["PYTHONPATH"] == f"/a:/b:{scratch / NAME}"
    # conda reads the files of a folder in the order of their names, and the last one wins.
    assert files["condarc.d/users-00.yml"] == own.read_bytes()
    assert max(name for name in files if name.startswith("condarc.d/")) > "condarc.d/headrace.yml"


@pytest.mark.parametrize("named", ["~/rc.d", "../home/rc.d"])
def test_run_takes_a_condarc_that_is_a_folder_and_one_below_the_home(
    tmp_path: Path, base: Path, named: str
) -> None:
    where = at(tmp_path, base, env={"CONDARC": named})
    folder = where.home / "rc.d"
    folder.mkdir()
    for name in ("b.yml", "a.yaml", "notes.txt"):
        (folder / name).write_text(f"# {name}\n")
    _, files = environment(where, tmp_path / "scratch")
    assert files["condarc.d/users-00.yml"] == b"# a.yaml\n"
    assert files["condarc.d/users-01.yml"] == b"# b.yml\n"
    assert "condarc.d/users-02.yml" not in files


def test_run_with_a_condarc_that_is_not_there_goes_on(tmp_path: Path, base: Path) -> None:
    _, files = environment(at(tmp_path, base, env={"CONDARC": "/no/such.yml"}), tmp_path / "s")
    assert set(files) == {"condarc.d/headrace.yml", NAME}


def test_run_needs_no_archive_where_headrace_is_installed(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "base", has_headrace=True)
    variables, files = environment(at(tmp_path, base), tmp_path / "s")
    assert "PYTHONPATH" not in variables
    assert set(files) == {"condarc.d/headrace.yml"}


def test_run_excepts_loopback_from_the_proxy(tmp_path: Path, base: Path) -> None:
    env = {"HTTP_PROXY": "http://p.example:1", "NO_PROXY": "corp.example"}
    variables, _ = environment(at(tmp_path, base, env=env), tmp_path / "s")
    assert variables["no_proxy"] == "corp.example,127.0.0.1,localhost,::1"
