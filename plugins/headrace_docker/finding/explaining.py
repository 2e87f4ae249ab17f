"""What ``headrace explain docker:IMAGE`` says: read from manifest and configuration, no layer.

The gateway is asked, so what is read is what an engine would get, and it is kept for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headrace.interface import (
    AskGateway,
    BuildKind,
    Explanation,
    GatewayAnswer,
    Host,
    counted,
    heard,
    image_kind,
    load_cuda_tables,
    read_json_or_none,
)
from headrace_docker.finding.families import families
from headrace_docker.finding.reading import read_image
from headrace_docker.finding.search import Search
from headrace_docker.finding.tags import NO_TAG, read_tag
from headrace_docker.finding.told import UNGIVEN
from headrace_docker.gpu import preflight
from headrace_docker.gpu.preflight import Facts
from headrace_docker.registry_api.image_names import ImageName, read_name
from headrace_docker.registry_api.sizes import size_text

__all__ = ["explain"]

_TAG_CUDA = re.compile(r"(cuda|cu)(\d{1,2})\.?(\d{1,2})?")
_FEW = 3


def explain(what: str, host: Host, ask: AskGateway) -> list[Explanation]:
    """Ask for an image; one explanation, whatever comes of it."""
    wanted = read_name(what)
    if wanted is None:
        text = f"{what[:60]!r} is no image's name, as pytorch/pytorch:latest"
        return [Explanation("docker", (text,), answers=False)]

    def answer(path: str, accept: str) -> GatewayAnswer | None:
        body = ask(path, accept)
        return None if body is None else GatewayAnswer(200, body)

    name, where = wanted.repository, wanted.reference
    found = read_image(wanted.registry, name, where, host.machine, answer)
    if isinstance(found, str):
        return [_unread(wanted, found, host)]
    tables = load_cuda_tables()
    known = families()
    family = known.at(wanted.registry, name, image_kind(host, tables))
    tag = read_tag(wanted.tag, family) or read_tag(wanted.tag, None) or NO_TAG
    search = Search(host, tables, known, family if read_tag(wanted.tag, family) else None)
    facts = found.facts
    why = search.why_not(tag, found)
    lines = preflight.verdict(facts, host, tables, why, datacentre=known.is_datacentre(host))
    others = _others(wanted, facts, host, ask) if not lines[0].startswith("runs") else []
    if others:
        lines.append(f"tags of the same repository that would fit: {', '.join(others)}")
    size = size_text(facts.size)
    platforms = ", ".join(facts.platforms)
    lines.append(
        f"{size} in {counted(facts.layers, 'layer')} (about twice that on disk); {platforms}"
    )
    need = facts.need
    table = {
        "registry": wanted.registry,
        "name": name,
        "size": facts.size,
        "layers": facts.layers,
        "platforms": list(facts.platforms),
        "cuda": list(need.cuda) if need else None,
        "requires": list(need.constraints) if need else [],
        "verdict": lines[0],
        "fitting_tags": others,
    }
    return [Explanation("docker", tuple(lines), table=table)]


def _unread(wanted: ImageName, why: str, host: Host) -> Explanation:
    if why.startswith(heard("is for ")):  # it is there
        here = f"{host.platform}/{preflight.machine_word(host.machine)}"
        return Explanation("docker", (f"will not run here: it {why}, and this is {here}",))
    if why != UNGIVEN:
        return Explanation("docker", (f"{wanted.repository} {why}",), answers=False)
    place = f"{wanted.registry}/{wanted.repository}"
    text = (
        f"{wanted.registry} has no {wanted.repository}:{wanted.reference} for strangers, or could "
        "not be asked; an engine with your login may know it"
    )
    lines = [text, f"`headrace image find {place}` tells which"]
    known = families()
    for part in wanted.repository.split("/"):
        if (family := known.named(part, BuildKind.CUDA)) and family.place != place:
            lines.append(f"images of {family.name} are those of {family.place}")
            lines.append(f"`headrace image find {family.name}` finds the newest that runs here")
            break
    return Explanation("docker", tuple(lines), answers=False)


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
