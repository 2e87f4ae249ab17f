"""Hosts that the user has a login for, where conda, mamba, pixi and rattler-build keep logins.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace.interface import ConfigurationError, Logins, Place, Reader, hosts_of_secrets
from headrace_conda.tools import conda, mirror_table, rattler_settings
from headrace_conda.tools.pixi import PixiActivation
from headrace_conda.tools.rattler import RattlerActivation
from headrace_conda.tools.rattler_paths import config_folders

__all__ = ["BY_TOOL"]

#: conda and mamba put the token that a login brought before each channel of this host.
_TOKEN, _ITS_HOST = "https%3A%2F%2Fapi.anaconda.org.token", "conda.anaconda.org"


def of_conda(place: Place, read: Reader) -> Iterator[str]:
    """Name hosts of channels with a token or a password, and of a token of Anaconda's."""
    env, home = place.environment, place.home
    files = [home / ".condarc", home / ".conda" / ".condarc", home / ".conda" / "condarc"]
    files += [folder / "conda" / "condarc" for folder in config_folders(place)]
    files += conda.named_files(place)
    yield from _in_urls(files, read)
    own = [Path(env["BINSTAR_CONFIG_DIR"]) / "data"] if env.get("BINSTAR_CONFIG_DIR") else []
    own += [folder / "binstar" for folder in config_folders(place)]
    own += [
        home / ".local" / "share" / "binstar",
        home / ".continuum" / "anaconda-client" / "tokens",
    ]
    if any(read(folder / _TOKEN) for folder in own):
        yield _ITS_HOST


def of_mamba(place: Place, read: Reader) -> Iterator[str]:
    """Name those of conda's files, which it reads too, and of its own."""
    yield from of_conda(place, read)
    home = place.home
    files = [home / ".mambarc", *(f / "mamba" / "mambarc" for f in config_folders(place))]
    yield from _in_urls(files, read)
    store = read(home / ".mamba" / "auth" / "authentication.json")
    yield from (name.partition("/")[0] for name in rattler_settings.names_in_store(store))


def of_rattler(place: Place, read: Reader) -> Iterator[str]:
    """Name those of the store that pixi and rattler-build share, and of their files."""
    layers: list[mirror_table.Layer] = []
    for tool in (RattlerActivation(), PixiActivation()):
        for path in tool.files(place):
            try:
                layers += mirror_table.read_all([path], read)
            except ConfigurationError:
                continue  # the tool itself will say so
    for store in rattler_settings.stores(place, layers):
        yield from rattler_settings.names_in_store(read(store))
    here = place.working_directory
    project = (f / name for f in (here, *here.parents) for name in ("pixi.toml", "pyproject.toml"))
    yield from _in_urls([*(path for path, _ in layers), *project], read)


def _in_urls(paths: list[Path], read: Reader) -> Iterator[str]:
    for path in paths:
        yield from hosts_of_secrets((read(path) or b"").decode("utf-8", "replace"))


BY_TOOL: Mapping[str, Logins] = {"conda": of_conda, "mamba": of_mamba, "rattler": of_rattler}
