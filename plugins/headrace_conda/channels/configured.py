"""Which hosts conda's channels are on, by conda's own configuration. Pure.

conda resolves a name by ``custom_channels``, ``custom_multichannels`` and ``default_channels``, and
puts what is left behind ``channel_alias``; a URL stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.interface import CATALOGUE, DiscoveredOrigin, Origin
from headrace_conda.channels import known, paths

__all__ = ["kept_beside", "known_origins", "origins", "urls"]


def urls(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give each channel's URL, and the setting that it comes from."""
    yield _url(settings.get("channel_alias")), "channel_alias"
    custom = settings.get("custom_channels")
    for name, channel in custom.items() if isinstance(custom, dict) else ():
        url = _url(channel)
        # As conda parsed it the name is in it; as it is written it is not.
        yield url if isinstance(channel, dict) else f"{url.rstrip('/')}/{name}", "custom_channels"
    for channel in _list(settings.get("default_channels")):
        yield _url(channel), "default_channels"
    groups = settings.get("custom_multichannels")
    for members in groups.values() if isinstance(groups, dict) else ():
        for channel in _list(members):
            yield _url(channel), "custom_multichannels"
    for channel in _list(settings.get("channels")):
        yield _url(channel), "channels"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _url(channel: Any) -> str:
    """Return a channel's URL from what conda shows of it: text, or the text in its parts."""
    if not isinstance(channel, dict):
        return str(channel or "")
    if not channel.get("location"):
        return ""  # a name that conda could not place
    user = f"{channel['auth']}@" if channel.get("auth") else ""
    token = f"/t/{channel['token']}" if channel.get("token") else ""
    name = f"/{channel['name']}" if channel.get("name") else "/" * bool(token)
    return f"{channel.get('scheme') or 'https'}://{user}{channel['location']}{token}{name}"


def origins(settings: Mapping[str, Any]) -> Sequence[DiscoveredOrigin]:
    """Return each host once; those of the catalogue too, for channels that are named by URL."""
    surroundings, authorities = _surroundings(settings), _authorities(settings)
    found: dict[str, DiscoveredOrigin] = {}
    for url, where in urls(settings):
        named = paths.authority(url)
        if named is None:
            continue  # a name, a folder of this machine, or somebody's secret
        public = known.is_public(url)
        # Of several channels on a host one that is known makes the host public.
        if named not in found or (public and not found[named].fronted):
            found[named] = DiscoveredOrigin(
                Origin("conda", paths.origin_url(named), private=not public, name=named),
                where=f"conda's {where}",
                surroundings=surroundings,
                authorities=authorities,
                fronted=public,
            )
    for each in known_origins():
        found.setdefault(each.origin.name, replace(each, authorities=authorities))
    return list(found.values())


def known_origins() -> Sequence[DiscoveredOrigin]:
    """Return the origins of the catalogue."""
    return [
        DiscoveredOrigin(Origin("conda", paths.origin_url(named), name=named), where=CATALOGUE)
        for named in known.origin_names()
    ]


def kept_beside(settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a setting of conda's that the gateway cannot take over, and why; None: there is none.

    Authorities (``ssl_verify`` with a file) and proxies go along.
    """
    if settings.get("ssl_verify") is False:
        return "ssl_verify", "is off: conda checks no certificate, and the gateway does"
    if settings.get("client_ssl_cert"):
        return "client_ssl_cert", "names a client certificate, which the gateway does not have"
    return None


def _authorities(settings: Mapping[str, Any]) -> str:
    """Return the file, or folder, that ``ssl_verify`` names."""
    verify = settings.get("ssl_verify")
    return verify if isinstance(verify, str) and "/" in verify.replace("\\", "/") else ""


def _surroundings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return conda's own proxies as the variables that the gateway obeys."""
    told: dict[str, str] = {}
    proxies = settings.get("proxy_servers")
    for scheme, url in proxies.items() if isinstance(proxies, dict) else ():
        if scheme in ("http", "https") and url:
            told[f"{scheme.upper()}_PROXY"] = str(url)
    return told
