"""One image as its manifest and its configuration describe it: two or three small objects that an
engine would get too, and no layer. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
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
from headrace_docker.registry_api.manifests import ACCEPT, Descriptor, descriptors

__all__ = ["ImageRead", "image_path", "object_path", "read_image"]

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
    manifests: tuple[Descriptor, ...] = ()
    """The index, where there is one, and the manifest of this machine's part."""
    parts: tuple[Descriptor, ...] = ()
    """Its configuration and its layers."""
    listed: tuple[str, ...] = ()
    """Digests of all that the index lists."""
    about: Mapping[str, str] = field(default_factory=dict)
    """When it was made (``created``), and its labels."""


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
    manifests = [Descriptor(digest, len(body), "", is_manifest=True)]
    listed: tuple[str, ...] = ()
    if platforms:
        listed = tuple(each.digest for each in descriptors(body) if each.is_manifest)
        if chosen is None:
            return f"is for {', '.join(platforms)}"
        part = _body(ask(_path(registry, name, "manifests", chosen), ACCEPT)) or b""
        manifest = read_json(part)
        body = part
        manifests.append(Descriptor(chosen, len(part), "", is_manifest=True))
    where = _path(registry, name, "blobs", str(manifest["config"]["digest"]))
    config = _body(ask(where, "*/*")) or b""
    facts = preflight.read_facts(manifest, config, tag, platforms)
    wanted = preflight.machine_word(machine).partition("/")[0]
    if facts.architecture and facts.architecture != wanted:
        return f"is for {facts.platforms[0]}"
    paths = [_explained(registry, name, "manifests", chosen or digest)]
    layers = [each for each in manifest["layers"] if isinstance(each, dict)]
    if layers:
        largest = max(layers, key=_size)
        paths.append(_explained(registry, name, "blobs", str(largest.get("digest"))))
    return ImageRead(
        digest,
        facts,
        _unpacked(layers),
        tuple(paths),
        tuple(manifests),
        tuple(each for each in descriptors(body) if not each.is_manifest),
        listed,
        _about(read_json(config)),
    )


def _about(config: Mapping[str, Any]) -> dict[str, str]:
    labels = (config.get("config") or {}).get("Labels") or {}
    told = {"created": config.get("created"), **(labels if isinstance(labels, dict) else {})}
    return {str(name): value for name, value in told.items() if isinstance(value, str)}


def _size(layer: Mapping[str, Any]) -> int:
    size = layer.get("size")
    return size if isinstance(size, int) else 0


def _unpacked(layers: list[dict[str, Any]]) -> int | None:
    sizes = [str((each.get("annotations") or {}).get(_UNPACKED, "")) for each in layers]
    if not sizes or not all(text.isdecimal() and len(text) <= _LONGEST for text in sizes):
        return None
    return sum(map(int, sizes))


def image_path(registry: str, name: str, reference: str) -> str:
    """Return where the gateway has an image's manifest."""
    return _path(registry, name, "manifests", reference)


def object_path(registry: str, name: str, told: Descriptor) -> str:
    """Return the gateway's path of a part of an image, the same for all who ask."""
    return _explained(registry, name, "manifests" if told.is_manifest else "blobs", told.digest)


def _path(registry: str, name: str, kind: str, what: str) -> str:
    return f"/v2/{name}/{kind}/{what}?ns={registry}"


def _explained(registry: str, name: str, kind: str, what: str) -> str:
    return f"/v2/{registry}/{name}/{kind}/{what}"


def _body(answer: GatewayAnswer | None) -> bytes | None:
    return answer.body if answer is not None and answer.status == 200 else None
