"""conda, as people have it, with a home and a package cache of its own for each run."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from benchmarks.corpus import Channel
from benchmarks.stage import Outcome, Stage, digest_of, scratch

__all__ = ["NO_BASE", "Base", "How", "base", "create"]

How = Literal["download", "primed", "link"]
"""To the packages in the cache, unpacked (``--download-only``); so too, with the index in conda's
own cache, since it solved the same before, untimed and without a gateway; to the environment.
"""

NO_BASE = (
    "no conda here: none named by HEADRACE_TEST_CONDA, on PATH, in /opt/conda*, ~/miniforge3, "
    "~/miniconda3"
)
_PLUGINS = Path(__file__).parents[2] / "plugins"
_INSIDE = "headrace_conda_inside"


@dataclass(frozen=True, slots=True)
class Base:
    """An installed conda."""

    python: Path
    version: str
    solver: str
    """The best that it has."""


@functools.cache
def base() -> Base | None:
    """Give this machine's conda; None where there is none, for `NO_BASE`'s reason."""
    for root in _places():
        for lib in root.glob("lib/python*/site-packages"):
            for info in lib.glob("conda-*.dist-info"):
                version = info.name.removeprefix("conda-").removesuffix(".dist-info")
                return Base(root / "bin" / "python", version, _solver(lib))
    return None


def _places() -> Iterator[Path]:
    if named := os.environ.get("HEADRACE_TEST_CONDA"):
        yield from map(Path, named.split(os.pathsep))
        return
    if script := shutil.which("conda"):
        # BASE/bin/conda or BASE/condabin/conda.
        yield Path(script).resolve().parent.parent
    yield from sorted(Path("/opt").glob("conda*"))
    yield from (Path.home() / "miniforge3", Path.home() / "miniconda3")


def _solver(lib: Path) -> str:
    for solver in ("rattler", "libmamba"):
        if (lib / f"conda_{solver}_solver").exists():
            return solver
    return "classic"


def create(
    stage: Stage,
    contender: str,
    url: str,
    channel: Channel,
    *,
    gateway: str = "",
    how: How = "download",
) -> Outcome:
    """``conda create`` of the channel's first package and all that it needs.

    With a `gateway` conda has headrace's plugin, as ``headrace on`` sets it up.
    """
    conda = base()
    assert conda is not None, NO_BASE
    with scratch() as home:
        words = [str(conda.python), "-m", "conda", "create", "--yes", "--quiet", "--name", "lab"]
        words += ["--override-channels", "--channel", url]
        words.append(channel.packages[0].name)
        if how == "primed":
            variables = _settings(stage, home, conda, url, "")
            stage.run("priming", [*words, "--dry-run"], home, **variables)
        words += [] if how == "link" else ["--download-only"]
        variables = _settings(stage, home, conda, url, gateway)
        outcome = stage.run(contender, words, home, **variables)
        outcome.detail.update(conda=conda.version, solver=conda.solver)
        cache = home / "pkgs"
        right = all(digest_of(cache / p.filename) == p.sha256 for p in channel.packages)
        if how == "link":
            names = {p.name for p in channel.packages}
            right = right and all(
                (home / "envs" / "lab" / "share" / name / "payload.bin").is_file() for name in names
            )
        return replace(outcome, right=right)


def _settings(stage: Stage, home: Path, conda: Base, url: str, gateway: str) -> dict[str, str]:
    """Write the settings; give the variables that keep this machine's own away."""
    settings: dict[str, object] = {"solver": conda.solver}
    if url.startswith("https:"):
        settings["ssl_verify"] = str(stage.authority)
    variables = {
        "TMPDIR": str(home / "tmp"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        # Where the base's own condarc is looked for.
        "CONDA_ROOT": str(home / "root"),
        "CONDA_PKGS_DIRS": str(home / "pkgs"),
        "CONDA_ENVS_PATH": str(home / "envs"),
        "CONDA_REPORT_ERRORS": "false",
        "CONDA_NOTIFY_OUTDATED_CONDA": "false",
    }
    (home / "tmp").mkdir(exist_ok=True)
    if gateway:
        # The host and not the channel, as `headrace on` writes it: conda looks for the session of
        # shards by the channel's bare URL, which a pattern below that URL does not fit.
        origin = urlsplit(url)
        pattern = f"{origin.scheme}://{origin.netloc}/*"
        settings["channel_settings"] = [{"channel": pattern, "auth": "headrace"}]
        settings["proxy_servers"] = {"http://127.0.0.1": ""}
        settings["plugins"] = {"headrace_gateway": gateway}
        variables["PYTHONPATH"] = _plugin(home / "plugins")
    # JSON's strings, lists and mappings are YAML's too.
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in settings.items()]
    (home / ".condarc").write_text("".join(lines))
    return variables


def _plugin(folder: Path) -> str:
    """Make conda find the plugin of this tree; give its search path."""
    info = folder / "headrace_of_this_tree-1.0.dist-info"
    info.mkdir(parents=True)
    described = "Metadata-Version: 2.1\nName: headrace-of-this-tree\nVersion: 1.0\n"
    (info / "METADATA").write_text(described)
    (info / "entry_points.txt").write_text(f"[conda]\nheadrace = {_INSIDE}\n")
    # Alone: conda's base must not see what else is in that folder.
    (folder / _INSIDE).symlink_to(_PLUGINS / _INSIDE)
    return str(folder)
