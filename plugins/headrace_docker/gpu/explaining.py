"""What ``headrace explain docker:IMAGE`` says: read from manifest and configuration, no layer.

The gateway is asked, so what is read is what an engine would get, and it is kept for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from headrace.interface import (
    AskGateway,
    Explanation,
    Host,
    UnreadableError,
    counted,
    foreign,
    load_cuda_tables,
    read_json,
    read_json_or_none,
)
from headrace_docker.gpu import preflight
from headrace_docker.gpu.preflight import Facts
from headrace_docker.registry_api.image_names import ImageName, read_name
from headrace_docker.registry_api.manifests import ACCEPT
from headrace_docker.registry_api.sizes import size_text

__all__ = ["explain"]

_TAG_CUDA = re.compile(r"(cuda|cu)(\d{1,2})\.?(\d{1,2})?")
_FEW = 3
#: Of an image that is there, and has no part for this machine.
_ELSEWHERE = "will not run here: it is for"


def explain(what: str, host: Host, ask: AskGateway) -> list[Explanation]:
    """Ask for an image; one explanation, whatever comes of it."""
    wanted = read_name(what)
    if wanted is None:
        return [Explanation("docker", (f"{what} is no image's name",), answers=False)]
    found = _facts(wanted, host, ask)
    if isinstance(found, str):
        return [Explanation("docker", (found,), answers=found.startswith(_ELSEWHERE))]
    tables = load_cuda_tables()
    lines = preflight.verdict(found, host, tables)
    others = _others(wanted, found, host, ask) if not lines[0].startswith("runs") else []
    if others:
        lines.append(f"tags of the same repository that would fit: {', '.join(others)}")
    size = size_text(found.size)
    platforms = ", ".join(found.platforms)
    lines.append(
        f"{size} in {counted(found.layers, 'layer')} (about twice that on disk); {platforms}"
    )
    need = found.need
    table = {
        "registry": wanted.registry,
        "name": wanted.repository,
        "size": found.size,
        "layers": found.layers,
        "platforms": list(found.platforms),
        "cuda": list(need.cuda) if need else None,
        "requires": list(need.constraints) if need else [],
        "verdict": lines[0],
        "fitting_tags": others,
    }
    return [Explanation("docker", tuple(lines), table=table)]


def _facts(wanted: ImageName, host: Host, ask: AskGateway) -> Facts | str:
    """Read manifest and configuration; a sentence where that cannot be done."""
    name = wanted.repository
    body = ask(_path(wanted, "manifests", wanted.reference), ACCEPT)
    if body is None:
        return (
            f"{wanted.registry} has no {name}:{wanted.reference} for strangers, or "
            "the gateway does not answer (`headrace doctor`); an engine with your login may know it"
        )
    try:
        return _read(wanted, body, host, ask)
    except UnreadableError:
        return f"{name} is no image that can be read here (an old manifest, or an artifact)"


@foreign("an image")
def _read(wanted: ImageName, body: bytes, host: Host, ask: AskGateway) -> Facts | str:
    manifest: dict[str, Any] = read_json(body)
    chosen, platforms = preflight.pick(manifest, host.machine)
    if platforms:
        if chosen is None:
            return f"{_ELSEWHERE} {', '.join(platforms)}"
        manifest = read_json(ask(_path(wanted, "manifests", chosen), ACCEPT) or b"")
    config = ask(_path(wanted, "blobs", str(manifest["config"]["digest"])), "*/*")
    return preflight.read_facts(manifest, config or b"", wanted.tag, platforms)


def _path(wanted: ImageName, kind: str, what: str) -> str:
    return f"/v2/{wanted.repository}/{kind}/{what}?ns={wanted.registry}"


def _others(wanted: ImageName, facts: Facts, host: Host, ask: AskGateway) -> Sequence[str]:
    """Name the tags that differ in nothing but a CUDA that this driver runs, the newest first."""
    mine = _TAG_CUDA.search(wanted.tag)
    if facts.need is None or mine is None or host.cuda is None:
        return []
    body = ask(_path(wanted, "tags", "list"), "application/json")
    table = read_json_or_none(body or b"")
    tags = table.get("tags") if isinstance(table, dict) else None
    before, after = wanted.tag[: mine.start()], re.sub(r"cudnn\d+", "", wanted.tag[mine.end() :])
    found = []
    for tag in tags if isinstance(tags, list) else []:
        if not isinstance(tag, str):
            continue
        match = _TAG_CUDA.search(tag)
        same = match and tag[: match.start()] == before
        if match and same and re.sub(r"cudnn\d+", "", tag[match.end() :]) == after:
            cuda = (int(match[2]), int(match[3] or 0))
            if cuda[0] <= host.cuda[0]:
                found.append((cuda, tag))
    return [tag for _, tag in sorted(found, reverse=True)[:_FEW]]
