"""The tags of a repository, from its registry's own list: page by page, in bounds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from headrace.interface import (
    AskForAnswer,
    GatewayAnswer,
    counted,
    dataclass,
    heard,
    read_json_or_none,
)
from headrace_docker.registry_api.refusals import NOT_FRONTED

__all__ = ["TagListing", "list_tags", "refused"]

#: Tags that are asked for at once; registries give fewer where they like.
_AT_ONCE = 1000
#: Pages, and tags, of one list.
_PAGES, _MOST = 100, 100_000
_LONGEST = 128
_NEXT = re.compile(r'<(/[^<>\s]*)>\s*;\s*rel="next"')
_ACCEPT = "application/json"
#: What the gateway says in a registry's place, and that of what a registry refuses to strangers.
_OURS = re.compile(rb'headrace: ([^"\n]{1,400})')
#: What it says where nobody could tell it a registry's address.
_NAMELESS = heard("has no address")
_HIDDEN = b"does not tell this to anybody"
#: What it says of an image that its registry has not, or shows to no stranger.
_UNNAMED = b"no page of its origin names it"


@dataclass(frozen=True, slots=True)
class TagListing:
    """What a registry lists."""

    tags: tuple[str, ...] = ()
    problem: str = ""
    """Why there are none, or fewer than there could be; empty: these are all."""
    answered: bool = True
    """False: nobody could be asked."""
    missing: bool = False
    """The registry says that there is no such repository, or tells strangers nothing of it."""
    unled: bool = False
    """No such registry is led by this gateway."""
    requests: int = 0


def list_tags(registry: str, name: str, ask: AskForAnswer) -> TagListing:
    """Ask for all of them; `name` is the repository as the registry has it."""
    path = f"/v2/{name}/tags/list?n={_AT_ONCE}&ns={registry}"
    found: dict[str, None] = {}
    for number in range(1, _PAGES + 1):
        answer = ask(path, _ACCEPT)
        page = list(_page(answer))
        new = [tag for tag in page if tag not in found]
        found.update(dict.fromkeys(new))
        if answer is None or answer.status != 200:
            return _broken(answer, registry, name, tuple(found), number)
        following = _NEXT.search(answer.link)
        if following is not None and new:
            path = following[1]
        elif len(page) >= _AT_ONCE and new:
            # It has more, and did not say where.
            path = f"/v2/{name}/tags/list?n={_AT_ONCE}&last={quote(page[-1])}&ns={registry}"
        else:
            return TagListing(tuple(found), requests=number)
        if len(found) >= _MOST:
            break
    some = f"{registry} lists more than {counted(len(found), 'tag')} of {name}; no more were read"
    return TagListing(tuple(found), some, requests=number)


def _page(answer: GatewayAnswer | None) -> Iterator[str]:
    table = read_json_or_none(answer.body) if answer is not None else None
    tags = table.get("tags") if isinstance(table, dict) else None
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, str) and 0 < len(tag) <= _LONGEST:
            yield tag


def refused(answer: GatewayAnswer | None, registry: str) -> str:
    """Say why a registry's image is not given, where that is not the registry's own word; empty:
    it has no such image for strangers.
    """
    if answer is None:
        return "the gateway did not answer in time (`headrace doctor` says more)"
    if NOT_FRONTED.encode() in answer.body:
        return (
            f"{registry} is no registry that the gateway leads: those are the public ones, "
            "and yours by `--origin` or your engines' settings (docs/docker.md)"
        )
    words = _OURS.search(answer.body)
    if words is None or _HIDDEN in words[1] or _UNNAMED in words[1]:
        return ""
    said = words[1].decode("utf-8", "replace")
    return f"{registry} could not be asked: {said}{_what_next(said)}"


def _what_next(said: str) -> str:
    """Say what to do about what the gateway said of its way to a registry."""
    if any(words in said for words in _NAMELESS):
        return "; look whether this machine has a network and a name server, and ask again"
    return " (`headrace doctor` says more)"


def _broken(
    answer: GatewayAnswer | None, registry: str, name: str, found: tuple[str, ...], number: int
) -> TagListing:
    if answer is None:
        text = "the gateway did not answer in time (`headrace doctor` says more)"
        return TagListing(found, text, answered=False, requests=number)
    if found:
        text = f"{registry} broke off its list for {name} after {counted(len(found), 'tag')}"
        return TagListing(found, text, requests=number)
    words = _OURS.search(answer.body)
    if words is not None and _HIDDEN not in words[1] and NOT_FRONTED.encode() not in words[1]:
        # Not the registry's word: nobody got through to it, or the gateway has none to ask.
        said = words[1].decode("utf-8", "replace")
        text = f"{registry} could not be asked for its tags: {said}{_what_next(said)}"
        return TagListing((), text, answered=False, requests=number)
    text = f"{registry} lists no tags of {name} for strangers"
    unled = NOT_FRONTED.encode() in answer.body
    return TagListing((), text, missing=True, unled=unled, requests=number)
