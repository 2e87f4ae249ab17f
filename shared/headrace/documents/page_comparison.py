"""Pages held against each other: what a mirror's page names, against what the origin's does.

Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from headrace.foreign import foreign
from headrace.interface.ecosystems import Confirms, Ecosystem, ServesDocuments
from headrace.models import Artifact, Document, ServeDocument
from headrace.policy.trust import spells
from headrace.wording import counted

__all__ = ["LAGGED", "LIED", "agree", "compare", "is_older", "named", "proof", "provable"]

#: Seconds without the right to give pages: after a page that lagged, after one that was false.
LAGGED = 6 * 3600.0
LIED = 30 * 24 * 3600.0
#: Files of a page that are looked at for one whose path is a digest.
_LOOKED_AT = 8


def named(ecosystem: Ecosystem, plan: ServeDocument, document: Document) -> dict[str, Artifact]:
    """List the files of a page; not what only the origin has beside them, which no mirror names."""
    if not isinstance(ecosystem, ServesDocuments):
        return {}
    with foreign("the page"):
        return {a.path: a for a in ecosystem.artifacts(document, plan) if a.mirrored}


def is_older(
    ecosystem: Ecosystem, plan: ServeDocument, offered: Document, before: Document | None
) -> bool:
    """Whether a client would see something vanish that it was shown before."""
    if before is None:
        if not isinstance(ecosystem, ServesDocuments):
            return True
        with foreign("the page"):
            return not any(a.mirrored for a in ecosystem.artifacts(offered, plan))
    theirs = named(ecosystem, plan, offered)
    return not theirs or not named(ecosystem, plan, before).keys() <= theirs.keys()


def agree(ours: Artifact, theirs: Artifact) -> bool:
    """Whether the origin's entry names the same bytes as the one that was handed out."""
    if ours.digest is None:
        return False
    if theirs.digest is not None and theirs.digest.algorithm == ours.digest.algorithm:
        return theirs.digest == ours.digest
    # Different algorithms: where the origin has it must be the digest.
    return spells(theirs.url, ours.digest)


def provable(ecosystem: Ecosystem, plan: ServeDocument, document: Document) -> str | None:
    """Return the URL of a file of an origin's own page that is such a proof; None: of none."""
    if not isinstance(ecosystem, ServesDocuments) or not isinstance(ecosystem, Confirms):
        return None
    with foreign("the page"):
        # The newest come last, and are there for certain.
        for artifact in reversed(deque(ecosystem.artifacts(document, plan), _LOOKED_AT)):
            if artifact.mirrored and (url := ecosystem.confirmation(artifact)) is not None:
                return url
    return None


def proof(ecosystem: Ecosystem, artifact: Artifact) -> str | None:
    """Return the URL whose existence at the origin proves (path, digest); None: there is none.

    What the ecosystem says is checked, because everything hangs on it: the digest that the bytes
    are held against must be spelt out by the path itself.
    """
    url = ecosystem.confirmation(artifact) if isinstance(ecosystem, Confirms) else None
    digest = artifact.digest
    spelt = url is not None and digest is not None and spells(url, digest)
    return url if spelt else None


def compare(
    ecosystem: Ecosystem, plan: ServeDocument, offered: Document, own: Document
) -> tuple[float, str] | None:
    """Say for how long and why a page costs its mirror the right; None when it was right.

    Both are read as if the origin had given them, so that the mirror's own claims are compared
    and not what was made of them for safety.
    """
    claimed = named(ecosystem, plan, replace(offered, supplied_by=None))
    true = named(ecosystem, plan, own)
    for path in claimed.keys() & true.keys():
        ours, theirs = claimed[path], true[path]
        sizes = {ours.size, theirs.size} - {None}
        if ours.digest != theirs.digest or len(sizes) > 1:
            return LIED, f"names other bytes for {ours.name}"
    missing, surplus = true.keys() - claimed.keys(), claimed.keys() - true.keys()
    if missing or surplus:
        lacks = counted(len(missing), "file")
        return LAGGED, f"lacks {lacks} of the origin's and has {len(surplus)} more"
    return None
