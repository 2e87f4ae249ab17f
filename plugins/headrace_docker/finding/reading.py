"""One image as its manifest and its configuration describe it: two or three small objects that an
engine would get too, and no layer. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from headrace.interface import (
    AskForAnswer,
    GatewayAnswer,
    UnreadableError,
    dataclass,
    foreign,
    read_json,
)
from headrace_docker.gpu import preflight
from headrace_docker.gpu.preflight import Facts
from headrace_docker.registry_api.manifests import ACCEPT

__all__ = ["ImageRead", "read_image"]

#: What packers of lazily loaded layers write beside them (stargz-snapshotter, "eStargz").
_UNPACKED = "io.containers.estargz.uncompressed-size"
#: Digits of a size.
_LONGEST = 15


@dataclass(frozen=True, slots=True)
class ImageRead:
    """An image for one machine."""

    digest: str
    """Of what the tag names: an index, where there is one."""
    facts: Facts
    unpacked: int | None
    """Bytes of its layers on a disk; None: the manifest does not tell."""
    paths: tuple[str, ...]
    """The gateway's, of its manifest and of its largest layer."""


def read_image(
    registry: str, name: str, tag: str, machine: str, ask: AskForAnswer
) -> ImageRead | str:
    """Read it; else say why not, as "is …"."""
    body = _body(ask(_path(registry, name, "manifests", tag), ACCEPT))
    if body is None:
        return "is listed, and its manifest is not given"
    try:
        return _read(registry, name, tag, machine, body, ask)
    except UnreadableError:
        return "is no image that can be read (an old manifest, or an artifact)"


@foreign("an image")
def _read(  # noqa: PLR0917 - all that one image needs
    registry: str, name: str, tag: str, machine: str, body: bytes, ask: AskForAnswer
) -> ImageRead | str:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    manifest: dict[str, Any] = read_json(body)
    chosen, platforms = preflight.pick(manifest, machine)
    if platforms:
        if chosen is None:
            return f"is for {', '.join(platforms)}"
        part = _body(ask(_path(registry, name, "manifests", chosen), ACCEPT))
        manifest = read_json(part or b"")
    where = _path(registry, name, "blobs", str(manifest["config"]["digest"]))
    facts = preflight.read_facts(manifest, _body(ask(where, "*/*")) or b"", tag, platforms)
    wanted = preflight.MACHINES.get(machine, machine)
    if facts.architecture and facts.architecture != wanted:
        return f"is for {facts.platforms[0]}"
    paths = [_explained(registry, name, "manifests", chosen or digest)]
    layers = [each for each in manifest["layers"] if isinstance(each, dict)]
    if layers:
        largest = max(layers, key=_size)
        paths.append(_explained(registry, name, "blobs", str(largest.get("digest"))))
    return ImageRead(digest, facts, _unpacked(layers), tuple(paths))


def _size(layer: Mapping[str, Any]) -> int:
    size = layer.get("size")
    return size if isinstance(size, int) else 0


def _unpacked(layers: list[dict[str, Any]]) -> int | None:
    sizes = [str((each.get("annotations") or {}).get(_UNPACKED, "")) for each in layers]
    if not sizes or not all(text.isdecimal() and len(text) <= _LONGEST for text in sizes):
        return None
    return sum(map(int, sizes))


def _path(registry: str, name: str, kind: str, what: str) -> str:
    return f"/v2/{name}/{kind}/{what}?ns={registry}"


def _explained(registry: str, name: str, kind: str, what: str) -> str:
    return f"/v2/{registry}/{name}/{kind}/{what}"


def _body(answer: GatewayAnswer | None) -> bytes | None:
    return answer.body if answer is not None and answer.status == 200 else None
