"""All that a plugin may import: a third party's, and those that headrace brings.

A plugin is a module (or an object) with functions that are marked `hookimpl` and named after a
hook, and an entry point in the group ``headrace`` that leads to it::

    [project.entry-points.headrace]
    acme = "acme_headrace"

`headrace.interface.hookspecs` is the manual: every hook with an example. What hooks take and give
is named here and imported from here; every other module of headrace may change with any version.
Beside these names there are `headrace.interface.catalogue`, which reads the catalogue of mirrors
that headrace ships, and `headrace.interface.editing`, helpers for edits of tools' files:
`loopback` (proxies that would take requests for the gateway), `presence` (whether a tool is here)
and `toml_text` (one key of a TOML file, the rest as it was).

A name is imported when it is first asked for: what other tools load at their start-up does not pay
for the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace import __version__
    from headrace.config import DEFAULT_PORT, EnvVars, Folders, environment, home_folder
    from headrace.errors import ConfigurationError, HeadraceError, LocalError, UsageError
    from headrace.foreign import (
        UnreadableError,
        foreign,
        read_json,
        read_json_or_none,
        read_toml,
        whole_number,
    )
    from headrace.http.unpacking import TooMuchError, Unpacker, unpack
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
    from headrace.interface.containers import (
        ContainerCommand,
        ContainerNetwork,
        InsideLead,
        LeadsContainers,
        LedInside,
        NotLed,
        ReadInContainers,
    )
    from headrace.interface.ecosystems import (
        AllowsAnonymous,
        Confirms,
        CutsCompanions,
        DescribesHosts,
        Ecosystem,
        FindsArtifacts,
        ForeseesDocuments,
        FormatsRefusals,
        HasSamples,
        IndexesDocuments,
        Intercepts,
        KnowsNames,
        KnowsRequests,
        KnowsSubstitutes,
        Learns,
        ListsBuilds,
        LocatesDocuments,
        LooksUp,
        ManyOwners,
        NamesFileHosts,
        NamesLayouts,
        ReadsAhead,
        ServesDocuments,
        SpellsDigests,
    )
    from headrace.interface.explanations import (
        AskForAnswer,
        AskGateway,
        Explanation,
        GatewayAnswer,
    )
    from headrace.interface.hookspecs import (
        AcceleratorDetector,
        Finding,
        Fix,
        hookimpl,
    )
    from headrace.interface.images import (
        FolderFile,
        HeldSecret,
        ImageCame,
        ImageFolder,
        ImageOutcome,
        ImagePull,
        ImageQuestion,
        ImageStanding,
        ImageTool,
        ImageTrial,
        ImageWishes,
    )
    from headrace.interface.leading import LedBy, LedTool, Logins
    from headrace.interface.lookups import (
        CacheMode,
        Entry,
        HeadRequest,
        LookUp,
        LookUpResult,
        LookUpStep,
    )
    from headrace.interface.named_images import (
        ImageFile,
        ImageObject,
        ImagePin,
        ImageToWarm,
        NamedImages,
        PinState,
    )
    from headrace.interface.request_reading import (
        NamedDocument,
        RequestRead,
        RequestReading,
    )
    from headrace.models import (
        Artifact,
        Credential,
        Digest,
        Document,
        Fault,
        Limits,
        Mirror,
        MirrorStats,
        OperatorClass,
        Origin,
        PassThrough,
        Plan,
        Refuse,
        Reply,
        Request,
        Response,
        ServeArtifact,
        ServeDocument,
        SourceFailed,
        TransferFinished,
        fits,
    )
    from headrace.ownership.files import account_of
    from headrace.ownership.files import read as read_believed
    from headrace.ownership.files import trusted as trusted_users
    from headrace.ownership.listeners import nobody_else_listens
    from headrace.ownership.processes import Program
    from headrace.redact import (
        TOKEN_FORM,
        for_display,
        for_files,
        has_secret,
        hosts_of_secrets,
        split_credential,
    )
    from headrace.values import dataclass
    from headrace.variants.builds import Architectures, CudaTables, ListedFile, PageEntry
    from headrace.variants.compatibility.inside import Contents as ImageContents
    from headrace.variants.compatibility.inside import host_text, in_the_way
    from headrace.variants.compatibility.inside import release_in as find_release
    from headrace.variants.compatibility.inside import runs_on as image_kind
    from headrace.variants.compatibility.labels import Kind as BuildKind
    from headrace.variants.hosts import Accelerator, Host, Situation, Variant, VariantRequest
    from headrace.variants.tables import load as load_cuda_tables
    from headrace.wording import counted, heard, meant, printable

__all__ = [  # noqa: RUF022 - by what they are for
    # What a plugin's functions are marked with, and what hooks ask and answer (`hookspecs`).
    "hookimpl",
    "AcceleratorDetector",
    "AskForAnswer",
    "AskGateway",
    "Explanation",
    "Finding",
    "Fix",
    "GatewayAnswer",
    # Who names things, who has their bytes, and what both are (`headrace.models`).
    "Artifact",
    "Credential",
    "Digest",
    "Document",
    "Limits",
    "Mirror",
    "MirrorStats",
    "OperatorClass",
    "Origin",
    "fits",
    # A client's request, and what is to be done with it.
    "PassThrough",
    "Plan",
    "Refuse",
    "Reply",
    "Request",
    "Response",
    "ServeArtifact",
    "ServeDocument",
    # What watchers hear (`headrace_observe`).
    "Fault",
    "SourceFailed",
    "TransferFinished",
    # An ecosystem, and what it may be able to do beside the core (`ecosystems`).
    "Ecosystem",
    "AllowsAnonymous",
    "DescribesHosts",
    "Confirms",
    "CutsCompanions",
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
    "ListedFile",
    "ListsBuilds",
    "LocatesDocuments",
    "LooksUp",
    "ManyOwners",
    "NamesFileHosts",
    "NamesLayouts",
    "ReadsAhead",
    "ServesDocuments",
    "SpellsDigests",
    # How it finds out, step by step, what an artifact's digest is (`lookups`).
    "CacheMode",
    "Entry",
    "HeadRequest",
    "LookUp",
    "LookUpResult",
    "LookUpStep",
    # How it finds out what else a client asks for (`request_reading`).
    "NamedDocument",
    "Program",
    "RequestRead",
    "RequestReading",
    # How a tool is pointed at the gateway: files in, edits out (`activations`).
    "CATALOGUE",
    "Activation",
    "DiscoveredOrigin",
    "FileEdit",
    "GatewayAddress",
    "LeadsNodes",
    "Lingers",
    "OptIn",
    "Override",
    "Place",
    "Reader",
    "Reload",
    "ReloadCheck",
    "Scope",
    "Standing",
    # By which way a tool's commands are led (`leading`).
    "LedBy",
    "LedTool",
    "Logins",
    # How what engines start in containers is led (`containers`).
    "ContainerCommand",
    "ContainerNetwork",
    "InsideLead",
    "LeadsContainers",
    "LedInside",
    "NotLed",
    "ReadInContainers",
    # A machine's accelerators, and builds of packages for them.
    "Accelerator",
    "Host",
    "FolderFile",
    "HeldSecret",
    "ImageCame",
    "ImageFolder",
    "ImageOutcome",
    "ImagePull",
    "ImageQuestion",
    "ImageStanding",
    "ImageTool",
    "ImageTrial",
    "ImageWishes",
    # Images that files name, and what came of them.
    "ImageFile",
    "ImageObject",
    "ImagePin",
    "ImageToWarm",
    "NamedImages",
    "PinState",
    "Situation",
    "Variant",
    "VariantRequest",
    "Architectures",
    "CudaTables",
    "PageEntry",
    "load_cuda_tables",
    "meant",
    # Whether what an image holds runs on one.
    "BuildKind",
    "ImageContents",
    "find_release",
    "host_text",
    "image_kind",
    "in_the_way",
    # What a plugin raises where a tool's file cannot be understood, or the machine is in the way.
    "ConfigurationError",
    "HeadraceError",
    "LocalError",
    "UsageError",
    # How text of others' is read, so that whatever its parser raises is one of these errors.
    "UnreadableError",
    "foreign",
    "read_json",
    "read_json_or_none",
    "read_toml",
    "whole_number",
    # Of what came packed, no more than is allowed.
    "TooMuchError",
    "Unpacker",
    "unpack",
    # URLs that may hold secrets: for people, and for files.
    "for_display",
    "for_files",
    "TOKEN_FORM",
    "has_secret",
    "heard",
    "hosts_of_secrets",
    "split_credential",
    # A number with its noun.
    "counted",
    "printable",
    # As Python's own, made in a quarter of the time.
    "dataclass",
    # Where headrace itself keeps what, and the environment.
    "DEFAULT_PORT",
    "EnvVars",
    "Folders",
    "environment",
    "home_folder",
    # Whose something is: files that nobody else can write, a port that nobody else has.
    "account_of",
    "nobody_else_listens",
    "read_believed",
    "trusted_users",
    # Of headrace.
    "__version__",
]

#: Where each of them is; after a colon by what name, where that is another one.
_HOMES = {
    "headrace": "__version__",
    "headrace.config": "DEFAULT_PORT EnvVars Folders environment home_folder",
    "headrace.errors": "ConfigurationError HeadraceError LocalError UsageError",
    "headrace.foreign": "UnreadableError foreign read_json read_json_or_none read_toml "
    "whole_number",
    "headrace.http.unpacking": "TooMuchError Unpacker unpack",
    "headrace.interface.activations": "CATALOGUE Activation DiscoveredOrigin FileEdit "
    "GatewayAddress LeadsNodes Lingers OptIn Override Place Reader Reload ReloadCheck Scope "
    "Standing",
    "headrace.interface.containers": (
        "ContainerCommand ContainerNetwork InsideLead LeadsContainers LedInside NotLed "
        "ReadInContainers"
    ),
    "headrace.interface.ecosystems": "Ecosystem AllowsAnonymous Confirms CutsCompanions "
    "DescribesHosts "
    "FindsArtifacts ForeseesDocuments FormatsRefusals HasSamples IndexesDocuments Intercepts "
    "KnowsNames KnowsRequests KnowsSubstitutes Learns ListsBuilds LocatesDocuments LooksUp "
    "ManyOwners NamesFileHosts NamesLayouts ReadsAhead ServesDocuments SpellsDigests",
    "headrace.interface.explanations": "AskForAnswer AskGateway Explanation GatewayAnswer",
    "headrace.interface.hookspecs": "hookimpl AcceleratorDetector Finding Fix",
    "headrace.interface.images": "FolderFile HeldSecret ImageCame ImageFolder ImageOutcome "
    "ImagePull ImageQuestion ImageStanding ImageTool ImageTrial ImageWishes",
    "headrace.interface.leading": "LedBy LedTool Logins",
    "headrace.interface.lookups": "CacheMode Entry HeadRequest LookUp LookUpResult LookUpStep",
    "headrace.interface.named_images": "ImageFile ImageObject ImagePin ImageToWarm NamedImages "
    "PinState",
    "headrace.interface.request_reading": "NamedDocument RequestRead RequestReading",
    "headrace.models": "Artifact Credential Digest Document Fault Limits Mirror MirrorStats "
    "OperatorClass Origin PassThrough Plan Refuse Reply Request Response ServeArtifact "
    "ServeDocument SourceFailed TransferFinished fits",
    "headrace.ownership.files": "account_of",
    "headrace.ownership.files:read": "read_believed",
    "headrace.ownership.files:trusted": "trusted_users",
    "headrace.ownership.listeners": "nobody_else_listens",
    "headrace.ownership.processes": "Program",
    "headrace.redact": "TOKEN_FORM for_display for_files has_secret hosts_of_secrets "
    "split_credential",
    "headrace.values": "dataclass",
    "headrace.variants.builds": "Architectures CudaTables ListedFile PageEntry",
    "headrace.variants.compatibility.inside": "host_text in_the_way",
    "headrace.variants.compatibility.inside:Contents": "ImageContents",
    "headrace.variants.compatibility.inside:release_in": "find_release",
    "headrace.variants.compatibility.inside:runs_on": "image_kind",
    "headrace.variants.compatibility.labels:Kind": "BuildKind",
    "headrace.variants.hosts": "Accelerator Host Situation Variant VariantRequest",
    "headrace.variants.tables:load": "load_cuda_tables",
    "headrace.wording": "counted heard meant printable",
}
_FOUND = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # so that a wrong name is an error to a type checker

    def __getattr__(name: str) -> Any:
        if name not in _FOUND:
            message = f"{__name__} has no {name}"
            raise AttributeError(message)
        home, _, other = _FOUND[name].partition(":")
        value = getattr(importlib.import_module(home), other or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
