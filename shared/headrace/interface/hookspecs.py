"""Every hook of headrace, with its types and an example each. This file is the manual.

Plural nouns register (every plugin is heard), verbs with ``firstresult`` decide, ``observe``
watches. The built-in ecosystems come in by the same way, entry-point group ``headrace``, and
register as ``trylast``, so that a third party's answer wins. A plugin takes only the arguments
that it needs. What a plugin returns is a description: the core performs it. What the examples name
is imported from `headrace.interface`, and from nowhere else in headrace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import pluggy

from headrace.interface.activations import (
    CATALOGUE,
    Activation,
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    LeadsNodes,
    Lingers,
    OptIn,
    Override,
    Place,
    Reader,
    Reload,
    ReloadCheck,
    Scope,
    Standing,
)
from headrace.interface.containers import ContainerNetwork, LeadsContainers
from headrace.interface.ecosystems import Ecosystem
from headrace.interface.explanations import AskForAnswer, AskGateway, Explanation, GatewayAnswer
from headrace.interface.images import ImageTool
from headrace.interface.leading import LedBy, LedTool
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.models import (
        Artifact,
        Credential,
        Mirror,
        MirrorStats,
        Origin,
        SourceFailed,
        TransferFinished,
    )
    from headrace.variants.hosts import Accelerator, Host, Variant, VariantRequest

__all__ = [
    "CATALOGUE",
    "AcceleratorDetector",
    "Activation",
    "AskForAnswer",
    "AskGateway",
    "DiscoveredOrigin",
    "Ecosystem",
    "Explanation",
    "FileEdit",
    "Finding",
    "Fix",
    "GatewayAddress",
    "GatewayAnswer",
    "ImageTool",
    "LeadsContainers",
    "LeadsNodes",
    "LedBy",
    "LedTool",
    "Lingers",
    "OptIn",
    "Override",
    "Place",
    "Reader",
    "Reload",
    "ReloadCheck",
    "Scope",
    "Standing",
    "hookimpl",
    "hookspec",
]

hookspec = pluggy.HookspecMarker("headrace")
hookimpl = pluggy.HookimplMarker("headrace")


@dataclass(frozen=True, slots=True)
class AcceleratorDetector:
    """One way to find GPUs; run in a child process with a time limit in seconds."""

    name: str
    detect: Callable[[], Sequence[Accelerator]]
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Fix:
    """How ``headrace doctor --fix`` mends a finding: only what is safe to do without a thought.

    It is shown first, and done when it is wanted; then the check is asked again.
    """

    what: str
    """What will be done, as one would order it: ``start the gateway again``."""
    edits: tuple[FileEdit, ...] = ()
    """Files of the user's, before and after. ``headrace off`` gives them back."""
    gives_back: str = ""
    """A tool whose files are given back as they were before headrace; `edits` then say how, where
    no record of it is left."""
    perform: Callable[[], None] | None = None
    """What is no edit of a file of the user's. Whatever it raises is told, and stops no other."""

    def table(self) -> dict[str, object]:
        """Return it as plain values."""
        return {"what": self.what, "files": [str(edit.path) for edit in self.edits]}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check of ``headrace doctor`` found."""

    check: str
    level: str
    """``ok``, ``note``, ``warning`` or ``failure``."""
    text: str
    hint: str = ""
    """What to do about it: a command that can be copied, where there is one."""
    fix: Fix | None = None
    """How ``--fix`` mends it; None: that is for people to decide, or others to do."""

    def table(self) -> dict[str, object]:
        """Return it as plain values."""
        plain = {"check": self.check, "level": self.level, "text": self.text, "hint": self.hint}
        return {**plain, "fix": self.fix and self.fix.table()}


# ------------------------------------------------------------------ the hooks


@hookspec
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    """Register ecosystems. `origins` are those that were discovered, of every ecosystem.

    An `Ecosystem` is little: its name, paths, origins, a plan for each request, and where mirrors
    keep a file. Each thing more that it can do is a protocol of its own (`LooksUp`, `ReadsAhead`
    and the others in `ecosystems.py`): it has the methods or it has not. Of two with one name the
    third party's is used.

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
    """Give the user's credential for an origin. Mirrors never see it.

    Example::

        @hookimpl
        def headrace_credential(origin):
            if origin.url.startswith("https://index.corp.example/"):
                return Credential("ci", read_vault("index"))
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def headrace_login(mirror: Mirror) -> Credential | None:
    """Give the login that the user has at a mirror of their own (``login = true`` in the settings).

    Asked for no other mirror, and shown to nobody but that mirror.

    Example::

        @hookimpl
        def headrace_login(mirror):
            if mirror.ecosystem == "crates":
                return Credential("ci", read_vault(mirror.url))
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
def headrace_image_tools() -> Iterable[ImageTool]:
    """Register what ``headrace image`` can do about images of containers.

    Example::

        class AcmeImages(ImageTool):
            def find(self, question):
                if question.what.startswith("acme.example/"):
                    yield Explanation("acme", (newest(question),))

        @hookimpl
        def headrace_image_tools():
            yield AcmeImages()
    """
    raise NotImplementedError


@hookspec
def headrace_checks(place: Place, host: Host) -> Iterable[Finding]:
    """Add to ``headrace doctor``: what a tool needs of this machine, `host` being what was found.
    What is safe to mend brings a `Fix`, for ``headrace doctor --fix``.

    Example::

        @hookimpl
        def headrace_checks(place, host):
            if host.accelerators and not shutil.which("acme-runtime"):
                yield Finding("acme", "warning", "acme-runtime is missing", "install it")
            path = place.home / ".acme"
            if path.exists() and (old := path.read_bytes()).startswith(b"v1"):
                edit = FileEdit(path, old, b"v2" + old[2:], "acme reads v2 alone")
                yield Finding("acme", "warning", f"{path} is of version 1", "`acme migrate`",
                              Fix("write it as version 2", (edit,)))
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
def headrace_led_tools() -> Iterable[LedTool]:
    """Say by which way each command of a tool is led below ``headrace run``. Of two for one program
    the third party's counts.

    Example::

        @hookimpl
        def headrace_led_tools():
            yield LedTool("crate", ("crate",), {"": LedBy.PROXY, "run": LedBy.ALONE})
    """
    raise NotImplementedError


@hookspec
def headrace_led_containers() -> Iterable[LeadsContainers]:
    """Say how what engines start in containers is led below ``headrace build`` and ``run``.

    Example::

        @hookimpl
        def headrace_led_containers():
            yield AcmeBuilds()
    """
    raise NotImplementedError


@hookspec
def headrace_container_networks(place: Place) -> Iterable[ContainerNetwork]:
    """Say which networks engines have on this machine, for ``headrace on --containers``. May ask
    the engines, in bounds.

    Example::

        @hookimpl
        def headrace_container_networks(place):
            yield ContainerNetwork("acme", "usual", "10.9.0.1", "10.9.0.0/16", "acme0")
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
