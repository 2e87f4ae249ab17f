"""A real conda for a machine that has none: a base made of what the Python index has.

conda's own project on the index ended long before conda had plugins. The wheel of conda-lock
carries a later conda for its own use, whole but for the scripts of shells and under another name.
Given its name back, with what it imports beside it, it is a conda like any that is installed in a
virtual environment: ``BASE/bin/python -m conda``, without ``conda activate`` and ``conda run``.
"""

from __future__ import annotations

import compileall
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from headrace.system.locks import locked
from lib.clients import UnavailableError, cache, fetched

__all__ = ["SAT_SOLVER", "VERSION", "base"]

VERSION = "24.7.1"
"""What the carrier carries."""
_NAME = f"conda {VERSION}"
_NEWEST_PYTHON = (3, 13)
_CARRIER = ("conda-lock", "4.0.3")
_CARRIED = "conda_lock/_vendor/conda"
_CHANGES = {
    # How the carrier wrote conda's own name, in code and in texts.
    "conda_lock._vendor.conda": "conda",
    "conda_lock.vendor.conda": "conda",
    # Python 3.13 has these functions no longer; they did no more than this.
    "logging._acquireLock()": "logging._lock.acquire()",
    "logging._releaseLock()": "logging._lock.release()",
}
SAT_SOLVER = "pysat"
"""What the classic solver is to use: its default must be compiled, which needs a compiler."""
_IMPORTED = (
    "archspec==0.2.7",
    "boltons==26.2.0",
    "conda-package-handling==2.6.0",
    "distro==1.9.0",
    "frozendict==2.5.1",
    "jsonpatch==1.48",
    "packaging==26.4",
    "platformdirs==4.14.8",
    "pluggy==1.7.0",
    "python-sat==1.9.dev24",
    "requests==2.34.2",
    "ruamel.yaml==0.18.17",
    "tqdm==4.70.1",
    "truststore==0.10.5",
    "zstandard==0.25.0",
)


@functools.cache
def base() -> Path:
    """Give the base's folder, making it when it is not there yet; raise `UnavailableError`."""
    if os.name == "nt":
        raise UnavailableError(_NAME, "a base of Windows is no virtual environment")
    if sys.version_info[:2] > _NEWEST_PYTHON:
        raise UnavailableError(_NAME, "it was tried with Python 3.11 to 3.13")
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    recipe = hashlib.sha256(repr((_CARRIER, _CHANGES, _IMPORTED)).encode()).hexdigest()[:8]
    place = cache() / f"conda-{VERSION}-python-{release}-{recipe}"
    place.parent.mkdir(parents=True, exist_ok=True)
    # Every process that collects tests comes here at the same time.
    with locked(place.with_name(f"{place.name}.lock")):
        if not (place / "bin" / "python").exists():
            # Of an interpreter that is no longer there, maybe.
            shutil.rmtree(place, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                made = Path(scratch) / "base"
                _make(made)
                try:
                    made.rename(place)
                except OSError:
                    # Another process was first, on a file system without locks.
                    if not place.exists():
                        raise
    return place


def _make(prefix: Path) -> None:
    carrier = fetched(*_CARRIER)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(prefix)
    python = prefix / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    try:
        subprocess.run(
            [*command, "--only-binary", ":all:", *_IMPORTED],
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise UnavailableError(_NAME, error) from error
    (site,) = prefix.glob("lib/python3*/site-packages")
    shutil.copytree(carrier / _CARRIED, site / "conda")
    for source in (site / "conda").rglob("*.py"):
        text = source.read_text("utf-8")
        for old, new in _CHANGES.items():
            text = text.replace(old, new)
        source.write_text(text, "utf-8")
    compileall.compile_dir(site / "conda", quiet=2)
    info = site / f"conda-{VERSION}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: conda\nVersion: {VERSION}\n")
    # By this folder conda knows an environment.
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").write_text("")
    told = subprocess.run(
        [python, "-m", "conda", "info"], capture_output=True, text=True, check=False
    )
    # All that it needs has come: this is the recipe's fault.
    assert f"conda version : {VERSION}" in told.stdout, told.stdout + told.stderr
