"""Real conda and py-rattler, each in a home of its own and with no setting of this machine.

conda is looked for where people have it, and driven as ``BASE/bin/python -m conda``; where nobody
has one it is made of what the Python index has. A test that needs one skips with `no_base`'s reason
where that fails too.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lib.capabilities import lacks
from lib.clients import ALL, Result, UnavailableError
from lib.conda import from_index
from lib.waiting import HANG

SOLVERS = {
    "rattler": "conda_rattler_solver",
    "libmamba": "conda_libmamba_solver",
    "classic": "conda",
}
"""Solvers, the best first, and the package of each."""


@dataclass(frozen=True, slots=True)
class Base:
    """An installed conda."""

    root: Path
    version: str
    sat_solver: str = ""
    """What its classic solver is to use; empty: its own choice."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return _python(self.root)

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(part) for part in self.version.split(".") if part.isdigit())

    @property
    def solvers(self) -> tuple[str, ...]:
        """The solvers that it has, the best first."""
        found = {module.name for lib in _packages(self.root) for module in lib.glob("conda*")}
        return tuple(solver for solver, module in SOLVERS.items() if module in found)


@functools.cache
def _search() -> tuple[tuple[Base, ...], str]:
    """Look for all condas, the newest first; with them why there is none, and what would help."""
    found: dict[Path, Base] = {}
    for place in _places():
        if place.exists() and place.resolve() not in found and (version := _version(place)):
            found[place.resolve()] = Base(place, version)
    why = f"no conda in {_named()}, which HEADRACE_TEST_CONDA names: a base has bin/python"
    if not _named() and (ALL or not found):
        try:
            made = from_index.base()
        except UnavailableError as error:
            why = (
                f"{error}; a conda of your own will do, on PATH, in /opt/conda*, ~/miniforge3, "
                "~/miniconda3, or named by HEADRACE_TEST_CONDA"
            )
        else:
            found[made] = Base(made, from_index.VERSION, from_index.SAT_SOLVER)
    return tuple(sorted(found.values(), key=lambda base: base.release, reverse=True)), why


def find_bases() -> tuple[Base, ...]:
    """Give all condas of this machine, the newest first; one that is named is the only one.

    That of the index is among them where there is no other, or where every client is to be tried.
    """
    return _search()[0]


def no_base() -> str:
    """Say why there is no conda, where there is none, and what would help."""
    return lacks("conda", _search()[1])


def find_base() -> Base | None:
    """Give the newest conda of this machine; None where there is none, for `no_base`'s reason."""
    return next(iter(find_bases()), None)


def chosen_bases() -> tuple[Base, ...]:
    """Give all condas where every client is to be tried, else the newest and the oldest."""
    found = find_bases()
    return found if ALL or len(found) < 3 else (found[0], found[-1])


def need_base() -> Base:
    """Give the newest conda, or skip the test."""
    base = find_base()
    if base is None:
        pytest.skip(no_base())
    return base


def _named() -> str:
    return os.environ.get("HEADRACE_TEST_CONDA", "")


def _places() -> Iterator[Path]:
    if named := _named():
        yield from (Path(place) for place in named.split(os.pathsep))
        return
    if script := shutil.which("conda"):
        # BASE/bin/conda or BASE/condabin/conda.
        yield Path(script).resolve().parent.parent
    yield from sorted(Path("/opt").glob("conda*"))
    yield from (Path.home() / "miniforge3", Path.home() / "miniconda3")


def _python(root: Path) -> Path:
    return root / "python.exe" if os.name == "nt" else root / "bin" / "python"


def _packages(root: Path) -> Iterator[Path]:
    for lib in ("lib/python*/site-packages", "Lib/site-packages"):
        yield from root.glob(lib)


def _version(root: Path) -> str:
    names = (info.name for lib in _packages(root) for info in lib.glob("conda-*.dist-info"))
    found = next(names, "") if _python(root).exists() else ""
    return found.removeprefix("conda-").removesuffix(".dist-info")


def _home(home: Path) -> dict[str, str]:
    """Make a home and give the variables that make programs use it and nothing else."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "TMPDIR": str(home / "tmp"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }


def _run(
    words: Sequence[str | Path], variables: Mapping[str, str], cwd: Path, timeout: float
) -> Result:
    command = tuple(str(word) for word in words)
    started = time.monotonic()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=dict(variables),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
    )
    return Result(command, done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def _digest(path: Path, home: Path) -> str:
    """Hash a file; where it speaks of its home, as if all homes had one name."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    data = path.read_bytes()
    if path.suffix in {".json", ".txt"} or path.name == "history":
        data = data.replace(str(home).encode(), b"HOME")
    return hashlib.sha256(data).hexdigest()


def _tree(root: Path, home: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): _digest(path, home)
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def _mentions(home: Path, text: str) -> list[str]:
    return [
        path.relative_to(home).as_posix()
        for path in sorted(home.rglob("*"))
        if path.is_file() and text.encode() in path.read_bytes()
    ]


# -------------------------------------------------------------- conda


@dataclass(slots=True)
class Conda:
    """A conda with a user of its own.

    A machine's own settings cannot reach it but those of /etc/conda and /var/lib/conda, which
    conda reads always and which only root can write.
    """

    base: Base
    home: Path
    solver: str = ""
    """Empty: the best that the base has."""
    variables: dict[str, str] = field(default_factory=dict)
    """The environment of every run; a test adds to it."""

    def __post_init__(self) -> None:
        """Make the home."""
        self.solver = self.solver or self.base.solvers[0]
        self.variables = {
            **_home(self.home),
            # Where the base's own condarc is looked for; not what conda takes for its base.
            "CONDA_ROOT": str(self.home / "root"),
            "CONDA_PKGS_DIRS": str(self.pkgs),
            "CONDA_ENVS_PATH": str(self.home / "envs"),
            "CONDA_REPORT_ERRORS": "false",
            "CONDA_NOTIFY_OUTDATED_CONDA": "false",
            **self.variables,
        }
        if self.base.sat_solver:
            self.variables["CONDA_SAT_SOLVER"] = self.base.sat_solver
        self.configure()

    @property
    def pkgs(self) -> Path:
        """The package cache."""
        return self.home / "pkgs"

    def prefix(self, env: str) -> Path:
        """Give an environment's folder."""
        return self.home / "envs" / env

    # ---------------------------------------------------------- settings

    def configure(
        self,
        *,
        channels: Sequence[str] = (),
        channel_alias: str = "",
        default_channels: Sequence[str] = (),
        ssl_verify: str | bool | None = None,
        proxy_servers: Mapping[str, str] | None = None,
        more: str = "",
    ) -> Path:
        """Write ~/.condarc anew; `more` are lines of YAML."""
        # JSON's strings, lists and mappings are YAML's too.
        settings: dict[str, object] = {"solver": self.solver}
        if channels:
            settings["channels"] = list(channels)
        if channel_alias:
            settings["channel_alias"] = channel_alias
        if default_channels:
            settings["default_channels"] = list(default_channels)
        if ssl_verify is not None:
            settings["ssl_verify"] = ssl_verify
        if proxy_servers:
            settings["proxy_servers"] = dict(proxy_servers)
        lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
        path = self.home / ".condarc"
        path.write_text("\n".join([*lines, more]) + "\n", "utf-8")
        return path

    def see_plugin(self, module: str, *paths: Path, name: str = "plugin-of-the-test") -> None:
        """Make conda load a plugin that is not installed in its base: `module` is imported from
        `paths` and stands in the entry-point group `conda` of a distribution called `name`.
        """
        folder = self.home / "plugins"
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        described = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(described, "utf-8")
        (info / "entry_points.txt").write_text(f"[conda]\n{name} = {module}\n", "utf-8")
        known = self.variables.get("PYTHONPATH", "").split(os.pathsep)
        wanted = [str(folder), *(str(path) for path in paths), *known]
        self.variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(p for p in wanted if p))

    # ---------------------------------------------------------- commands

    def command(self, *args: str) -> tuple[str, ...]:
        """Give the command line."""
        return (str(self.base.python), "-m", "conda", *args)

    def run(
        self, *args: str, timeout: float = HANG, env: Mapping[str, str] | None = None
    ) -> Result:
        """Run conda to its end."""
        return _run(self.command(*args), {**self.variables, **(env or {})}, self.home, timeout)

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start conda; the caller ends it (`with` waits)."""
        return subprocess.Popen(
            self.command(*args),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**self.variables, **(env or {})},
            cwd=self.home,
        )

    def create(
        self,
        env: str,
        *specs: str,
        channel: str | Sequence[str] = (),
        timeout: float = HANG,
        options: Sequence[str] = (),
    ) -> Result:
        """`conda create`; with the condarc's channels where none is given."""
        named = [channel] if isinstance(channel, str) else list(channel)
        channels = [word for each in named for word in ("-c", each)]
        over = ["--override-channels"] if named else []
        words = ("create", "-y", "-q", "-n", env, *over, *channels, *options, *specs)
        return self.run(*words, timeout=timeout)

    def install(
        self, env: str, *specs: str, channel: str | Sequence[str] = (), timeout: float = HANG
    ) -> Result:
        """`conda install`."""
        named = [channel] if isinstance(channel, str) else list(channel)
        channels = [word for each in named for word in ("-c", each)]
        over = ["--override-channels"] if named else []
        return self.run("install", "-y", "-q", "-n", env, *over, *channels, *specs, timeout=timeout)

    # ---------------------------------------------------------- what a user could commit or see

    def list_explicit(self, env: str, *options: str) -> list[str]:
        """Give the lines of `conda list --explicit`; `--sha256` and `--md5` are options."""
        told = self.run("list", "--explicit", "-n", env, *options).ok().out
        return [line for line in told.splitlines() if line and not line.startswith(("#", "@"))]

    def export(self, env: str, *options: str) -> str:
        """`conda env export`, without the key that names the folder."""
        told = self.run("env", "export", "-n", env, *options).ok().out
        # A long path stands on a line of its own.
        return re.sub(r"^prefix:.*\n( .*\n)*", "", told, flags=re.MULTILINE)

    def meta(self, env: str) -> dict[str, dict[str, Any]]:
        """Give conda's record of each installed package, by its name."""
        return _meta(self.prefix(env))

    def package_cache(self) -> dict[str, str]:
        """Hash every file of the package cache, by its path.

        Left out are `cache/`, which holds copies of documents under names made of their URL,
        beside the times of their arrival (`*.info.json`, `repodata_shards.db`), and `urls`, which
        is empty. `urls.txt` is in the order in which downloads ended: its lines are sorted.
        """
        found = {
            path: digest
            for path, digest in _tree(self.pkgs, self.home).items()
            if not path.startswith("cache/") and path != "urls"
        }
        urls = self.pkgs / "urls.txt"
        if "urls.txt" in found:
            lines = sorted(urls.read_text("utf-8").splitlines())
            found["urls.txt"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return found

    def mentions(self, text: str) -> list[str]:
        """List the files below the home that hold a text, such as the address of a gateway."""
        return _mentions(self.home, text)

    def prefix_tree(self, env: str) -> dict[str, str]:
        """Hash every file of an environment, by its path.

        Left out are `conda-meta/history` and `conda-meta/created_at`, which tell the time.
        """
        return _prefix_tree(self.prefix(env), self.home)


def _prefix_tree(prefix: Path, home: Path) -> dict[str, str]:
    volatile = {"conda-meta/history", "conda-meta/created_at"}
    return {path: told for path, told in _tree(prefix, home).items() if path not in volatile}


def _meta(prefix: Path) -> dict[str, dict[str, Any]]:
    records = [json.loads(p.read_bytes()) for p in sorted((prefix / "conda-meta").glob("*.json"))]
    return {record["name"]: record for record in records}


# -------------------------------------------------------------- py-rattler

_RATTLER = """
import asyncio, json, os, sys, traceback
from pathlib import Path
from rattler import Gateway, install, solve
from rattler.networking import Client, MirrorMiddleware, RetryMiddleware

asked = json.loads(sys.argv[1])


async def main():
    middlewares = [RetryMiddleware(asked["retries"])] if asked["retries"] else []
    if asked["mirrors"]:
        middlewares.append(MirrorMiddleware(asked["mirrors"]))
    client = Client(middlewares)
    gateway = Gateway(cache_dir=Path(asked["cache"], "repodata"), client=client)
    records = await solve(
        sources=asked["channels"],
        specs=asked["specs"],
        gateway=gateway,
        platforms=["linux-64", "noarch"],
    )
    await install(
        records,
        target_prefix=asked["prefix"],
        cache_dir=Path(asked["cache"], "pkgs"),
        client=client,
        show_progress=False,
    )
    print(json.dumps([str(record.url) for record in records]))


try:
    asyncio.run(main())
    code = 0
except Exception:
    traceback.print_exc()
    code = 1
sys.stdout.flush()
sys.stderr.flush()
# Its threads now and then crash an interpreter that takes itself down in an orderly way.
os._exit(code)
"""


@dataclass(slots=True)
class Rattler:
    """py-rattler, the library of pixi and of others, in a process and a home of its own."""

    home: Path
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """URL prefix to the prefixes that are tried in its place, as rattler's settings have them."""
    retries: int = 3
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the home."""
        self.variables = {**_home(self.home), **self.variables}

    def prefix(self, env: str) -> Path:
        """Give an environment's folder."""
        return self.home / "envs" / env

    def command(self, env: str, *specs: str, channel: str | Sequence[str]) -> tuple[str, ...]:
        """Give the command line that solves and installs, and prints the URLs of what it chose as
        a JSON list.
        """
        asked = {
            "channels": [channel] if isinstance(channel, str) else list(channel),
            "specs": specs,
            "mirrors": {key: list(value) for key, value in self.mirrors.items()},
            "retries": self.retries,
            "cache": str(self.home / "rattler"),
            "prefix": str(self.prefix(env)),
        }
        return (sys.executable, "-c", _RATTLER, json.dumps(asked))

    def create(
        self, env: str, *specs: str, channel: str | Sequence[str], timeout: float = HANG
    ) -> Result:
        """Solve and install."""
        words = self.command(env, *specs, channel=channel)
        return _run(words, self.variables, self.home, timeout)

    def meta(self, env: str) -> dict[str, dict[str, Any]]:
        """Give the record of each installed package, by its name."""
        return _meta(self.prefix(env))

    def prefix_tree(self, env: str) -> dict[str, str]:
        """Hash every file of an environment, by its path; see `Conda.prefix_tree`."""
        return _prefix_tree(self.prefix(env), self.home)

    def mentions(self, text: str) -> list[str]:
        """List the files below the home that hold a text, such as the address of a gateway."""
        return _mentions(self.home, text)
