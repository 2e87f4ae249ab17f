"""Installations of headrace in versions that there never were: this source, under other numbers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

import pytest

import headrace
from lib import wheels
from lib.capabilities import lacks
from lib.clients import Environment, Result

__all__ = ["Installation", "wheel_of"]

_PACKAGES = (
    *("headrace", "headrace_pip", "headrace_conda", "headrace_conda_inside", "headrace_docker"),
)


@cache
def wheel_of(version: str) -> wheels.Built:
    """Build the wheel of this source with another version, its programs and hooks."""
    try:
        points = importlib.metadata.distribution("headrace").read_text("entry_points.txt") or ""
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(lacks("packages", "headrace itself is not installed"))
    files = {f"headrace-{version}.dist-info/entry_points.txt": points.encode()}
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)  # to import one of them is conda's alone
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    own = files["headrace/__init__.py"].decode()
    mine = own.replace(f'"{headrace.__version__}"', f'"{version}"')
    assert mine != own
    files["headrace/__init__.py"] = mine.encode()
    return wheels.wheel("headrace", version, files=files)


class Installation:
    """An environment with some version of headrace; what that needs is the tests' own."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        venv.create(folder, with_pip=False)
        [packages] = folder.glob("lib/python*/site-packages")
        inherited = [each for each in sys.path if each.endswith(("site-packages", "dist-packages"))]
        # Only their folders: what their .pth files bring is the headrace of the tests.
        (packages / "of-the-tests.pth").write_text("\n".join(inherited) + "\n", "utf-8")
        self.packages = packages
        self.install(version)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def install(self, version: str) -> None:
        """Put a version there, in the place of the one that is there."""
        built = wheel_of(version)
        path = self.folder / built.name
        path.write_bytes(built.data)
        words = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-q"]
        words += ["--no-index", "--no-deps", "--force-reinstall", "--no-compile"]
        words += ["--disable-pip-version-check", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(self, environment: Environment, *words: str) -> Result:
        """Run its program as the user of an environment."""
        return environment.run(self.folder / "bin" / "headrace", *words, timeout=300)
