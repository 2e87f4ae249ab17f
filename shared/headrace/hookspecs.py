"""Every hook of headrace, with its types and an example each. This file is the manual.

Plural nouns register (every plugin is heard), verbs with ``firstresult`` decide, ``observe``
watches. The built-in ecosystems come in by the same door, entry-point group ``headrace``, and
register as ``trylast``, so that a third party's answer wins. A plugin takes only the arguments
that it needs. What a plugin returns is a description: the core performs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol, runtime_checkable

import pluggy

from headrace.activations import (
    CATALOGUE,
    Activation,
    Answer,
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    Lingers,
    Override,
    Place,
    Reader,
    Reload,
    Scope,
    Standing,
)
from headrace.builds import PageEntry
from headrace.hosts import Accelerator, Host, Variant, VariantRequest
from headrace.lookups import Entry, LookUp
from headrace.models import (
    Artifact,
    Credential,
    Document,
    Mirror,
    MirrorStats,
    Origin,
    Plan,
    Request,
    Response,
    ServeArtifact,
    ServeDocument,
    SourceFailed,
    TransferFinished,
)

__all__ = [
    "CATALOGUE",
    "AcceleratorDetector",
    "Activation",
    "Answer",
    "AskGateway",
    "DiscoveredOrigin",
    "Ecosystem",
    "Explanation",
    "FileEdit",
    "Finding",
    "FreshnessProbe",
    "GatewayAddress",
    "Lingers",
    "ListsBuilds",
    "Override",
    "Place",
    "Reader",
    "Reload",
    "Scope",
    "Standing",
    "hookimpl",
    "hookspec",
]

hookspec = pluggy.HookspecMarker("headrace")
hookimpl = pluggy.HookimplMarker("headrace")


# ------------------------------------------------------------------ ecosystems


class Ecosystem(Protocol):
    """One world of names (Python packages, conda channels, OCI images). Pure: no I/O, no clock."""

    @property
    def name(self) -> str:
        """Word for routes, settings, statistics: ``python``."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Path prefixes of the gateway that are this ecosystem's, each with both slashes."""

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The closed list of origins that the gateway may ask on this ecosystem's behalf."""

    def plan(self, request: Request) -> Plan:
        """Say what to do with a client's request."""

    def form(self, request: Request, plan: ServeDocument) -> str:
        """Name the representation that this client is to get; answers are kept by it."""

    def rewrite(self, document: Document, form: str, plan: ServeDocument) -> Response:
        """Turn the origin's document into the client's; ValueError when it is no such document.

        Every link that it leaves in the page leads to the gateway or to the origin, never to a
        mirror. Deterministic: the gateway makes the ETag from the body and compresses.
        """

    def artifacts(self, document: Document, plan: ServeDocument) -> Iterable[Artifact]:
        """List what the document names; ValueError when it is no such document."""

    def look_up(self, plan: ServeArtifact) -> LookUp | None:
        """Find out what an artifact's digest is, step by step; None: its page says it
        (`ServeArtifact.named_by`, `artifacts`).
        """

    def entries(self, plan: ServeDocument, parts: Iterable[bytes]) -> Iterable[tuple[str, Entry]]:
        """Read a table (`ServeDocument.table`) that is too large for memory: names and what it
        says of them. ValueError when it is no such document.
        """

    def learn(self, document: Document, plan: ServeDocument | ServeArtifact) -> None:
        """Take from a document that goes as it is, and is no table, or from an artifact that names
        others, what `leads_to` and `look_up` will need. ValueError when it is no such document.
        """

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        """Give the artifact's URL at a mirror; None: its layout has no place for it."""

    def locate_document(self, plan: ServeDocument, mirror: Mirror) -> str | None:
        """Give the document's URL at a mirror, for provisional pages; None: not there."""

    def confirmation(self, artifact: Artifact) -> str | None:
        """Give the origin's URL whose 200 to a HEAD proves (path, digest), or None.

        Only where the origin's path is made of the content's own digest.
        """

    def leads_to(
        self, plan: ServeDocument | ServeArtifact, document: Document, request: Request
    ) -> Iterable[ServeDocument | ServeArtifact]:
        """Say what a client that got this document asks for next, likeliest first (read ahead).

        For `ServeArtifact` the document's body is the artifact's content (PEP 658 metadata).
        """


@runtime_checkable
class ListsBuilds(Protocol):
    """What an ecosystem has beside `Ecosystem` when some of its projects are built for several
    kinds of accelerators, in variant indexes beside the default one. Pure, too.

    Which build suits is the core's to say (`policy.variants`), what is listed the indexes'.
    """

    def asked(self, request: Request, plan: ServeDocument) -> VariantRequest | None:
        """Say for whom a build is to be chosen; None: this page stays, or this client's does."""

    def variant_page(self, project: str, label: str) -> ServeDocument | None:
        """Plan a project's page in a variant index; empty label: in the default one."""

    def page_path(self, project: str, label: str) -> str | None:
        """Give the gateway's path of that page, for those who ask for it by name."""

    def listed(self, document: Document, plan: ServeDocument) -> Iterable[tuple[str, bool]]:
        """List the names of the files on such a page, and whether each is yanked; ValueError when
        it is no such document.
        """

    def arranged(
        self,
        plan: ServeDocument,
        form: str,
        pages: Mapping[str, Document],
        entries: Sequence[PageEntry],
    ) -> Response:
        """Write a project's page from those of several indexes, by label, as `entries` say."""


@dataclass(frozen=True, slots=True)
class FreshnessProbe:
    """How to tell whether a mirror has caught up with the origin."""

    name: str
    requests: Callable[[Mirror], Sequence[Request]]
    judge: Callable[[Sequence[Response], Sequence[Response]], bool | None]
    """Mirror's answers, origin's answers: fresh, stale, or None when they do not tell."""


@dataclass(frozen=True, slots=True)
class AcceleratorDetector:
    """One way to find GPUs; run in a child process with a time limit in seconds."""

    name: str
    detect: Callable[[], Sequence[Accelerator]]
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a tool itself makes of a request, for ``headrace explain``."""

    tool: str
    lines: tuple[str, ...]
    """Sentences for people, the reason first."""
    paths: tuple[str, ...] = ()
    """Paths of the gateway whose sources are worth telling too."""
    table: Mapping[str, object] = field(default_factory=dict)
    """The same as values, for ``--json``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check of ``headrace doctor`` found."""

    check: str
    level: str
    """``ok``, ``note``, ``warning`` or ``failure``."""
    text: str
    hint: str = ""
    """What to do about it."""

    def table(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)


#: Asks the gateway for a path, with an Accept header; None: it has not that, or is not there.
AskGateway = Callable[[str, str], bytes | None]


# ------------------------------------------------------------------ the hooks


@hookspec
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    """Register ecosystems. `origins` are those that were discovered, of every ecosystem.

    Example::

        @hookimpl
        def headrace_ecosystems(origins):
            yield CratesEcosystem([o for o in origins if o.ecosystem == "crates"])
    """
    raise NotImplementedError


@hookspec
def headrace_mirrors(ecosystem: str) -> Iterable[Mirror]:
    """Register mirrors of an ecosystem: the shipped catalogue, a site's own list.

    Example::

        @hookimpl
        def headrace_mirrors(ecosystem):
            if ecosystem == "python":
                yield Mirror("campus", "python", "https://mirror.campus.example/pypi", "packages",
                             operator_class=OperatorClass.ORGANISATION)
    """
    raise NotImplementedError


@hookspec
def headrace_freshness_probes(ecosystem: str) -> Iterable[FreshnessProbe]:
    """Register ways to tell a fresh mirror from a stale one.

    Example::

        @hookimpl
        def headrace_freshness_probes(ecosystem):
            if ecosystem == "python":
                yield FreshnessProbe("serial", requests=serial_request, judge=same_serial)
    """
    raise NotImplementedError


@hookspec
def headrace_accelerator_detectors() -> Iterable[AcceleratorDetector]:
    """Register ways to find GPUs; all are asked, the first that answers wins.

    Example::

        @hookimpl
        def headrace_accelerator_detectors():
            yield AcceleratorDetector("acme-smi", detect=ask_acme_smi, timeout=2.0)
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def headrace_choose_variant(
    request: VariantRequest, accelerators: Sequence[Accelerator]
) -> Variant | None:
    """Choose the build of a package for these accelerators; None: no opinion.

    Example::

        @hookimpl
        def headrace_choose_variant(request, accelerators):
            if request.project == "acme-kernels" and accelerators:
                return Variant("acme2", reason="the Acme card needs the acme2 build")
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def headrace_order_mirrors(
    artifact: Artifact, candidates: Sequence[MirrorStats]
) -> Sequence[Mirror] | None:
    """Order the mirrors for an artifact, best first, leaving out those not to be asked.

    Example::

        @hookimpl
        def headrace_order_mirrors(artifact, candidates):
            if artifact.size and artifact.size > 1 << 30:  # big files from the campus alone
                return [c.mirror for c in candidates if c.mirror.id == "campus"]
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def headrace_credential(origin: Origin) -> Credential | None:
    """Give the user's credential for an origin. There is no such hook for mirrors, on purpose.

    Example::

        @hookimpl
        def headrace_credential(origin):
            if origin.url.startswith("https://index.corp.example/"):
                return Credential("ci", read_vault("index"))
    """
    raise NotImplementedError


@hookspec
def headrace_explanations(  # noqa: PLR0917 - pluggy gives arguments by name
    what: str,
    version: str | None,
    ecosystem: str | None,
    place: Place,
    find_host: Callable[[], Host],
    ask: AskGateway,
) -> Iterable[Explanation]:
    """Add to ``headrace explain``: what a tool itself makes of a request on this machine, or on
    the one that `find_host` was told of (its `cuda` is filled in).

    Example::

        @hookimpl
        def headrace_explanations(what, ecosystem):
            if ecosystem == "crates":
                yield Explanation("cargo", (ask_cargo(what),))
    """
    raise NotImplementedError


@hookspec
def headrace_checks(place: Place, host: Host) -> Iterable[Finding]:
    """Add to ``headrace doctor``: what a tool needs of this machine, `host` being what was found.

    Example::

        @hookimpl
        def headrace_checks(host):
            if host.accelerators and not shutil.which("acme-runtime"):
                yield Finding("acme", "warning", "acme-runtime is missing", "install it")
    """
    raise NotImplementedError


@hookspec
def headrace_activations() -> Iterable[Activation]:
    """Register how a tool is pointed at the gateway.

    Example::

        @hookimpl
        def headrace_activations():
            yield CargoActivation()
    """
    raise NotImplementedError


@hookspec
def headrace_observe(event: SourceFailed | TransferFinished) -> None:
    """Watch what happens. Must return at once; what it raises is logged, never felt.

    Example::

        @hookimpl
        def headrace_observe(event):
            if isinstance(event, SourceFailed):
                counter.labels(event.source, event.fault).inc()
    """
    raise NotImplementedError
