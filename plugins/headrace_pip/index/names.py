"""What a file's name says: its project and its version.

The names of wheels are regular (binary distribution format), those of old source archives are
not. A name that cannot be read for certain is None; such a file then gets a gateway path that
carries its project (`paths`).
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["is_distribution", "normalised", "project_of", "version_of"]

_ARCHIVES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar.Z", ".tar")
_INSTALLERS = (".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg")
_NORMALISED = re.compile(r"[a-z0-9-]+")


@lru_cache(maxsize=4096)
def normalised(name: str) -> str | None:
    """Normalise a project's name (name normalisation, once PEP 503); None: it cannot be one."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - start-up time of commands

    canonical = canonicalize_name(name)
    return canonical if _NORMALISED.fullmatch(canonical) else None


def project_of(filename: str) -> str | None:
    """Return the normalised project of a distribution file, None where the name does not tell."""
    if filename.endswith(".whl"):
        # Five parts, six with a build number, one more with a variant label.
        parts = filename.split("-")
        return normalised(parts[0]) if len(parts) >= 5 else None
    for suffix in _ARCHIVES:
        if filename.endswith(suffix):
            name, dash, _ = filename[: -len(suffix)].rpartition("-")
            return normalised(name) if dash else None
    if filename.endswith(".egg"):
        return normalised(filename.partition("-")[0])
    return None


def version_of(filename: str) -> str | None:
    """Return the version as the file name of a wheel or source archive spells it."""
    if filename.endswith(".whl"):
        parts = filename.split("-")
        return parts[1].replace("_", "-") if len(parts) >= 5 else None
    for suffix in _ARCHIVES:
        if filename.endswith(suffix):
            return filename[: -len(suffix)].rpartition("-")[2]
    return None


def is_distribution(filename: str) -> bool:
    """Whether the name ends as distributions of any age do."""
    return filename.endswith((".whl", *_ARCHIVES, *_INSTALLERS))
