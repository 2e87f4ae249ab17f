"""The core metadata inside a wheel that is in memory (binary distribution format)."""

from __future__ import annotations

import io

from headrace.interface import UnreadableError, foreign

__all__ = ["LARGEST_WHEEL", "HoldsMetadata", "metadata_of_wheel"]

#: Bytes of a wheel that is worth looking into, and of the metadata that is believed.
LARGEST_WHEEL = 8 * 1024 * 1024
_LARGEST_METADATA = 1024 * 1024
#: Files that a wheel of that size may name; each costs half a kilobyte here, and a tenth there.
_MOST_FILES = 16_384
_ENTRY = b"PK\x01\x02"
#: ZIP_STORED and ZIP_DEFLATED, which `zipfile` unpacks in bounded steps. The others it unpacks to
#: their end at once, and no wheel that pip makes has them.
_BOUNDED = frozenset({0, 8})


def metadata_of_wheel(content: bytes) -> str | None:
    """Return the text of ``*.dist-info/METADATA``, or the beginning of a long one; None: not a
    wheel, or not a sane one.
    """
    found = _looked_into(content)
    return None if found is None else found[:_LARGEST_METADATA].decode("utf-8", "replace")


class HoldsMetadata:
    """What lies beside a wheel lies within it: `headrace.interface.CutsCompanions`."""

    def holder(self, path: str) -> str | None:
        """Give the path of the wheel that holds a metadata file."""
        return path.removesuffix(".metadata") if path.endswith(".whl.metadata") else None

    def cut(self, path: str, content: bytes) -> bytes | None:
        """Cut the metadata out of a wheel, as it lies there."""
        found = _looked_into(content) if path.endswith(".whl.metadata") else None
        return None if found is None or len(found) > _LARGEST_METADATA else found


def _looked_into(content: bytes) -> bytes | None:
    if len(content) > LARGEST_WHEEL or content.count(_ENTRY) > _MOST_FILES:
        return None
    try:
        return _metadata(content)
    except UnreadableError:
        return None


@foreign("a wheel")
def _metadata(content: bytes) -> bytes | None:
    import zipfile  # noqa: PLC0415 - memory that an idle gateway need not hold

    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        for entry in wheel.infolist():
            folder, slash, name = entry.filename.partition("/")
            if slash and name == "METADATA" and folder.endswith(".dist-info"):
                if entry.compress_type not in _BOUNDED:
                    return None
                with wheel.open(entry) as stream:
                    return stream.read(_LARGEST_METADATA + 1)
    return None
