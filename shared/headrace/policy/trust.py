"""Who may supply documents, bytes and digests, and who sees credentials (promises 1 and 4).

Every question has its default answer in "no": a mirror is asked only when nothing speaks against
it, and a credential travels only when everything speaks for it.
"""

from __future__ import annotations

import datetime as dt
from urllib.parse import unquote, urlsplit

from headrace.models import Artifact, Digest, Mirror, OperatorClass, Origin
from headrace.policy.evidence import is_old

__all__ = [
    "may_be_hedged_at",
    "may_see_credential",
    "may_supply_bytes",
    "may_supply_document",
    "spells",
]

#: Those who sign with their name. A nameless mirror's page could name a version that never was.
_NAMED = frozenset(
    (
        OperatorClass.OFFICIAL,
        OperatorClass.ORGANISATION,
        OperatorClass.UNIVERSITY,
        OperatorClass.CLOUD,
        OperatorClass.COMMERCIAL,
    )
)

_THIS_MACHINE = frozenset(("127.0.0.1", "::1", "localhost"))
_PORTS = {"http": 80, "https": 443}


def may_supply_bytes(artifact: Artifact, mirror: Mirror) -> bool:
    """Whether a mirror may be asked for an artifact at all.

    Not for private names: the question itself would tell them to a stranger. Not without a digest:
    nothing could tell right bytes from wrong ones.
    """
    return artifact.mirrored and may_be_hedged_at(artifact, mirror)


def may_be_hedged_at(artifact: Artifact, mirror: Mirror) -> bool:
    """Whether a mirror may be asked while the origin is asked too: for what most mirrors lack."""
    return (
        not artifact.origin.private
        and artifact.digest is not None
        and mirror.ecosystem == artifact.ecosystem
    )


def may_supply_document(
    origin: Origin, mirror: Mirror, today: dt.date, *, agreed: bool = False
) -> bool:
    """Whether a mirror's page may stand in, provisionally, for the origin's.

    What such a page names is confirmed at the origin before its last bytes are given away. Where
    what is known of the mirror is old by `today`, that alone is no reason to believe it:
    `agreed` says that a page of its was the origin's lately.
    """
    return (
        not origin.private
        and (agreed or not is_old(mirror, today))
        and mirror.gives_documents
        and (mirror.first or not mirror.login)
        and mirror.operator_class in _NAMED
        and mirror.ecosystem == origin.ecosystem
        # A page is not checked by a digest, so at least nobody on the way may write in it.
        and _nobody_between(mirror.url)
    )


def _nobody_between(url: str) -> bool:
    place = _place(url)
    return place is not None and (place[0] == "https" or place[1] in _THIS_MACHINE)


def _place(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, host, port) if host and parts.scheme in _PORTS else None


def may_see_credential(origin: Origin, url: str, *, prefix: str = "/") -> bool:
    """Whether the origin's credential may go along with a request for `url`.

    Same scheme, host and port as the origin, as clients themselves have it; below `prefix` where
    one host serves several owners. A path that climbs is under nobody's prefix.
    """
    # Two readers of such a URL may see two hosts in it (backslash as slash, cut at a blank).
    if "\\" in url or any(character <= " " for character in url):
        return False
    place = _place(url)
    if place is None or place != _place(origin.url):
        return False
    path = unquote(urlsplit(url).path) or "/"
    if ".." in path.replace("\\", "/").split("/"):
        return False
    base = prefix.rstrip("/")
    return path == base or path.startswith(base + "/")


def spells(url: str, digest: Digest) -> bool:
    """Whether the path of a URL spells out a digest, as content-addressed places have it: that the
    origin has such a path says what its bytes are.
    """
    return digest.value in urlsplit(url).path.replace("/", "")
