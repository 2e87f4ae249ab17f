"""Real pip and uv in pinned versions, in clean environments of their own.

The tools come once from the index that this machine's pip uses, and stay in a folder
(HEADRACE_TEST_CACHE, else ~/.cache/headrace-tests). A test whose tool cannot be had is skipped
with the reason.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headrace.system.locks import locked
from lib.capabilities import lacks
from lib.waiting import HANG

PIPS = ("23.2.1", "24.3.1", "25.1.1", "25.3", "26.3")
UVS = ("0.6.17", "0.9.30", "0.12.14", "0.13.9")


ALL = os.environ.get("HEADRACE_TEST_CLIENTS", "fast") == "all"
"""Every version is to be tried; else the oldest and the newest."""


def chosen(versions: tuple[str, ...]) -> tuple[str, ...]:
    """Give the versions that HEADRACE_TEST_CLIENTS asks for."""
    return versions if ALL else (versions[0], versions[-1])


def cache() -> Path:
    """Give the folder where the tools stay."""
    named = os.environ.get("HEADRACE_TEST_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "headrace-tests"


class UnavailableError(Exception):
    """A tool that is not on this machine cannot be brought from the index."""

    def __init__(self, what: str, cause: object) -> None:
        text = getattr(cause, "stderr", None) or cause
        super().__init__(f"{what} cannot be had: {str(text).strip()[-200:]}")


def tool(project: str, version: str) -> Path:
    """Give the folder with an unpacked wheel of a tool, or skip the test."""
    try:
        return fetched(project, version)
    except UnavailableError as error:
        pytest.skip(lacks("index", str(error)))


def fetched(project: str, version: str) -> Path:
    """Give the folder with an unpacked wheel of a tool, fetching it when it is not there yet."""
    place = cache() / f"{project}-{version}"
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch]
        command += ["--only-binary", ":all:", f"{project}=={version}"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG)
        except (subprocess.SubprocessError, OSError) as error:
            raise UnavailableError(f"{project} {version}", error) from error
        (wheel,) = Path(scratch).glob("*.whl")
        unpacked = Path(scratch) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        (unpacked / "bin").mkdir()
        for binary in unpacked.glob("*.data/scripts/*"):
            binary.chmod(0o755)
            shutil.move(binary, unpacked / "bin")
        if project == "pip":
            compileall.compile_dir(unpacked, quiet=2)
        try:
            unpacked.rename(place)
        except OSError:
            # Another run of the tests was first.
            if not place.exists():
                raise
    return place


def installed(project: str, version: str, *beside: str, program_name: str = "") -> Path:
    """Give the program of a tool that needs others, from an environment of its own that stays; or
    skip the test. `beside` narrows what it needs; the program is called as the project is, unless
    said.
    """
    place = cache() / f"{project}-{version}-installed"
    program = place / ("Scripts" if os.name == "nt" else "bin") / (program_name or project)
    if not program.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.with_suffix(".lock")):
            if not program.exists():
                shutil.rmtree(place, ignore_errors=True)
                venv.EnvBuilder(with_pip=True).create(place)
                python = program.with_name(f"python{program.suffix}")
                command: list[str | Path] = [
                    python,
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    f"{project}=={version}",
                    *beside,
                ]
                _install(command, f"{project} {version}")
    return program


def _install(command: list[str | Path], what: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(lacks("index", str(UnavailableError(what, error))))


@dataclass(frozen=True, slots=True)
class Result:
    """How a client ended."""

    command: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    def ok(self) -> Result:
        """Assert that it succeeded; gives itself."""
        assert self.code == 0, self.told()
        return self

    def failed(self) -> Result:
        """Assert that it failed; gives itself."""
        assert self.code != 0, self.told()
        return self

    def told(self) -> str:
        """Give all that it said, for a failing test."""
        return f"{' '.join(self.command)}: {self.code}\n{self.out[-4000:]}\n{self.err[-4000:]}"


@dataclass(slots=True)
class Environment:
    """A virtual environment without pip, and a home, that belong to one test."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        venv.EnvBuilder(symlinks=os.name != "nt", with_pip=False).create(self.root / "venv")
        home = self.root / "home"
        (home / "tmp").mkdir(parents=True)
        self.variables = {
            "PATH": f"{self.scripts}{os.pathsep}{os.defpath}",
            "HOME": str(home),
            "USERPROFILE": str(home),
            "TMPDIR": str(home / "tmp"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_DIRS": str(home / "no-system-wide-settings"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "VIRTUAL_ENV": str(self.root / "venv"),
            # A conda of this machine is nobody's here: `headrace on` would put its plugin there.
            "HEADRACE_CONDA_BASE": str(self.root / "no-conda"),
            # Who else may log in on the machine of these tests is not what they are about.
            "HEADRACE_ACCEPT_SHARED_PORT": "1",
        }

    @property
    def home(self) -> Path:
        """The test user's home."""
        return self.root / "home"

    @property
    def scripts(self) -> Path:
        """Where the environment's programs are."""
        return self.root / "venv" / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.scripts / ("python.exe" if os.name == "nt" else "python")

    @property
    def packages(self) -> Path:
        """The environment's site-packages."""
        lib = self.root / "venv" / "lib"
        here = lib / f"python{sys.version_info.major}.{sys.version_info.minor}"
        return (here if here.exists() else lib) / "site-packages"

    def write(self, relative: str, text: str) -> Path:
        """Write a file below the home."""
        path = self.home / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def holds(self, files: Mapping[str, bytes]) -> bool:
        """Say whether all these files are installed with exactly these bytes."""
        return all(
            (self.packages / name).is_file() and (self.packages / name).read_bytes() == data
            for name, data in files.items()
        )

    def distributions(self) -> set[str]:
        """Give the dist-info folders in site-packages."""
        return {p.name.removesuffix(".dist-info") for p in self.packages.glob("*.dist-info")}

    def run(
        self,
        *command: str | Path,
        timeout: float = HANG,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        """Run a program to its end in this environment and nothing else."""
        words = tuple(str(word) for word in command)
        started = time.monotonic()
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={**self.variables, **(env or {})},
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
        )
        return Result(words, done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def start(
        self, *command: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a program; the caller ends it (`with` waits)."""
        return subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**self.variables, **(env or {})},
            cwd=self.home,
        )


class Pip:
    """pip of one version, importable in a test's environment."""

    def __init__(self, version: str, environment: Environment) -> None:
        self.version = version
        self.environment = environment
        place = tool("pip", version)
        (environment.packages / "pip-of-the-test.pth").write_text(f"{place}\n", "utf-8")
        environment.variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        # Python 3.12 and later warn of what old pips do; that is not this test's business.
        environment.variables["PYTHONWARNINGS"] = "ignore"

    def point_at(self, index: str, *, more: str = "") -> None:
        """Write the user's pip.conf; empty keys switch off what the machine's own file names."""
        self.environment.write(
            ".config/pip/pip.conf",
            f"[global]\nindex-url = {index}\nextra-index-url =\nfind-links =\n{more}",
        )

    def command(self, *args: str) -> tuple[str, ...]:
        """Give the command line."""
        return (str(self.environment.python), "-m", "pip", *args)

    def run(
        self,
        *args: str,
        timeout: float = HANG,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        """Run pip."""
        return self.environment.run(*self.command(*args), timeout=timeout, env=env, cwd=cwd)

    def install(
        self, *what: str, timeout: float = HANG, env: Mapping[str, str] | None = None
    ) -> Result:
        """`pip install`, as plain as the user types it."""
        return self.run("install", *what, timeout=timeout, env=env)


class Uv:
    """uv of one version."""

    def __init__(self, version: str, environment: Environment) -> None:
        self.version = version
        self.environment = environment
        self.binary = tool("uv", version) / "bin" / ("uv.exe" if os.name == "nt" else "uv")
        environment.variables |= {
            "UV_CACHE_DIR": str(environment.home / "uv-cache"),
            "UV_PYTHON": str(environment.python),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
        }

    def point_at(self, index: str) -> None:
        """Write the user's uv.toml."""
        self.environment.write(".config/uv/uv.toml", f'[pip]\nindex-url = "{index}"\n')

    def run(
        self,
        *args: str,
        timeout: float = HANG,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        """Run uv."""
        return self.environment.run(self.binary, *args, timeout=timeout, env=env, cwd=cwd)

    def install(
        self, *what: str, timeout: float = HANG, env: Mapping[str, str] | None = None
    ) -> Result:
        """`uv pip install`."""
        return self.run("pip", "install", *what, timeout=timeout, env=env)


Installer = Pip | Uv
NAMES = (*(f"pip-{v}" for v in chosen(PIPS)), *(f"uv-{v}" for v in chosen(UVS)))
"""Every client that this run of the tests is about."""


def make_client(root: Path, name: str) -> Installer:
    """Make a client by its name in a new environment: ``pip-26.3``."""
    kind, _, version = name.partition("-")
    environment = Environment(root)
    return Pip(version, environment) if kind == "pip" else Uv(version, environment)
