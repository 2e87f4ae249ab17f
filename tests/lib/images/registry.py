"""A registry on a recording server: the pull API, with the tokens that strangers are given.

It answers as Docker Hub does (distribution-spec 1.1; 401 with a Bearer challenge, a token from a
realm, blobs by redirect to another path), and keeps only what strangers may see apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from lib.images.content import Blob, Image
from lib.serving.answers import Reply
from lib.serving.servers import RecordingServer

__all__ = ["Registry"]

_PATH = re.compile(r"/v2/(.+)/(manifests|blobs|tags|referrers)/([^/]+)")
_API = {"Docker-Distribution-Api-Version": "registry/2.0"}
_TOKEN = "stranger-"


@dataclass(slots=True)
class Registry:
    """What it holds. Changing it changes its answers."""

    objects: dict[str, dict[str, Blob]] = field(default_factory=dict)
    """By repository and digest."""
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    """Repositories for which no stranger gets a token."""
    tokens: bool = False
    """Ask everybody for a token."""
    login: str = ""
    """The Authorization with which private repositories get one, too."""

    def put(self, repository: str, image: Image, tag: str = "v1") -> Image:
        """Hold an image."""
        self.objects.setdefault(repository, {}).update(image.everything())
        self.tags.setdefault(repository, {})[tag] = image.digest
        return image

    def mount(self, server: RecordingServer, *, below: str = "") -> str:
        """Serve it; `below` is what stands before the repository's name (``docker.io/``)."""

        def answer(path: str, headers: Mapping[str, str]) -> Reply:
            if path in ("/v2/", "/v2"):
                return Reply(b"{}", 200, "application/json", _API)
            match = _PATH.fullmatch(path)
            repository = match[1].removeprefix(below) if match else ""
            if match is None or not match[1].startswith(below):
                return _error(404, "NAME_UNKNOWN")
            if self.tokens and headers.get("authorization") != f"Bearer {_TOKEN}{repository}":
                scope = f"repository:{repository}:pull"
                realm = f'Bearer realm="{server.url}/token",service="test",scope="{scope}"'
                return _error(401, "UNAUTHORIZED", {"WWW-Authenticate": realm})
            return self._answer(repository, match[2], match[3], headers)

        def token(path: str, headers: Mapping[str, str]) -> Reply:
            del path
            asked = server.seen[-1].target
            repository = next(
                (
                    name
                    for name in self.objects
                    if quote(f"repository:{name}:pull", safe=":/,") in asked
                ),
                "",
            )
            let_in = bool(self.login) and headers.get("authorization") == self.login
            if not repository or (repository in self.private and not let_in):
                return _error(401, "UNAUTHORIZED")
            body = json.dumps({"token": f"{_TOKEN}{repository}", "expires_in": 300})
            return Reply(body.encode(), 200, "application/json")

        server.mounts["/v2"] = answer
        server.mounts["/token"] = token
        return server.url

    def _answer(
        self, repository: str, kind: str, reference: str, headers: Mapping[str, str]
    ) -> Reply:
        if kind == "tags":
            names = {"name": repository, "tags": sorted(self.tags.get(repository, {}))}
            return Reply(json.dumps(names).encode(), 200, "application/json", _API)
        digest = self.tags.get(repository, {}).get(reference, reference)
        found = self.objects.get(repository, {}).get(digest)
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN")
        told = {**_API, "Docker-Content-Digest": digest}
        if kind == "manifests":
            accepted = headers.get("accept", "")
            if found.media_type not in accepted:
                return _error(404, "MANIFEST_UNKNOWN")
            return Reply(found.data, 200, found.media_type, told)
        return Reply(found.data, 200, "application/octet-stream", told)


def _error(status: int, code: str, headers: Mapping[str, str] | None = None) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
    return Reply(body, status, "application/json", {**_API, **(headers or {})})
