"""What an ecosystem is: one world of names, told by a plugin, performed by the core.

`Ecosystem` is all that it must be. What it can do beside that is a protocol each: it has the
methods, and the core finds them (`isinstance`); it lacks them, and the core goes the simple way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

# Every command and every tool that loads a plugin of ours loads this file: for types it pays
# nothing.
if TYPE_CHECKING:
    from headrace.interface.lookups import Entry, LookUp
    from headrace.interface.request_reading import NamedDocument, RequestReading
    from headrace.models import (
        Artifact,
        Document,
        Mirror,
        Origin,
        Plan,
        Request,
        Response,
        ServeArtifact,
        ServeDocument,
    )
    from headrace.ownership.processes import Program
    from headrace.variants.builds import ListedFile, PageEntry
    from headrace.variants.hosts import VariantRequest

__all__ = [
    "AllowsAnonymous",
    "Confirms",
    "CutsCompanions",
    "DescribesHosts",
    "Ecosystem",
    "FindsArtifacts",
    "ForeseesDocuments",
    "FormatsRefusals",
    "HasSamples",
    "IndexesDocuments",
    "Intercepts",
    "KnowsNames",
    "KnowsRequests",
    "KnowsSubstitutes",
    "Learns",
    "ListsBuilds",
    "LocatesDocuments",
    "LooksUp",
    "ManyOwners",
    "NamesFileHosts",
    "NamesLayouts",
    "ReadsAhead",
    "ServesDocuments",
    "SpellsDigests",
]


@runtime_checkable
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

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        """Give the artifact's URL at a mirror; None: its layout has no place for it."""


@runtime_checkable
class NamesLayouts(Protocol):
    """It says which layouts of mirrors it knows, so that a mistyped one in the settings is told.

    Without it any word passes there, and a mirror of a layout that it has not is never asked.
    """

    @property
    def layouts(self) -> Collection[str]:
        """The words that `Mirror.layout` may be."""


@runtime_checkable
class HasSamples(Protocol):
    """It knows files that its mirrors surely have, large enough to tell a rate (`headrace bench`).

    Without it only what came lately is measured with, or what the user names.
    """

    def samples(self) -> Iterable[str]:
        """Give the gateway's paths of some, likeliest first; of a page the largest file is meant.

        Example: ``/crates/big/big-1.0.crate``.
        """


# ------------------------------------------------------------------ documents


@runtime_checkable
class ServesDocuments(Protocol):
    """Its documents are small pages that name artifacts, and are rewritten for clients. Pure.

    Without it every document goes out as its origin gave it, and names nothing.
    """

    def form(self, request: Request, plan: ServeDocument) -> str:
        """Name the representation that this client is to get; answers are kept by it."""

    def rewrite(self, document: Document, form: str, plan: ServeDocument) -> Response:
        """Turn the origin's document into the client's; ValueError when it is no such document.

        Every link that it leaves in the page leads to the gateway or to the origin, never to a
        mirror. Deterministic: the gateway makes the ETag from the body and compresses.
        """

    def artifacts(self, document: Document, plan: ServeDocument) -> Iterable[Artifact]:
        """List what the document names (`ServeArtifact.named_by`); ValueError when it is no such
        document.
        """


@runtime_checkable
class FindsArtifacts(Protocol):
    """It finds one artifact in a document without listing all of them. Pure.

    Without it a document is read for all of them, and they are kept.
    """

    def find_artifact(self, document: Document, plan: ServeDocument, path: str) -> Artifact | None:
        """Return what `artifacts` would list at this path; ValueError as there."""


@runtime_checkable
class LocatesDocuments(Protocol):
    """Mirrors have its documents too: where the origin is slow, one may stand in for a while."""

    def locate_document(self, plan: ServeDocument, mirror: Mirror) -> str | None:
        """Give the document's URL at a mirror, for provisional pages; None: not there."""


@runtime_checkable
class ForeseesDocuments(Protocol):
    """Where mirrors have its documents is known before one can be read. Pure.

    Without it nobody asks a mirror before `LocatesDocuments` says where.
    """

    def foreseen_document(self, plan: ServeDocument, mirror: Mirror) -> str | None:
        """Give the URL that `locate_document` is going to give, if any, once the origin has said
        what that hangs on.
        """


@runtime_checkable
class Confirms(Protocol):
    """Its origin's paths are made of the content's own digest, so that having one proves it.

    Without it what a mirror's page names waits for the origin's own page.
    """

    def confirmation(self, artifact: Artifact) -> str | None:
        """Give the origin's URL whose 200 to a HEAD proves (path, name, digest), or None."""


@runtime_checkable
class SpellsDigests(Protocol):
    """The path of a file may be all that there is to know of it: where it `Confirms` too, the
    origin's word that it has it is as good as the page, which a client with a lock never asked for.
    Pure.
    """

    def spelt(self, plan: ServeArtifact) -> Artifact | None:
        """Make an artifact of a path alone, its size unknown; None: the path does not tell."""


@runtime_checkable
class CutsCompanions(Protocol):
    """What lies beside some of its files lies within them, too. Pure.

    Without it what a mirror's page names has no companions.
    """

    def holder(self, path: str) -> str | None:
        """Give the path of the file that holds what is at `path`; None: it is no companion."""

    def cut(self, path: str, content: bytes) -> bytes | None:
        """Cut what is at `path` out of the content of its holder; None: it is not in there."""


@runtime_checkable
class ReadsAhead(Protocol):
    """It knows what its clients ask for next. Pure, too."""

    def leads_to(
        self, plan: ServeDocument | ServeArtifact, document: Document, request: Request
    ) -> Iterable[ServeDocument | ServeArtifact]:
        """Say what a client that got this document asks for next, likeliest first.

        For `ServeArtifact` the document's body is the artifact's content (PEP 658 metadata). One
        that goes as it is (`ServeDocument.magic`) is not waited for: its body is empty here.
        """


@runtime_checkable
class KnowsSubstitutes(Protocol):
    """It knows what its clients ask for in the place of a document that is missing. Pure, too.

    Without it nothing is read ahead where what a page led to is not there.
    """

    def instead_of(self, plan: ServeDocument, request: Request) -> Iterable[ServeDocument]:
        """Say what a client asks for next that hears of the origin: there is no such document.

        `request` is what it asked for when this was foreseen.
        """


@runtime_checkable
class KnowsNames(Protocol):
    """It can tell from a client's own program what that will ask for one after the other. Pure:
    what it reads of the machine it reads through the program.

    Example: ``get thing other`` asks for the page of ``thing``; that of ``other`` comes next.
    """

    def asks_in_turn(self, request: Request) -> bool:
        """Whether a client asks for one after the other, so that knowing them is worth a look."""

    def named(
        self, plan: ServeDocument, program: Program, request: Request
    ) -> Iterable[NamedDocument]:
        """List the documents that a client which asks for `plan` will ask the same origin for, in
        its own order. Nothing that it would not ask that origin for by itself.
        """

    def leads_to_of(
        self, named: NamedDocument, document: Document, request: Request
    ) -> Iterable[ServeDocument | ServeArtifact]:
        """Say the same as `ReadsAhead.leads_to`, of what the user wants."""


# ------------------------------------------------------------------ digests


@runtime_checkable
class LooksUp(Protocol):
    """What an artifact's digest is takes some steps to find out. Pure, too.

    Without it the page that a path names says it (`ServesDocuments`), and where a path names none
    the client is sent to the origin (`ServeArtifact.url`).
    """

    def look_up(self, plan: ServeArtifact) -> LookUp:
        """Find out what an artifact's digest is, step by step."""


@runtime_checkable
class IndexesDocuments(Protocol):
    """It has documents that are too large for memory (`ServeDocument.table`)."""

    def entries(self, plan: ServeDocument, parts: Iterable[bytes]) -> Iterable[tuple[str, Entry]]:
        """Read one: names, and what it says of them. ValueError when it is no such document."""


@runtime_checkable
class Learns(Protocol):
    """It takes from what passes by what `leads_to` and `look_up` will need."""

    def learn(self, document: Document, plan: ServeDocument | ServeArtifact) -> None:
        """Read a document that goes as it is, and is no table, or an artifact that names others
        (`Artifact.names_others`). ValueError when it is no such document.
        """


# ------------------------------------------------------------------ the origins' own URLs


@runtime_checkable
class Intercepts(Protocol):
    """Clients that know its origins by their own URLs alone can be led too: they believe to talk to
    the origin, and what they write down names it (`headrace run`). Pure.

    That is all it takes. Its public origins' hosts are intercepted for the one command that is
    led; pages go out as the origin gave them, artifacts as `ServeArtifact` has them, and
    whatever else is asked there goes on to the origin, with the client's own headers.
    """

    def requested_at(self, url: str) -> str | None:
        """Give the gateway's path, decoded, of what a URL names (https, without a fragment; the
        port where it is not 443); None: the origin answers for itself. Never for one that holds a
        secret.

        Example: ``https://crates.example/api/v1/crates/x/1.0/download`` is
        ``/crates/x/x-1.0.crate`` here.
        """


@runtime_checkable
class NamesFileHosts(Protocol):
    """Its origins keep files at other hosts than their own. Pure, too.

    Without it only the hosts of its origins' own URLs are intercepted.
    """

    def file_hosts(self) -> Collection[str]:
        """Give base URLs of the hosts that are known now."""

    def teaching(self) -> Iterable[ServeDocument]:
        """Plan documents that teach what is not known yet (`ServesDocuments.artifacts`)."""


# ------------------------------------------------------------------ clients and hosts


@runtime_checkable
class ListsBuilds(Protocol):
    """Some of its projects are built for several kinds of accelerators, in variant indexes beside
    the default one. Pure, too.

    Which build suits is the core's to say (`variants.choose`), what is listed the indexes'.
    """

    def asked(self, request: Request, plan: ServeDocument) -> VariantRequest | None:
        """Say for whom a build is to be chosen; None: this page stays, or this client's does."""

    def variant_page(self, project: str, label: str) -> ServeDocument | None:
        """Plan a project's page in a variant index; empty label: in the default one."""

    def page_path(self, project: str, label: str) -> str | None:
        """Give the gateway's path of that page, for those who ask for it by name."""

    def listed(self, document: Document, plan: ServeDocument) -> Iterable[ListedFile]:
        """List the files on such a page; ValueError when it is no such document."""

    def arranged(
        self,
        plan: ServeDocument,
        form: str,
        pages: Mapping[str, Document],
        entries: Sequence[PageEntry],
    ) -> Response:
        """Write a project's page from those of several indexes, by label, as `entries` say."""


@runtime_checkable
class KnowsRequests(Protocol):
    """It can tell from a client's own program what is asked for beside the one page. Pure: what it
    reads of the machine it reads through the program.

    Example: ``get -f wanted.txt thing`` asks for the page of ``thing``; `Program.arguments` say
    that, ``program.read(Path("wanted.txt"))`` says which version of it, and what comes with it.
    """

    def requested(
        self, asked: VariantRequest, program: Program, request: Request
    ) -> RequestReading:
        """Find out step by step what the program's user asks for; `asked` is what the page tells.

        A command line that is none of its client's leaves `asked` as it is, and not whole.
        """


@runtime_checkable
class FormatsRefusals(Protocol):
    """Its clients read refusals in a form of their own. Pure, too."""

    def phrased(self, status: int, words: str, path: str) -> Response:
        """Say `words` with a 4xx `status` to whoever asked for `path`."""


@runtime_checkable
class DescribesHosts(Protocol):
    """Some of its paths say in words for which host builds are chosen, so that a pool of nodes is
    given one URL. Pure.
    """

    def described_in(self, path: str) -> tuple[str, str] | None:
        """Split a decoded path into the host's description, as `HEADRACE_TARGET` has it, and the
        path that is meant for that host; None: it describes none.

        Example: ``/crates/auto/driver=550,gpu=A100/simple/x/`` is ``driver=550,gpu=A100`` and
        ``/simple/x/``.
        """


@runtime_checkable
class AllowsAnonymous(Protocol):
    """Its clients cannot show the gateway's token."""

    @property
    def for_everybody(self) -> bool:
        """True: nothing that it gives is one user's own, so that none is asked for."""


@runtime_checkable
class ManyOwners(Protocol):
    """At one of its origins lie the things of many owners: registries, hosts of channels. Pure."""

    def owner(self, url: str) -> str:
        """Name whose thing a URL at an origin is. That one wants a credential says nothing of the
        others: neither are they private then, nor are they shown it.
        """
