"""A plugin as a third party writes it: one module, every hook, and `headrace.interface` alone.

Acme names its files by their SHA-256. Its mirrors are those of the variable ACME_MIRRORS, and only
those of the campus are asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    Accelerator,
    AcceleratorDetector,
    Activation,
    Artifact,
    ContainerNetwork,
    Credential,
    Digest,
    DiscoveredOrigin,
    Ecosystem,
    Explanation,
    FileEdit,
    Finding,
    Fix,
    FolderFile,
    GatewayAddress,
    Host,
    ImageFolder,
    ImageOutcome,
    ImagePin,
    ImageQuestion,
    ImageTool,
    ImageToWarm,
    ImageTrial,
    ImageWishes,
    LeadsContainers,
    LedBy,
    LedInside,
    LedTool,
    Limits,
    LookUp,
    Mirror,
    MirrorStats,
    NamedImages,
    NotLed,
    OperatorClass,
    Origin,
    Override,
    PassThrough,
    PinState,
    Place,
    Plan,
    Reader,
    Refuse,
    Request,
    ServeArtifact,
    SourceFailed,
    Standing,
    TransferFinished,
    Variant,
    VariantRequest,
    environment,
    hookimpl,
)

# ruff: noqa: ARG002 - a protocol decides about the arguments

_PATH = re.compile(r"/acme/([a-z]+)/(search|[0-9a-f]{64})")
#: Mirrors that are asked at all, best first.
_CAMPUS = ("campus", "vault")
#: The file of acme-runtime, as it was and as it is read now.
OLD, NEW = b"version 1\n", b"version 2\n"
CARD = Accelerator("acme", "Acme One", architecture="a1")


class AcmeEcosystem:
    """Files by their digests, below ``/acme/<origin>/``; an `Ecosystem` that `LooksUp`."""

    name = "acme"
    prefixes = ("/acme/",)

    def __init__(self, origins: Iterable[Origin]) -> None:
        self._named = {origin.name: origin for origin in origins}

    @property
    def origins(self) -> tuple[Origin, ...]:
        return tuple(self._named.values())

    def plan(self, request: Request) -> Plan:
        found = _PATH.fullmatch(request.path)
        origin = self._named.get(found[1]) if found else None
        if found is None or origin is None:
            return Refuse(404, "Acme has no such path")
        if found[2] == "search":
            return PassThrough(origin, f"{origin.url}/search", relay=True)
        return ServeArtifact(request.path, None)

    def look_up(self, plan: ServeArtifact) -> LookUp:
        yield from ()
        found = _PATH.fullmatch(plan.path)
        if found is None:
            return None
        origin, digest = self._named[found[1]], Digest("sha256", found[2])
        return Artifact(self.name, plan.path, found[2], f"{origin.url}/{found[2]}", origin, digest)

    def locate(self, artifact: Artifact, mirror: Mirror) -> str | None:
        return f"{mirror.url}/{artifact.name}"


class AcmeActivation:
    """The tool ``acme``, whose configuration is one line with an address."""

    tool = "acme"

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        found = read(self._file(place))
        url = found.decode().strip() if found else "https://acme.example"
        return [DiscoveredOrigin(Origin("acme", url), str(self._file(place)))]

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        path = self._file(place)
        line = f"{gateway.url('/acme/default/')}\n".encode()
        return [FileEdit(path, read(path), line, "acme asks the gateway")]

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        found = read(self._file(place))
        routed = found and gateway and found.decode().startswith(gateway.url())
        return Standing.ROUTED if routed else Standing.NOT_ROUTED

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        return ()

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        return None

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        return {"ACME_URL": gateway.url("/acme/default/")}, ()

    @staticmethod
    def _file(place: Place) -> Path:
        return place.home / ".acme"


def find_cards() -> Sequence[Accelerator]:
    return [CARD]


@hookimpl
def headrace_ecosystems(origins: Sequence[Origin]) -> Iterable[Ecosystem]:
    mine = [origin for origin in origins if origin.ecosystem == "acme"]
    return [AcmeEcosystem(mine)] if mine else []


@hookimpl
def headrace_mirrors(ecosystem: str) -> Iterable[Mirror]:
    if ecosystem == "acme":
        for each in environment().get("ACME_MIRRORS", "").split():
            name, _, url = each.partition("=")
            kind = OperatorClass.ORGANISATION
            limits = Limits(probe=False)
            yield Mirror(name, "acme", url, "flat", operator_class=kind, limits=limits)


@hookimpl
def headrace_accelerator_detectors() -> Iterable[AcceleratorDetector]:
    return [AcceleratorDetector("acme", find_cards)]


@hookimpl
def headrace_choose_variant(
    request: VariantRequest, accelerators: Sequence[Accelerator]
) -> Variant | None:
    if request.project == "torch" and CARD in accelerators:
        return Variant("cpu", "the Acme One computes beside torch")
    return None


@hookimpl
def headrace_order_mirrors(
    artifact: Artifact, candidates: Sequence[MirrorStats]
) -> Sequence[Mirror] | None:
    if artifact.ecosystem != "acme":
        return None
    known = {each.mirror.id: each.mirror for each in candidates}
    return [known[name] for name in _CAMPUS if name in known]


@hookimpl
def headrace_credential(origin: Origin) -> Credential | None:
    return Credential("acme", "of the origin") if origin.ecosystem == "acme" else None


@hookimpl
def headrace_login(mirror: Mirror) -> Credential | None:
    return Credential("acme", "of the vault") if mirror.id == "vault" else None


@hookimpl
def headrace_explanations(what: str, ecosystem: str | None) -> Iterable[Explanation]:
    if ecosystem == "acme":
        yield Explanation("acme", (f"Acme made {what}",), table={"made": what})


class AcmeImages(ImageTool):
    """Acme's own registry."""

    def find(self, question: ImageQuestion) -> Iterable[Explanation]:
        what = question.what
        if what.startswith("acme.example/"):
            yield Explanation("acme", (f"Acme packed {what}",), table={"packed": what})

    def folder(
        self, question: ImageQuestion, wishes: ImageWishes, directory: Path
    ) -> ImageFolder | None:
        if not question.what.startswith("acme.example/"):
            return None
        found = Explanation("acme", (f"Acme packed {question.what}",))
        files = (FolderFile("Acmefile", f"from {question.what} for {wishes.user}\n".encode()),)
        return ImageFolder(found, files, (f"acme-build {directory}",))

    def names_images(self, name: str) -> bool:
        return name == "acme.list"

    def outdated(self, named: NamedImages) -> Iterable[ImagePin]:
        for file in named.files:
            for line in file.content.decode().split():
                yield ImagePin(line, (file.name,), PinState.NOT_PINNED)

    def warm(self, named: NamedImages) -> Iterable[ImageToWarm]:
        for name in named.names:
            if name.startswith("acme.example/"):
                yield ImageToWarm(name, (), problem="Acme packs on demand")

    def check(self, trial: ImageTrial) -> Iterable[ImageOutcome]:
        if trial.image.startswith("acme.example/"):
            yield ImageOutcome("acme", (f"Acme tried {trial.image}",), table={"tried": True})


@hookimpl
def headrace_image_tools() -> Iterable[ImageTool]:
    yield AcmeImages()


@hookimpl
def headrace_checks(place: Place, host: Host) -> Iterable[Finding]:
    if CARD in host.accelerators:
        yield Finding("acme", "warning", "acme-runtime is missing", "install it")
    path = place.home / ".acme-runtime"
    if path.exists() and path.read_bytes() == OLD:
        edit = FileEdit(path, OLD, NEW, "acme-runtime reads version 2 alone")
        fix = Fix("write .acme-runtime as version 2", (edit,))
        yield Finding("acme", "warning", f"{path} is of version 1", "`acme migrate`", fix)


class AcmeBuilds:
    """Acme's builder, which has no network for its steps."""

    def inside(self, words: Sequence[str], place: Place) -> LedInside | NotLed | None:
        del place
        if words[0] != "acme-build":
            return None
        return NotLed("steps of acme-build have no network", "build it with podman", refused=True)


@hookimpl
def headrace_led_tools() -> Iterable[LedTool]:
    yield LedTool("acmectl", ("acmectl",), {"": LedBy.PROXY, "start": LedBy.ALONE})


@hookimpl
def headrace_led_containers() -> Iterable[LeadsContainers]:
    yield AcmeBuilds()


@hookimpl
def headrace_container_networks() -> Iterable[ContainerNetwork]:
    yield ContainerNetwork("acme", "usual", why_not="acme's containers have no network")


@hookimpl
def headrace_activations() -> Iterable[Activation]:
    return [AcmeActivation()]


@hookimpl
def headrace_observe(event: SourceFailed | TransferFinished) -> None:
    if log := environment().get("ACME_LOG"):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{type(event).__name__} {event.artifact.name}\n")
