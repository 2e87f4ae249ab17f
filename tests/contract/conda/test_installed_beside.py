"""headrace installed into conda's own base: a plain conda goes through the gateway without
`headrace on`, and `headrace off` is respected.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.conda.bases import site_of, throw_away
from lib.conda.clients import Base, chosen_bases, find_bases, no_base
from lib.conda.user import User, ended
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

pytestmark = pytest.mark.skipif(not find_bases(), reason=no_base())

BASES = {base.version: base for base in chosen_bases()}
SOURCE = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what is published."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder)]
    done = subprocess.run(
        [*command, str(SOURCE)], capture_output=True, text=True, timeout=HANG, check=False
    )
    if done.returncode != 0:
        pytest.skip(lacks("index", f"no wheel can be built: {done.stderr.strip()[-200:]}"))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(params=BASES)
def user(request: pytest.FixtureRequest, tmp_path: Path, wheel: Path) -> Iterator[User]:
    real = BASES[str(request.param)]
    if _release(real) != sys.version_info[:2]:
        pytest.skip(lacks("conda", f"{real.root} has another Python than the tests"))
    with RecordingServer(name="origin") as origin:
        made = User(tmp_path / "user", real, origin)
        base = throw_away(tmp_path / "with-headrace", real, headrace=True)
        install = [sys.executable, "-m", "pip", "--python", str(base.python), "install", "-q"]
        subprocess.run(
            # What the test runs with is on its path too, and is not what is meant.
            [*install, "--no-deps", "--no-compile", "--ignore-installed", str(wheel)],
            check=True,
            capture_output=True,
        )
        # A command goes on without a gateway that takes 10 s to start; here it is to be seen start.
        waking = site_of(base.root) / "headrace_conda_inside" / "waking.py"
        source = waking.read_text("utf-8")
        assert "_START = 10.0" in source
        waking.write_text(source.replace("_START = 10.0", f"_START = {HANG}"), "utf-8")
        made.conda.base = base
        made.conda.variables |= {
            "PATH": f"{base.root / 'bin'}:/usr/bin:/bin",
            "CONDA_ROOT": str(base.root),
            "HEADRACE_ACCEPT_SHARED_PORT": "1",
            "HEADRACE_CONDA_BASE": str(base.root),
        }
        # The channel by its name, as the file beside headrace has it; shards have only URLs.
        made.conda.solver = "classic"
        made.conda.configure(channels=["conda-forge"], channel_alias=origin.url)
        try:
            yield made
        finally:
            beside(made, "off")
            beside(made, "gateway", "--stop")
            made.mirror.close()
    ended(tmp_path)


def _release(base: Base) -> tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    told = subprocess.run([base.python, "-c", code], capture_output=True, text=True, check=True)
    major, minor = told.stdout.split()
    return int(major), int(minor)


def beside(user: User, *words: str) -> str:
    """Run the headrace that is installed in the base."""
    return user.run(str(user.conda.base.root / "bin" / "headrace"), *words).out


def test_conda_works_without_on_and_off_is_respected(user: User) -> None:
    assert (user.conda.base.root / "condarc.d" / "headrace.yml").exists()
    before = user.files()
    result = user.conda.run("create", "-y", "-n", "env", "alpha").ok()
    assert "headrace" not in result.out + result.err
    user.assert_installed("env")
    user.assert_through()
    assert {path for path in set(user.files()) - set(before) if "pycache" not in path} == set()

    told = user.conda.run("headrace", "status").ok().out
    assert f"gateway  up at http://127.0.0.1:{user.port}/" in told
    assert user.row()["state"] == "routed"

    assert "off" in beside(user, "off")
    user.anew()
    result = user.conda.run("create", "-y", "-n", "env", "alpha").ok()
    assert "headrace" not in result.out + result.err
    user.assert_past()

    beside(user, "on")
    user.anew()
    user.conda.run("create", "-y", "-n", "env", "alpha").ok()
    user.assert_through(stored=True)


def test_commands_that_download_nothing_start_no_gateway(user: User) -> None:
    for words in (("info",), ("list", "-n", "base"), ("config", "--show"), ("env", "list")):
        user.conda.run(*words)
    user.conda.run("create", "-y", "-n", "env", "--offline")
    assert "off" in beside(user, "status").splitlines()[0]


def test_a_gateway_that_cannot_start_is_one_line_and_conda_goes_on(user: User) -> None:
    settings = user.root / "headrace" / "config" / "config.toml"
    settings.write_text("prot = 3\n")
    result = user.conda.run("create", "-y", "-n", "env", "alpha").ok()
    (line,) = [line for line in result.err.splitlines() if "headrace" in line]
    assert "conda goes straight to its channels" in line
    user.assert_past()
