"""What every Python below `headrace run` reads first: seen in Pythons of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace_pip import at_start

FOLDER = Path(at_start.__file__).parent
SHOW = "import os, sys; print(os.environ['PIP_CONFIG_FILE'])\n"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    for name in ("pip.conf", "pip-for-lockers.conf"):
        (tmp_path / name).touch()
    return {
        "PATH": os.defpath,
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PYTHONPATH": os.pathsep.join((str(FOLDER), str(tmp_path))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def out(env: dict[str, str], *words: str) -> str:
    command = [sys.executable, *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


def test_whoever_imports_a_locker_is_led_past_and_nobody_else(
    env: dict[str, str], tmp_path: Path
) -> None:
    for name in ("piptools", "pipcompilemulti", "pip_deepfreeze", "pipenv", "piptoolsish"):
        (tmp_path / f"{name}.py").write_text(SHOW, "utf-8")
        led_past = out(env, "-m", name).endswith("pip-for-lockers.conf")
        assert led_past == (name != "piptoolsish")
        assert out(env, "-c", f"import {name}") == out(env, "-m", name)
    script = tmp_path / "pip-sync"
    script.write_text("import piptools\n", "utf-8")
    # What installs is led as pip is.
    assert out(env, str(script)) == out(env, "-m", "piptools", "sync") == env["PIP_CONFIG_FILE"]


def test_configuration_of_anybody_elses_stays(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "piptools.py").write_text(SHOW, "utf-8")
    (tmp_path / "pip-for-lockers.conf").unlink()
    assert out(env, "-m", "piptools") == env["PIP_CONFIG_FILE"]
    env["PIP_CONFIG_FILE"] = str(tmp_path / "own.conf")
    (tmp_path / "pip-for-lockers.conf").touch()
    assert out(env, "-m", "piptools") == env["PIP_CONFIG_FILE"]


def test_folder_is_not_seen_and_the_users_own_sitecustomize_runs(
    env: dict[str, str], tmp_path: Path
) -> None:
    show = "import sys, sitecustomize; print(sitecustomize.__file__, sys.path)"
    assert str(FOLDER) not in out(env, "-c", show).partition(" ")[2]
    own = tmp_path / "sitecustomize.py"
    own.write_text("import sys; sys.own = True\n", "utf-8")
    assert out(env, "-c", f"import sys; print(sys.own); {show}").startswith(f"True\n{own} ")
    own.write_text("import no_such_module\n", "utf-8")
    told = subprocess.run(
        [sys.executable, "-c", "print(1)"], env=env, capture_output=True, text=True, check=True
    )
    # As Python itself says it without us.
    assert "no_such_module" in told.stderr
    assert told.stdout == "1\n"


def test_runner_that_keeps_the_path_to_itself_hands_the_folder_on(
    env: dict[str, str], tmp_path: Path
) -> None:
    child = f"{sys.executable!r}, '-c', 'import sys; print(sys.meta_path[0])'"
    (tmp_path / "tox.py").write_text(
        "import os, subprocess\n"
        "env = {'PIP_CONFIG_FILE': os.environ['PIP_CONFIG_FILE']}\n"
        f"subprocess.run([{child}], env=env)\n"
        f"subprocess.run([{child}], env={{}})\n",
        "utf-8",
    )
    first, second = out(env, "-m", "tox").splitlines()
    assert "sitecustomize.Watch" in first
    assert "sitecustomize.Watch" not in second


def test_file_is_short_and_any_python_can_read_it() -> None:
    text = (FOLDER / "sitecustomize.py").read_text("utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) < 60
    assert text.isascii()
    assert [line for line in text.splitlines() if line.startswith(("import", "from"))] == [
        "import os",
        "import sys",
    ]
    assert sorted(path.name for path in FOLDER.glob("*.py")) == ["__init__.py", "sitecustomize.py"]
