"""The auth handler: a request for a public channel goes to the gateway, everything else as ever.

requests chooses the connection after the auth handler, so a changed URL is all that it takes.
conda goes on knowing the channel by its own URL, and so do its caches, records and lock files.
"""

from __future__ import annotations

import base64
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlsplit

from conda.base.context import context
from conda.gateways.connection.session import CondaHttpAuth
from conda.plugins.types import ChannelAuthBase

from headrace_conda_inside.settings import Gateway, gateway
from headrace_conda_inside.waking import answers

__all__ = ["PUBLIC", "Reroute"]

#: Channels that need nobody's token, by host: one that a login tool adds is left out for them.
PUBLIC = {
    "conda.anaconda.org": (
        "anaconda",
        "bioconda",
        "conda-forge",
        "fastai",
        "intel",
        "main",
        "msys2",
        "nvidia",
        "pytorch",
        "pytorch3d",
        "r",
        "rapidsai",
    ),
    "repo.anaconda.com": ("pkgs",),
}
#: What the gateway says for itself and not for the origin.
_ITS_OWN = (401, 403, 421)


class Reroute(ChannelAuthBase):
    """Called with each request of a session whose channel a ``channel_settings`` entry names."""

    def __init__(self, channel_name: str | None = None) -> None:
        """One for each channel and thread."""
        super().__init__(channel_name)
        self._others: dict[str, Any] = {}

    def __call__(self, request: Any) -> Any:
        """Let conda, or the user's own handler, do its part; then lead the request to us."""
        asked = str(request.url)
        other = self._users_own(asked)
        if other is not None:
            return other(request)
        request = CondaHttpAuth()(request)
        url = _without_needless_token(asked, request)
        way = gateway() if url and not context.offline else None
        path = _path(url) if url else None
        if way is None or path is None or not answers(way):
            return request
        kept = dict(request.headers)
        request.headers.pop("Authorization", None)
        if way.token:
            pair = base64.b64encode(f"headrace:{way.token}".encode()).decode("ascii")
            request.headers["Authorization"] = f"Basic {pair}"
        original, request.url = str(request.url), f"{way.url}{path}"
        request.register_hook("response", _Back(original, kept, way))
        return request

    def _users_own(self, url: str) -> Any:
        """Return the handler that the user's own ``channel_settings`` name for a URL."""
        name = ""
        parts = urlsplit(url)
        for entry in context.channel_settings:
            channel, auth = entry.get("channel", ""), (entry.get("auth") or "").strip()
            if not auth or auth == "headrace":
                continue
            pattern = urlsplit(channel)
            same = pattern.scheme == parts.scheme and fnmatch(
                parts.netloc + parts.path, pattern.netloc + pattern.path
            )
            if same or channel == self.channel_name:
                name = auth
        if not name:
            return None
        if name not in self._others:
            handler = context.plugin_manager.get_auth_handler(name)
            self._others[name] = handler(self.channel_name) if handler else CondaHttpAuth()
        return self._others[name]


class _Back:
    """What is done with the gateway's answer."""

    def __init__(self, url: str, headers: dict[str, str], way: Gateway) -> None:
        self._url = url
        self._headers = headers
        self._way = way

    def __call__(self, response: Any, **kwargs: Any) -> Any:
        """Give the answer under the channel's own name; where it is the gateway's own refusal, ask
        the origin after all.
        """
        if not str(response.url).startswith(self._way.url):
            return response
        if response.status_code not in _ITS_OWN:
            if not response.is_redirect:
                response.url = self._url
            return response
        again = response.request.copy()
        again.url = self._url
        again.headers.pop("Authorization", None)
        again.headers.update(self._headers)
        again.deregister_hook("response", self)
        response.close()
        answer = response.connection.send(again, **kwargs)
        answer.request = again
        return answer


def _without_needless_token(asked: str, request: Any) -> str | None:
    """Return the URL to ask the gateway for; None where the request is somebody's own.

    A token or a password that stood in the channel's URL makes it private. One that conda found
    elsewhere (a login tool's token, netrc) counts for the channels that are not known to all.
    """
    parts = urlsplit(asked)
    if "@" in parts.netloc or parts.path.startswith("/t/") or request.method not in ("GET", "HEAD"):
        return None
    if request.url == asked and "Authorization" not in request.headers:
        return asked
    channel = parts.path.lstrip("/").partition("/")[0]
    return asked if channel in PUBLIC.get(parts.hostname or "", ()) else None


def _path(url: str) -> str | None:
    """Return the gateway's path for a URL (``/conda/<host>/<path>``)."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        return None
    return f"/conda/{'http+' if parts.scheme == 'http' else ''}{parts.netloc.lower()}{parts.path}"
