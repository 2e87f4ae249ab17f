"""Container registries as an ecosystem: pure decisions about requests, names and objects.

A tag is what the official registry says that it is, asked by HEAD, which counts as no pull there.
What has a digest comes from whoever has it. A repository that the registry does not show to
strangers is nobody's business: its client is told 404 and goes there itself, with its own login.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from urllib.parse import urlsplit

from headrace.interface import (
    Artifact,
    Digest,
    Document,
    HeadRequest,
    LookUp,
    LookUpStep,
    Mirror,
    Origin,
    PassThrough,
    Plan,
    Refuse,
    Reply,
    Request,
    Response,
    ServeArtifact,
    ServeDocument,
)
from headrace_docker.registry_api import layouts, refusals
from headrace_docker.registry_api.manifests import ACCEPT, Descriptor, descriptors
from headrace_docker.registry_api.names import ApiRoot, Object, parse
from headrace_docker.registry_api.registries import ECOSYSTEM, LAYOUTS

__all__ = ["DockerEcosystem"]

_REPOSITORY = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/")
_API = {"docker-distribution-api-version": "registry/2.0"}
_DIGEST = "docker-content-digest"
#: What registries say of lists (distribution-spec 1.1, "Listing Referrers").
_TOLD = ("content-type", "docker-distribution-api-version", "oci-filters-applied")
_KEEP = ("content-type", "content-length", _DIGEST)
#: Seconds for which a tag's digest stands, and for which it stands while the registry is away. Who
#: has just pushed a tag and pulls it gets the new one: one HEAD for each time that it is asked for,
#: which registries do not count, over a connection that is there.
_TAG = 0.0
_TAG_AWAY = 7 * 24 * 3600.0
#: The same for what has a digest: it cannot change, but a repository can be closed.
_FIXED = 3600.0
_FIXED_AWAY = 90 * 24 * 3600.0
#: Engines give a whole pull up when one layer ends early, so most layers are checked first.
_WHOLE = 64 << 20
#: Objects whose size is remembered, some 300 bytes each.
_MOST = 20_000


class DockerEcosystem:
    """Implements `headrace.interface.Ecosystem` for registries of container images.

    No tag is a document: it `LooksUp` digests, and `Learns` from manifests what they name.
    """

    name = ECOSYSTEM
    prefixes = ("/v2/",)
    layouts = LAYOUTS

    def __init__(self, origins: Sequence[Origin]) -> None:
        """Take the registries that may be asked."""
        self._origins: dict[str, Origin] = {}
        for origin in origins:
            if origin.ecosystem == self.name:
                self._origins.setdefault(origin.name, origin)
        self._named: OrderedDict[tuple[str, str], Descriptor] = OrderedDict()
        """What manifests that strangers may see say of others, by repository and digest."""

    @property
    def for_everybody(self) -> bool:
        """Engines show a mirror no token; what strangers may not see is not given here."""
        return not any(origin.private for origin in self._origins.values())

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The closed list."""
        return tuple(self._origins.values())

    # ------------------------------------------------------------ requests

    def plan(self, request: Request) -> Plan:
        """Say what to do with a client's request."""
        if request.method not in ("GET", "HEAD"):
            return Refuse(405, "images are pulled here; pushes go to their registry")
        found = parse(request.path, request.query, self._origins)
        if isinstance(found, ApiRoot):
            return Reply(Response(200, {"content-type": "application/json", **_API}, b"{}"))
        if found is None:
            return Refuse(404, refusals.NOT_FRONTED)
        origin = self._origins[found.registry]
        if found.kind in ("tags", "referrers"):
            query = _query(request)
            return PassThrough(
                origin, f"{origin.url}/v2/{found.tail}{query}", relay=True, keep=_TOLD
            )
        accept = _sorted(request.headers.get("accept", ""))
        kind = accept if found.kind == "manifests" and "manifest" in accept else ""
        # What a tag is depends on what its client takes; the path alone does not tell.
        return ServeArtifact(found.path, None, accept=kind)

    def look_up(self, plan: ServeArtifact) -> LookUp:
        """Ask the registry what a name means, unless a manifest of the repository has told it."""
        found = parse(plan.path, "", self._origins)
        if not isinstance(found, Object):
            return _nothing()
        return self._look_up(found, plan.accept or ACCEPT)

    def _look_up(self, thing: Object, accept: str) -> LookUp:
        origin = self._origins[thing.registry]
        known = self._named.get((thing.word, thing.reference))
        if known is not None and thing.digest is not None:
            return _artifact(thing, origin, known, accept)
        fixed = thing.digest is not None
        seen = yield LookUpStep(
            HeadRequest(
                origin,
                f"{origin.url}/v2/{thing.tail}",
                # What has a digest is the same for all clients.
                "*/*" if thing.kind == "blobs" else ACCEPT if fixed else accept,
                keep=_KEEP,
                lifetime=_FIXED if fixed else _TAG,
                stale_if_error=_FIXED_AWAY if fixed else _TAG_AWAY,
                # What was brought ahead of time is for engines too, which say it otherwise.
                alike=() if fixed else (_sorted(ACCEPT), ACCEPT),
            )
        )
        if seen is None or seen.private:
            # What needs a login is not ours to give to everybody on this machine.
            return None
        length = seen.headers.get("content-length", "")
        digest = thing.digest or seen.headers.get(_DIGEST, "")
        kind = seen.headers.get("content-type", "application/octet-stream")
        size = int(length) if length.isdecimal() and len(length) < 16 else None
        told = Descriptor(digest, size, kind, thing.kind == "manifests")
        try:
            return _artifact(thing, origin, told, accept, stale=seen.stale)
        except ValueError:
            return None

    def owner(self, url: str) -> str:
        """Name the repository of a URL at a registry."""
        named = _REPOSITORY.match(urlsplit(url).path)
        return named[1] if named else "/"

    def phrased(self, status: int, words: str, path: str) -> Response:
        """Refuse as registries do (distribution-spec 1.1, "Error Codes")."""
        return refusals.phrased(status, words, path)

    # ------------------------------------------------------------ what is learned

    def learn(self, document: Document, plan: ServeDocument | ServeArtifact) -> None:
        """Remember what a manifest names."""
        if not isinstance(plan, ServeArtifact):
            return
        found = parse(plan.path, "", self._origins)
        if not isinstance(found, Object):
            return
        for each in descriptors(document.body):
            self._named[found.word, each.digest] = each
        while len(self._named) > _MOST:
            self._named.popitem(last=False)

    # ------------------------------------------------------------ places

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        """Give the object's URL at a mirror."""
        found = parse(artifact.path, "", self._origins)
        if artifact.origin.private or not isinstance(found, Object):
            return None
        return layouts.locate(mirror, found)


def _sorted(accept: str) -> str:
    """Name what a client takes (RFC 9110 section 12.5.1), always in the same way.

    dockerd has its types in a map, and writes them in another order with each request.
    """
    return ", ".join(sorted({part.strip() for part in accept.split(",") if part.strip()}))


def _query(request: Request) -> str:
    kept = [part for part in request.query.split("&") if part and not part.startswith("ns=")]
    return f"?{'&'.join(kept)}" if kept else ""


def _nothing() -> LookUp:
    yield from ()
    return None


def _artifact(
    thing: Object, origin: Origin, told: Descriptor, accept: str, *, stale: bool = False
) -> Artifact:
    """Describe an object by its digest; ValueError when that is none."""
    manifest = thing.kind == "manifests"
    fixed = Object(thing.registry, thing.repository, thing.kind, told.digest)
    headers = [(_DIGEST, told.digest), *_API.items()]
    if stale:
        headers.append(("warning", '110 headrace "Response is Stale"'))
    return Artifact(
        ecosystem=ECOSYSTEM,
        path=fixed.path,
        name=f"{thing.word}@{told.digest}",
        url=f"{origin.url}/v2/{fixed.tail}",
        origin=origin,
        digest=Digest.parse(told.digest),
        size=told.size,
        content_type=told.media_type if manifest else "application/octet-stream",
        object_class="manifest" if manifest else "layer",
        accept=accept if manifest else "*/*",
        answer_headers=tuple(headers),
        immutable=thing.digest is not None,
        names_others=manifest,
        origin_counts=True,
        collection=thing.word,
        verify_first_below=_WHOLE,
        redirects=False,
    )
