"""Bases of conda that a test may write into: a stand-in of a few lines, or a real conda's packages
behind a virtual environment of the test's own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

from headrace.interface.hookspecs import Place, Scope
from lib.conda.clients import Base
from lib.places import place
from lib.waiting import HANG

__all__ = ["at", "on_path", "site_of", "stand_in", "throw_away"]

_MAIN = """
import json, sys
from pathlib import Path
heard = Path(sys.prefix, "heard.txt")
with heard.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
answers = json.loads(Path(sys.prefix, "answers.json").read_text())
print(json.dumps(answers.get(next((w for w in sys.argv[1:] if not w.startswith("-")), ""), {})))
"""


def site_of(prefix: Path) -> Path:
    """Return the folder of packages of an environment on this system."""
    (found,) = [*prefix.glob("lib/python3*/site-packages"), *prefix.glob("Lib/site-packages")]
    return found


def _distribution(site: Path, name: str, version: str) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def stand_in(
    prefix: Path,
    version: str = "26.7.0",
    *,
    has_headrace: bool = False,
    answers: Mapping[str, object] | None = None,
    hidden: bool = False,
) -> Path:
    """Make a base whose ``conda`` prints the JSON of `answers`, by command; ``heard.txt`` in it
    tells what it was asked. `hidden`: its packages lie elsewhere, so that Python must be asked.
    """
    venv.EnvBuilder(symlinks=os.name != "nt", with_pip=False).create(prefix)
    site = site_of(prefix)
    where = site
    if hidden:
        where = prefix / "elsewhere"
        where.mkdir()
        (site / "elsewhere.pth").write_text(f"{where}\n")
    (where / "conda").mkdir()
    (where / "conda" / "__init__.py").write_text("")
    (where / "conda" / "__main__.py").write_text(_MAIN)
    _distribution(where, "conda", version)
    if has_headrace:
        _distribution(where, "headrace", "0.1.0")
    (prefix / "answers.json").write_text(json.dumps(dict(answers or {})))
    return prefix


def on_path(prefix: Path, bin_folder: Path, *, condabin: bool = False) -> None:
    """Make ``conda`` of a base findable: a link to it, as many have one in ~/bin."""
    script = prefix / ("condabin" if condabin else "bin") / "conda"
    script.parent.mkdir(exist_ok=True)
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    bin_folder.mkdir(parents=True, exist_ok=True)
    (bin_folder / "conda").symlink_to(script)


def throw_away(prefix: Path, base: Base, *, headrace: bool = False) -> Base:
    """Make a base of the test's own with the packages of a real one: nothing that is written into
    it reaches the real one. `headrace`: the wheel under test is installed in it too.
    """
    command = [str(base.python), "-m", "venv", "--without-pip", str(prefix)]
    subprocess.run(command, check=True, capture_output=True, timeout=HANG)
    site = site_of(prefix)
    lines = [str(site_of(base.root))]
    if headrace:
        # What headrace needs; after conda's own.
        lines.append(str(site_of(Path(sys.prefix))))
    (site / "real.pth").write_text("".join(f"{line}\n" for line in lines))
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").write_text("")
    script = prefix / "bin" / "conda"
    # As installers write it: its processes are started anew from it, and must not be conda.
    script.write_text(
        f"#!{prefix}/bin/python\nimport sys\nfrom conda.cli import main\n"
        "if __name__ == '__main__':\n    sys.exit(main())\n"
    )
    script.chmod(0o755)
    (prefix / "condabin").mkdir()
    shutil.copy(script, prefix / "condabin" / "conda")
    return dataclasses.replace(base, root=prefix)


def at(
    tmp_path: Path,
    *prefixes: Path,
    scope: Scope = Scope.USER,
    command: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
) -> Place:
    """A place with these bases and no other, headrace's own folders below it too."""
    named = ":".join(map(str, prefixes)) or str(tmp_path / "none")
    fixed = {"HEADRACE_CONDA_BASE": named, "HEADRACE_HOME": str(tmp_path / "headrace")}
    return place(tmp_path, {**fixed, **(env or {})}, scope=scope, command=command)
