"""Where a mirror keeps what: the closed list of layouts. Data only picks one by its name.

The catalogue's mirrors copy the official index, whose address stands nowhere in this project. That
an origin is it, or a copy of it, shows in two things together: discovery found it to be pip's own
default or a mirror of the catalogue, so it is not private; and the path of the file is the digest
of its content. A public index of another kind has no such paths and its files stay with it.

Each function gets the mirror's base URL and the artifact, and gives the artifact's URL there or
None. Nothing here speaks to anybody; a wrong guess costs a 404, the digest decides about bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from headrace.interface import Artifact, Mirror
from headrace_pip.index.names import normalised, project_of, version_of
from headrace_pip.index.paths import content_path

__all__ = ["LAYOUTS", "document_url", "locate", "mirrors"]

Layout = Callable[[str, Artifact], str | None]

#: Where the gateway has the files of variant indexes.
_VARIANT_FILES = "/pytorch/"
_NVIDIA = "pypi.nvidia.com"


def _packages(base: str, artifact: Artifact) -> str | None:
    """Below the folder that holds ``simple``, by the content's path: bandersnatch and its kin."""
    path = content_path(artifact.url)
    return f"{base.removesuffix('/simple')}/{path}" if path else None


def _pypi_packages(base: str, artifact: Artifact) -> str | None:
    """SJTU's: the files have a tree of their own beside the index."""
    path = content_path(artifact.url)
    if path is None:
        return None
    root = base.removesuffix("/simple").removesuffix("/web").removesuffix("/pypi")
    return f"{root}/pypi-packages/{path.removeprefix('packages/')}"


def _artifactory(base: str, artifact: Artifact) -> str | None:
    """Artifactory's remote repository: the content's path below a folder of the same name."""
    path = content_path(artifact.url)
    return f"{base.removesuffix('/simple')}/packages/{path}" if path else None


def _nexus(base: str, artifact: Artifact) -> str | None:
    """Nexus: by project and version, the version as the file name spells it."""
    project, version = project_of(artifact.name), version_of(artifact.name)
    if project is None or version is None:
        return None
    name, version = quote(artifact.name), quote(version)
    return f"{base.removesuffix('/simple')}/packages/{project}/{version}/{name}"


def _devpi(base: str, artifact: Artifact) -> str | None:
    """Devpi: by the first hex digits of the SHA-256."""
    if artifact.digest is None or artifact.digest.algorithm != "sha256":
        return None
    value = artifact.digest.value
    root = base.removesuffix("/+simple").removesuffix("/simple")
    return f"{root}/+f/{value[:3]}/{value[3:16]}/{quote(artifact.name)}"


def _same_path(base: str, artifact: Artifact) -> str | None:
    """Another host with the very paths of the origin's file host."""
    return f"{base}{urlsplit(artifact.url).path}"


def _nvidia(base: str, artifact: Artifact) -> str | None:
    """NVIDIA's index on its other host: the same tree, and nobody else's files."""
    parts = urlsplit(artifact.url)
    return f"{base}{parts.path}" if parts.hostname == _NVIDIA else None


def _below_whl(artifact: Artifact) -> str | None:
    """Return ``<variant>/<file>``, still encoded, of a file that PyTorch's indexes keep."""
    tail = urlsplit(artifact.url).path.partition("/whl/")[2]
    return tail if artifact.path.startswith(_VARIANT_FILES) and tail else None


def _pytorch_copy(base: str, artifact: Artifact) -> str | None:
    """The origin's tree as it is, pages and files (NJU, and PyTorch's own second host)."""
    tail = _below_whl(artifact)
    url = f"{base}/{tail}"
    return url if tail and url != artifact.url else None


def _pytorch_pages(base: str, artifact: Artifact) -> str | None:
    """SJTU's: pages by project in a folder for each variant, and the files in that folder too."""
    tail = _below_whl(artifact)
    return f"{base}/{tail}" if tail else None


def _pytorch_flat(base: str, artifact: Artifact) -> str | None:
    """Alibaba Cloud's: one flat folder for each variant, with its wheels alone."""
    tail = _below_whl(artifact)
    return f"{base}/{tail}" if tail and tail.count("/") == 1 else None


LAYOUTS: Mapping[str, Layout] = {
    "packages": _packages,
    "pypi-packages": _pypi_packages,
    "artifactory": _artifactory,
    "nexus": _nexus,
    "devpi": _devpi,
    "same-path": _same_path,
    "nvidia": _nvidia,
    "pytorch-copy": _pytorch_copy,
    "pytorch-pages": _pytorch_pages,
    "pytorch-flat": _pytorch_flat,
    "headrace": _packages,
}

#: Layouts that copy what hangs below one path, whosever that is: not the files of variant indexes.
_OF_ONE_INDEX = frozenset({"nexus", "devpi", "same-path"})

#: Layouts whose project pages can be told from the base URL.
_PAGES = {
    "packages": "simple",
    "pypi-packages": "simple",
    "artifactory": "simple",
    "nexus": "simple",
    "devpi": "+simple",
    "headrace": "simple",
}


def locate(layout: str, base: str, artifact: Artifact) -> str | None:
    """Give the artifact's URL at a mirror; None: no such layout, or no place in it."""
    function = LAYOUTS.get(layout)
    if layout in _OF_ONE_INDEX and artifact.path.startswith(_VARIANT_FILES):
        return None
    return function(base.rstrip("/"), artifact) if function else None


def document_url(layout: str, base: str, project: str) -> str | None:
    """Give the URL of a project's page at a mirror; None: its layout has none."""
    folder = _PAGES.get(layout)
    if folder is None or normalised(project) != project:
        return None
    base = base.rstrip("/")
    index = base if base.endswith(f"/{folder}") else f"{base}/{folder}"
    return f"{index}/{project}/"


def mirrors() -> list[Mirror]:
    """Return the catalogue's mirrors."""
    from headrace.interface import catalogue  # noqa: PLC0415 - start-up time of commands

    return list(catalogue.load("python", LAYOUTS).mirrors())
