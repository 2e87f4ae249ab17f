"""What uv has beside its index (uv's reference of settings and variables, 0.4 to 0.13): proxies of
its own, hosts that are not checked, properties and logins of a named index, a client certificate,
and a wish to have the index written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import ConfigurationError, Place, Reader, Scope
from headrace.interface.editing import loopback, toml_text
from headrace_pip.tools import uv_config
from headrace_pip.tools.beside.reasons import Reason, insecure_host, is_true, variables
from headrace_pip.tools.uv_config import Settings

__all__ = ["login", "proxy", "reasons", "writes_down"]

#: Of a default index nothing but these goes along: a flat index, a wish to send the login at once,
#: errors to be passed over, are lost where another URL takes its place.
_PLAIN = {"name", "url", "default", "publish-url"}


def reasons(place: Place, read: Reader, origin: Callable[[], str]) -> Iterator[Reason | None]:
    """Give each reason for leaving uv as it is."""
    documents = list(uv_config.user_settings(place, read))
    if place.command:
        documents[:0] = uv_config.project_settings(place, read)
    yield variables(
        place.environment,
        ("SSL_CLIENT_CERT",),
        "names a client certificate, which the gateway does not have",
    )
    hosts = place.environment.get("UV_INSECURE_HOST", "").split()
    if hosts:
        yield insecure_host(origin(), hosts, "UV_INSECURE_HOST", "it")
    yield proxy(documents)
    for path, settings in documents:
        yield from _of_file(str(path), settings, origin)
        # `run` has `uv pip compile` ask the user's own index.
        if (key := writes_down(settings)) and not place.command:
            what = f"says {key}: uv pip compile would write the gateway down in the index's place"
            hint = f"take {key} out; `headrace run -- uv pip …` leads uv meanwhile"
            yield Reason(str(path), what, hint)
    yield from _stored(place, read, origin)


def _of_file(where: str, settings: Settings, origin: Callable[[], str]) -> Iterator[Reason | None]:
    for key in ("allow-insecure-host", "trusted-host"):
        if hosts := [*_list(settings.get(key)), *_list(_pip(settings).get(key))]:
            yield insecure_host(origin(), hosts, where, key)
    if is_true(settings.get("no-index")) or is_true(_pip(settings).get("no-index")):
        yield Reason(where, "says no-index: uv asks no index at all", "as you wish")
    table = uv_config.default_table(settings)
    if more := sorted(set(table) - _PLAIN):
        what = f"has {', '.join(more)} for its default index, which would be lost beside ours"
        yield Reason(where, what, "nothing to do")


def writes_down(settings: Settings) -> str | None:
    """Return the setting by which ``uv pip compile`` writes the index into what it makes."""
    keys = ("emit-index-url", "emit-index-annotation")
    return next((key for key in keys if is_true(_pip(settings).get(key))), None)


def proxy(documents: Sequence[tuple[Path, Settings]]) -> Reason | None:
    """Say that a file's own proxy would get the requests for the gateway.

    The environment's NO_PROXY does not except what a file sends to a proxy (uv 0.13).
    """
    lists = (_list(settings.get("no-proxy")) for _, settings in documents)
    names = ",".join(str(name) for names in lists for name in names)
    if loopback.excepted(names.split(","), loopback.REQWEST):
        return None
    for path, settings in documents:
        if settings.get("http-proxy"):
            what = "sets http-proxy, which would get uv's requests for the gateway"
            hint = 'add no-proxy = ["127.0.0.1"] beside it, then `headrace on` again'
            return Reason(str(path), what, hint)
    return None


def login(place: Place, read: Reader) -> tuple[str, str] | None:
    """Return the login that variables have for the default index, by its name."""
    documents = list(uv_config.user_settings(place, read))
    if place.command:
        documents[:0] = uv_config.project_settings(place, read)
    for _, settings in documents:
        name = uv_config.default_table(settings).get("name")
        if isinstance(name, str) and name:
            stem = "UV_INDEX_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()
            user = place.environment.get(f"{stem}_USERNAME", "")
            secret = place.environment.get(f"{stem}_PASSWORD", "")
            return (user, secret) if user or secret else None
    return None


def _stored(place: Place, read: Reader, origin: Callable[[], str]) -> Iterator[Reason | None]:
    """Look for a login that `uv auth login` keeps, which uv would offer to the origin alone."""
    if place.scope is Scope.SYSTEM:
        return
    path = uv_config.credentials_file(place)
    try:
        content = read(path)
        entries = toml_text.load(content, path).get("credential") if content else None
    except ConfigurationError:
        return
    services = [str(each.get("service")) for each in _list(entries) if isinstance(each, dict)]
    if services and _host(origin()) in {_host(each) for each in services}:
        what = f"has a login for {_host(origin())}, which uv gives to no gateway"
        yield Reason(str(path), what, "put it into netrc or keyring, which the gateway asks too")


def _host(url: str) -> str:
    return urlsplit(url if "://" in url else f"https://{url}").netloc.rpartition("@")[2].lower()


def _pip(settings: Settings) -> Mapping[str, Any]:
    pip = settings.get("pip")
    return pip if isinstance(pip, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
