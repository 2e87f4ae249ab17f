"""A gateway before registries in memory, as `ImageTool.find` asks it, and what it was asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.interface import GatewayAnswer
from lib.images.content import Image

__all__ = ["Registries"]

_PATH = re.compile(r"/v2/(.+)/(manifests|blobs|tags)/([^/?]+)\?(?:.*&)?ns=([^&]+)")
_UNLED = b"no such path, or a registry that this gateway does not front"


@dataclass
class Registries:
    """Images by ``docker.io/pytorch/pytorch`` and tag; registries that have none are not led."""

    images: Mapping[str, Mapping[str, Image]]
    unlisted: frozenset[str] = frozenset()
    """Repositories whose registry gives no list of tags."""
    asked: list[str] = field(default_factory=list)

    def __call__(self, path: str, accept: str) -> GatewayAnswer:
        """Answer as the gateway does."""
        assert accept
        self.asked.append(path)
        match = _PATH.fullmatch(path)
        assert match is not None, path
        registry = match[4]
        if registry not in {place.partition("/")[0] for place in self.images}:
            return GatewayAnswer(404, _UNLED)
        place = f"{registry}/{match[1]}"
        held = self.images.get(place)
        if held is None or (match[2] == "tags" and place in self.unlisted):
            return GatewayAnswer(404, b"{}")
        if match[2] == "tags":
            return GatewayAnswer(200, json.dumps({"tags": list(held)}).encode())
        if match[3] in held:
            return GatewayAnswer(200, held[match[3]].manifest.data)
        for each in held.values():
            if blob := each.everything().get(match[3]):
                return GatewayAnswer(200, blob.data)
        return GatewayAnswer(404, b"{}")

    def count(self, kind: str) -> int:
        """How often a kind of object was asked for."""
        return sum(f"/{kind}/" in path for path in self.asked)
