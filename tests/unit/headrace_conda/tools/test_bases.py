"""Which condas are found, and what their folders, or they themselves, say of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.interface.hookspecs import Place
from headrace_conda.tools import bases
from headrace_conda.tools.bases import Base, find
from lib.conda.bases import on_path, site_of, stand_in
from lib.places import place
from lib.waiting import until


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No conda of this machine; and every test looks anew."""
    monkeypatch.setattr(bases, "_PLACES", (str(tmp_path / "opt" / "conda"),))
    bases._seen.cache_clear()


def only(where: Place) -> Base:
    (found,) = find(where)
    return found


def test_a_base_is_read_from_its_folders_without_starting_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = stand_in(tmp_path / "home" / "miniforge3", "25.11.2")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    assert only(place(tmp_path)) == Base(base, (25, 11, 2), site_of(base), True, False)


def test_a_base_whose_packages_lie_elsewhere_is_asked(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "home" / "miniconda3", "24.5.1", hidden=True, has_headrace=True)
    assert only(place(tmp_path)) == Base(base, (24, 5, 1), site_of(base), True, True)


def test_two_pythons_in_one_base_are_a_doubt_so_it_is_asked(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "home" / "miniforge3")
    (base / "lib" / "python3.1" / "site-packages").mkdir(parents=True)
    assert only(place(tmp_path)).site == site_of_running(base)


def site_of_running(base: Path) -> Path:
    return base / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


@pytest.mark.parametrize("condabin", [False, True])
def test_a_conda_on_the_path_is_found_through_links(tmp_path: Path, *, condabin: bool) -> None:
    base = stand_in(tmp_path / "somewhere")
    on_path(base, tmp_path / "bin", condabin=condabin)
    assert only(place(tmp_path)).prefix == base


def test_a_conda_that_is_a_shell_function_is_found_by_its_variable_or_its_folder(
    tmp_path: Path,
) -> None:
    base = stand_in(tmp_path / "somewhere")
    on_path(base, tmp_path / "elsewhere")
    assert find(place(tmp_path)) == []
    assert only(place(tmp_path, {"CONDA_EXE": f"{base}/bin/conda"})).prefix == base
    assert only(place(tmp_path, {"CONDA_ROOT": str(base)})).prefix == base
    stand_in(tmp_path / "home" / "mambaforge")
    assert only(place(tmp_path)).prefix == tmp_path / "home" / "mambaforge"


def test_a_base_that_conda_remembers_is_found_and_its_environments_are_not(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "scratch" / "forge")
    (base / "condabin").mkdir()
    other = stand_in(tmp_path / "scratch" / "forge" / "envs" / "one")
    where = place(tmp_path)
    listed = where.home / ".conda" / "environments.txt"
    listed.parent.mkdir()
    listed.write_text(f"{other}\n\n{base}\n/no/such\n")
    assert only(where).prefix == base
    listed.write_bytes(b"\xff\n")
    assert find(where) == []


def test_the_one_of_the_path_comes_first_and_none_comes_twice(tmp_path: Path) -> None:
    first, second = stand_in(tmp_path / "a"), stand_in(tmp_path / "home" / "miniforge3")
    on_path(first, tmp_path / "bin")
    (tmp_path / "home" / "miniconda3").symlink_to(second)
    env = {"CONDA_ROOT": f"{first}/../a"}
    assert [base.prefix for base in find(place(tmp_path, env))] == [first, second]


def test_a_named_base_is_the_only_one(tmp_path: Path) -> None:
    stand_in(tmp_path / "home" / "miniforge3")
    other = stand_in(tmp_path / "other")
    assert only(place(tmp_path, {"HEADRACE_CONDA_BASE": str(other)})).prefix == other
    assert find(place(tmp_path, {"HEADRACE_CONDA_BASE": "/nowhere"})) == []


def test_a_python_without_conda_and_a_folder_without_python_are_no_bases(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "home" / "miniforge3")
    (site_of(base) / "conda-26.7.0.dist-info").rename(tmp_path / "gone")
    (tmp_path / "home" / "miniconda3").mkdir()
    assert find(place(tmp_path)) == []


def test_a_base_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = stand_in(tmp_path / "home" / "miniforge3", hidden=True)
    assert only(place(tmp_path)).prefix == base
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    assert only(place(tmp_path)).prefix == base


def test_conda_is_asked_with_the_users_environment_and_without_plugins(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "home" / "miniforge3", answers={"info": {"x": 1}})
    main = site_of(base) / "conda" / "__main__.py"
    main.write_text(
        "import json, os\nnames = ('CONDA_NO_PLUGINS', 'CONDA_OVERRIDE_CUDA')\n"
        "print(json.dumps([os.environ.get(n) for n in names]))"
    )
    where = place(tmp_path, {"CONDA_OVERRIDE_CUDA": "12.4"})
    found = only(where)
    assert bases.ask_conda(found, ["info"], where) == ["true", "12.4"]
    assert bases.ask_conda(found, ["info"], where, plugins=True) == [None, "12.4"]


def test_what_an_erring_conda_prints_is_heard_and_a_mute_one_gives_nothing(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "home" / "miniforge3")
    main = site_of(base) / "conda" / "__main__.py"
    found = only(place(tmp_path))
    main.write_text(f"print({json.dumps(json.dumps({'error': 'no'}))}); raise SystemExit(1)")
    assert bases.ask_conda(found, ["x"], place(tmp_path)) == {"error": "no"}
    main.write_text("print('Traceback')")
    assert bases.ask_conda(found, ["x"], place(tmp_path)) is None
    main.write_text("import time; time.sleep(60)")
    assert bases.ask_conda(found, ["x"], place(tmp_path), patience=0.3) is None


@pytest.mark.parametrize("after", ["child.wait()", "sys.exit()", "os.kill(os.getpid(), 9)"])
def test_a_conda_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    base = stand_in(tmp_path / "home" / "miniforge3")
    pid = tmp_path / "pid"
    # The child holds the pipe that is read, as conda's own look at the driver does.
    (site_of(base) / "conda" / "__main__.py").write_text(
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"with open({str(pid)!r}, 'w') as file:\n"
        "    file.write(f'{child.pid}.')\n"
        f"{after}\n"
    )

    def late(_: subprocess.Popen[str], **__: object) -> tuple[str, str]:
        until(lambda: pid.exists() and pid.read_text().endswith("."))
        raise subprocess.TimeoutExpired("conda", 1)

    found = only(place(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(subprocess.Popen, "communicate", late)
        assert bases.ask_conda(found, ["x"], place(tmp_path)) is None
    child = int(pid.read_text().removesuffix("."))
    until(lambda: not runs(child), lambda: child)


def runs(pid: int) -> bool:
    """Whether a process is there, and not only its end is left for somebody to read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("name", ["HEADRACE_HOME", "HEADRACE_CONFIG"])
def test_the_command_in_files_finds_the_same_folders_from_any_shell(
    tmp_path: Path, name: str
) -> None:
    plain = bases.command(place(tmp_path))
    assert Path(plain[0]).is_absolute()
    there = bases.command(place(tmp_path, {name: "/some where"}))
    assert there == ["/usr/bin/env", f"{name}=/some where", *plain]
