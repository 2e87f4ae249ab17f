"""Hosts that the user has a login for, where uv, poetry, pdm, pipenv and pip keep logins. Pure.

A login stands in a URL, beside the name of an index, or in a store of the tool's own. Of a keyring
poetry and pdm write down for which index it has something, so nobody need ask it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import ConfigurationError, Logins, Place, Reader, hosts_of_secrets
from headrace.interface.editing import toml_text
from headrace_pip.tools import origins, pip_config, uv_config
from headrace_pip.tools.pdm import PdmActivation
from headrace_pip.tools.poetry import PoetryActivation

__all__ = ["BY_TOOL"]

#: ``UV_INDEX_COMPANY_USERNAME``: the index ``company``.
_OF_UV = re.compile(r"UV_INDEX_(.+)_(?:USERNAME|PASSWORD)")
_OF_POETRY = re.compile(r"POETRY_HTTP_BASIC_(.+)_(?:USERNAME|PASSWORD)")
_NO_LETTER = re.compile(r"[^A-Za-z0-9]")


def of_pip(place: Place, read: Reader) -> Iterator[str]:
    """Name hosts in URLs with a login in pip's files."""
    yield from _in_urls((each.path for each in pip_config.config_files(place)), read)


def of_uv(place: Place, read: Reader) -> Iterator[str]:
    """Name those of uv's files, of ``UV_INDEX_NAME_USERNAME``, and of ``uv auth login``."""
    found = [*uv_config.project_settings(place, read), *_of_user(place, read)]
    yield from _in_urls((path for path, _ in found), read)
    tables = [
        table
        for _, settings in found
        for table in _tables(settings.get("index"))
        if isinstance(table.get("url"), str)
    ]
    env = place.environment
    named = {str(table.get("name", "")): str(table["url"]) for table in tables}
    for variable in ("UV_INDEX", *uv_config.VARIABLES):
        named |= dict(_named(env.get(variable, "")))
    logins = {match[1] for name in env if (match := _OF_UV.fullmatch(name))}
    yield from _hosts(url for name, url in named.items() if _as_variable(name) in logins)
    yield from _hosts(str(t["url"]) for t in tables if t.get("authenticate") == "always")
    for table in _tables(_load(uv_config.credentials_file(place), read).get("credential")):
        yield from _hosts([str(table.get("service", ""))])


def _named(text: str) -> Iterator[tuple[str, str]]:
    """Yield each index of a variable of uv's that has a name before its URL."""
    for word in text.split():
        name, _, url = word.partition("=")
        if name and url.startswith(("http://", "https://")):
            yield name, url


def of_poetry(place: Place, read: Reader) -> Iterator[str]:
    """Name those of the sources that poetry has a login for."""
    file = PoetryActivation().file(place)
    stores = [file.with_name("auth.toml"), file] if file else []
    project = _nearest(place, read, "pyproject.toml")
    local = place.working_directory / "poetry.toml"
    yield from _in_urls([*stores, *project, local], read)
    env = place.environment
    logins = {match[1] for name in env if (match := _OF_POETRY.fullmatch(name))}
    for path in (*stores, local):
        logins |= {_as_variable(name) for name in _table(_load(path, read), "http-basic")}
    for path in project:
        for source in _tables(_table(_load(path, read), "tool", "poetry").get("source")):
            if _as_variable(str(source.get("name", ""))) in logins:
                yield from _hosts([str(source.get("url", ""))])
    if "PYPI" in logins:
        yield from _hosts([origins.default_index(place)])


def of_pdm(place: Place, read: Reader) -> Iterator[str]:
    """Name those of the sources that pdm has a login for."""
    files = [PdmActivation().file(place)]
    files += [place.working_directory / name for name in ("pdm.toml", ".pdm.toml")]
    project = _nearest(place, read, "pyproject.toml")
    yield from _in_urls([*files, *project], read)
    sources = {
        str(source.get("name", "")): str(source.get("url", ""))
        for path in project
        for source in _tables(_table(_load(path, read), "tool", "pdm").get("source"))
    }
    default = {"pypi": sources.get("pypi", "")}
    own = bool({"PDM_PYPI_USERNAME", "PDM_PYPI_PASSWORD"} & {*place.environment})
    for path in files:
        table = _table(_load(path, read), "pypi")
        default["pypi"] = str(table.get("url") or default["pypi"])
        own = own or _has_login(table)
        for name, each in table.items():
            if isinstance(each, dict) and _has_login(each):
                yield from _hosts([str(each.get("url") or sources.get(name, ""))])
    if own:
        yield from _hosts([default["pypi"] or origins.default_index(place)])


def of_pipenv(place: Place, read: Reader) -> Iterator[str]:
    """Name those of the sources in a Pipfile whose URL has a login, or a variable for one."""
    yield from _in_urls(_nearest(place, read, "Pipfile"), read)


# ---------------------------------------------------------------------- the same for all


def _of_user(place: Place, read: Reader) -> Sequence[tuple[Path, Mapping[str, Any]]]:
    try:
        return list(uv_config.user_settings(place, read))
    except ConfigurationError:
        return []  # uv itself will say so


def _in_urls(paths: Iterable[Path], read: Reader) -> Iterator[str]:
    for path in paths:
        yield from hosts_of_secrets((read(path) or b"").decode("utf-8", "replace"))


def _nearest(place: Place, read: Reader, name: str) -> list[Path]:
    here = place.working_directory
    paths = (folder / name for folder in (here, *here.parents))
    return [path for path in paths if read(path) is not None][:1]


def _load(path: Path, read: Reader) -> Mapping[str, Any]:
    try:
        return toml_text.load(read(path) or b"", path)
    except ConfigurationError:
        return {}  # the tool itself will say so


def _table(settings: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = settings.get(key)
        settings = value if isinstance(value, dict) else {}
    return settings


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _has_login(table: Mapping[str, Any]) -> bool:
    return bool(table.get("username") or table.get("password"))


def _hosts(urls: Iterable[str]) -> Iterator[str]:
    for url in urls:
        try:
            host = urlsplit(url if "://" in url else f"//{url}").hostname
        except ValueError:
            continue
        if host:
            yield host


def _as_variable(name: str) -> str:
    """Write the name of an index as variables have it."""
    return _NO_LETTER.sub("_", name).upper()


BY_TOOL: Mapping[str, Logins] = {
    "pdm": of_pdm,
    "pip": of_pip,
    "pipenv": of_pipenv,
    "poetry": of_poetry,
    "uv": of_uv,
}
