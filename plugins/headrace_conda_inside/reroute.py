"""The auth handler: a request for a public channel goes to the gateway, everything else as ever.

requests chooses the connection after the auth handler, so a changed URL is all that it takes.
conda goes on knowing the channel by its own URL, and so do its caches, records and lock files.
"""

from __future__ import annotations

import base64
import contextlib
from fnmatch import fnmatch, fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

from conda.base.context import context
from conda.gateways.connection.session import CondaHttpAuth
from conda.plugins.types import ChannelAuthBase
from requests.utils import resolve_proxies

from headrace_conda_inside.settings import Gateway, gateway
from headrace_conda_inside.waking import answers

__all__ = ["PUBLIC", "Reroute"]

#: Channels that need nobody's token, by host, as shell patterns: one that a login tool adds is left
#: out for them. The catalogue's own list.
_CHANNELS = {
    "conda.anaconda.org": "atztogo auto biobakery bioconda c4aarch64 caffe2 conda-forge "
    "deepmodeling dglteam fastai fermi idaholab matsci menpo mordred-descriptor msys2 numba nvidia "
    "ohmeta omnia Paddle plotly psi4 pytorch pytorch-lts pytorch-test pytorch3d pyviz qiime2 "
    "rapidsai rdkit simpleitk soumith stackless ursky viscid-hub",
    "conda-static.anaconda.org": "conda-forge",
    "repo.anaconda.com": "pkgs/main pkgs/r pkgs/msys2 pkgs/free pkgs/pro",
    "prefix.dev": "conda-forge bioconda emscripten-forge-* robostack-*",
    "repo.prefix.dev": "conda-forge bioconda emscripten-forge-* robostack-*",
}
PUBLIC = {host: tuple(names.split()) for host, names in _CHANNELS.items()}
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
        way, path = None, _path(_without_needless_token(asked, request))
        if path and not context.offline:
            with contextlib.suppress(Exception):  # whatever is wrong with us, conda goes on
                way = gateway()
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
            # A channel by its URL, without a pattern, is what lies below it.
            below = bool(pattern.scheme) and url.startswith(f"{channel.rstrip('/')}/")
            if same or below or channel == self.channel_name:
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
        if not str(response.url).startswith(f"{self._way.url}/"):
            return response
        if response.status_code not in _ITS_OWN:
            if not response.is_redirect:
                response.url = self._url
            return response
        # The session goes by its own request if this leads elsewhere: our token must not be in it.
        asked = response.request
        asked.url = self._url
        asked.headers.clear()
        asked.headers.update(self._headers)
        response.close()
        if kwargs.get("proxies") is not None:
            kwargs["proxies"] = resolve_proxies(asked, dict(kwargs["proxies"]))
        answer = response.connection.send(asked, **kwargs)
        answer.request = asked
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
    path = parts.path.lstrip("/")
    known = PUBLIC.get(parts.hostname or "", ()) if ".." not in unquote(path) else ()
    return asked if any(fnmatchcase(path, f"{pattern}/*") for pattern in known) else None


def _path(url: str | None) -> str | None:
    """Return the gateway's path for a URL (``/conda/<host>/<path>``)."""
    parts = urlsplit(url or "")
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        return None
    return f"/conda/{'http+' if parts.scheme == 'http' else ''}{parts.netloc.lower()}{parts.path}"
