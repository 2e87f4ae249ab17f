"""What takes conda past the gateway, and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from headrace.interface import LocalError, Override, Place
from headrace_conda.channels import configured, known, paths
from headrace_conda.tools import bases
from headrace_conda.tools.bases import OLDEST

__all__ = ["of"]

_YES = ("1", "true", "yes", "on", "y")


def of(place: Place) -> list[Override]:
    """Look at the environment and at conda's own configuration."""
    found = bases.find(place)
    if not found:
        return []
    told = []
    if place.environment.get("CONDA_NO_PLUGINS", "").lower() in _YES:
        what = "conda loads no plugin, and so goes straight to its channels"
        told.append(Override("conda", "CONDA_NO_PLUGINS", what, "unset it"))
    for base in found:
        if base.version < OLDEST:
            what = f"has conda {'.'.join(map(str, base.version))}, which no plugin can lead"
            hint = f"`{base.prefix}/bin/conda update -n base conda`"
            told.append(Override("conda", str(base.prefix), what, hint, wins=False))
        elif not base.has_headrace and not base.writable:
            what = "may not be written in, so the plugin could not be put there"
            hint = f"`{base.prefix}/bin/python -m pip install headrace` by whoever owns it"
            told.append(Override("conda", str(base.prefix), what, hint, wins=False))
    try:
        settings = bases.configuration(found[0], place)
    except LocalError:
        return told
    if kept := configured.kept_beside(settings):
        hint = "`conda config --describe` says where it stands; conda goes on as before"
        told.append(Override("conda", f"conda's {kept[0]}", kept[1], hint))
    return [*told, *_handlers(settings), *_straight(settings)]


def _handlers(settings: Mapping[str, Any]) -> Iterator[Override]:
    """Tell of entries beside ours. Of several that fit a URL conda takes the last."""
    ours = False
    for entry in reversed(settings.get("channel_settings") or ()):
        if not isinstance(entry, dict):
            continue
        ours = ours or entry.get("auth") == "headrace"
        if not entry.get("auth"):
            what = f"{entry.get('channel')} has an entry that conda takes in place of headrace's"
            hint = "`auth: headrace` in it, or the entry in ~/.condarc, which is read earlier"
            if not ours:
                yield Override("conda", "channel_settings", what, hint, wins=False)
        elif entry["auth"] != "headrace":
            what = f"{entry.get('channel')} has an auth handler of its own, {entry['auth']}"
            hint = "nothing to do: its requests go where they went before"
            yield Override("conda", "channel_settings", what, hint, wins=False)


def _straight(settings: Mapping[str, Any]) -> Iterator[Override]:
    led = [
        str(entry.get("channel"))
        for entry in settings.get("channel_settings") or ()
        if isinstance(entry, dict) and entry.get("auth") == "headrace"
    ]
    told = set()
    for url, where in configured.urls(settings):
        if not url.startswith(("http://", "https://")):
            continue
        host = paths.authority(url)
        if host in told:
            continue
        told.add(host)
        public = known.is_public(url) or any(fnmatchcase(f"{url}/", each) for each in led)
        if host is None or not public:
            what = "a channel of your own: conda asks it itself, and no mirror hears of it"
            hint = "`public_origins` in the settings, if its names are no secret"
            yield Override("conda", f"conda's {where}", what, hint, wins=False)
        elif known.is_mirror(url):
            what = f"{host} is a mirror; its repodata is older than the origin's, and has no shards"
            hint = "the origin's own names do better with headrace: remove the mirror from condarc"
            yield Override("conda", f"conda's {where}", what, hint, wins=False)
