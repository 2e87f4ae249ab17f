"""The JSON form of a project's page (PEP 691, 700, 708, 714, 740, 792).

`rewrite` touches the links alone, so that every key, also one of a later version of the API,
reaches the client as the origin wrote it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.interface import foreign, read_json
from headrace_pip.simple_api.model import (
    FileLink,
    Kept,
    Link,
    ProjectPage,
    absolute,
    address_or_none,
    check_version,
    split_fragment,
    upload_time,
)

__all__ = ["load", "parse", "render", "rewrite"]

#: PEP 714 renamed the key; the third spelling is in the wild beside the first.
_METADATA_KEYS = ("core-metadata", "dist-info-metadata", "data-dist-info-metadata")
_FILE_KEYS = frozenset(
    {
        *_METADATA_KEYS,
        "filename",
        "url",
        "hashes",
        "requires-python",
        "yanked",
        "size",
        "upload-time",
        "gpg-sig",
        "provenance",
    }
)
_PAGE_KEYS = frozenset({"meta", "name", "files", "versions", "project-status"})
#: Digits of a number that counts something.
_DIGITS = 15
_META_KEYS = frozenset({"api-version", "_last-serial"})


@foreign("a page in JSON")
def load(body: bytes) -> dict[str, Any]:
    """Read the page; ValueError when it is not one of version 1."""
    raw = read_json(body)
    if not isinstance(raw, dict) or not isinstance(raw.get("files"), list):
        raise ValueError("JSON, but not a project's page")  # noqa: TRY004 - the hooks' promise
    meta = raw.get("meta")
    check_version(meta.get("api-version") if isinstance(meta, dict) else None)
    return raw


@foreign("a page in JSON")
def parse(raw: Mapping[str, Any], url: str, project: str) -> ProjectPage:
    """Make a page of what `load` gave; entries without a name or a URL are left out."""
    meta = raw.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    versions = raw.get("versions")
    status = raw.get("project-status")
    if isinstance(status, str):
        status = {"status": status}
    name = raw.get("name")
    return ProjectPage(
        name=name if isinstance(name, str) and name else project,
        files=tuple(_file(entry, url, target) for entry, target in _named(raw, url)),
        api_version=check_version(meta.get("api-version")),
        versions=tuple(map(str, versions)) if isinstance(versions, list) else None,
        last_serial=_integer(meta.get("_last-serial")),
        status=_strings(status),
        extra={key: value for key, value in raw.items() if key not in _PAGE_KEYS},
        extra_meta={key: value for key, value in meta.items() if key not in _META_KEYS},
    )


def _named(raw: Mapping[str, Any], base: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Give the entries that name a file and where it is, with that as an absolute URL."""
    for entry in raw["files"]:
        if not isinstance(entry, dict):
            continue
        url, name = entry.get("url"), entry.get("filename")
        if isinstance(url, str) and isinstance(name, str) and url and name:
            with contextlib.suppress(ValueError):  # no URL at all: no file that anybody could have
                yield entry, absolute(base, url)


def _file(entry: Mapping[str, Any], base: str, target: str) -> FileLink:
    url, fragment = split_fragment(target)
    get = entry.get
    needs, proof, signed = (
        get("requires-python"),
        get("provenance"),
        get("gpg-sig"),
    )
    yanked = get("yanked", False)
    return FileLink(
        filename=entry["filename"],
        url=url,
        hashes=_strings(get("hashes")) or fragment,
        requires_python=needs if isinstance(needs, str) else None,
        yanked=yanked if isinstance(yanked, str) and yanked else bool(yanked),
        core_metadata=_core_metadata(entry),
        size=_integer(get("size")),
        upload_time=upload_time(get("upload-time")),
        gpg_sig=signed if isinstance(signed, bool) else None,
        provenance=address_or_none(base, proof) if isinstance(proof, str) and proof else None,
        extra={key: entry[key] for key in entry.keys() - _FILE_KEYS},
    )


def _core_metadata(entry: Mapping[str, Any]) -> bool | Mapping[str, str]:
    for key in _METADATA_KEYS:
        if key in entry:
            value = entry[key]
            return _strings(value) or True if isinstance(value, dict) else bool(value)
    return False


def _strings(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _integer(value: object) -> int | None:
    if isinstance(value, str) and len(value) <= _DIGITS and value.isascii() and value.isdigit():
        return int(value)
    return value if type(value) is int and abs(value) < 10**_DIGITS else None


@foreign("a page in JSON")
def rewrite(raw: Mapping[str, Any], url: str, link: Link, *, kept: Kept = Kept.ALL) -> bytes:
    """Point the links at the gateway, and nothing else, but for what is not `kept`.

    A file that the gateway does not serve keeps the origin's absolute URL. Where not all is kept it
    is left out, because that URL would be a mirror's.
    """
    files = []
    for entry, where in _named(raw, url):
        target, fragment = split_fragment(where)
        path = link(target, entry["filename"])
        if path is None and kept is not Kept.ALL:
            continue
        mine = {**entry, "url": path or target}
        if fragment and not entry.get("hashes"):
            mine["hashes"] = fragment
        if kept is not Kept.ALL:
            promised = kept.promises(entry["filename"]) and bool(_core_metadata(entry))
            for key in (*_METADATA_KEYS, "provenance", "gpg-sig"):
                mine.pop(key, None)
            if promised:
                mine |= dict.fromkeys(_METADATA_KEYS[:2], True)
            if not kept.digests:
                mine["hashes"] = {}
        elif isinstance(mine.get("provenance"), str):
            mine["provenance"] = address_or_none(url, mine["provenance"])
        files.append(mine)
    return json.dumps({**raw, "files": files}, separators=(",", ":")).encode()


def render(page: ProjectPage) -> bytes:
    """Write a page; links stand as they are in it.

    The version claimed is the page's own, or 1.0 where `size` or `versions`, which 1.1 demands,
    are not all there (a page that came as HTML).
    """
    complete = page.versions is not None and all(file.size is not None for file in page.files)
    meta: dict[str, object] = {
        **page.extra_meta,
        "api-version": page.api_version if complete else "1.0",
    }
    if page.last_serial is not None:
        meta["_last-serial"] = page.last_serial
    raw: dict[str, object] = {**page.extra, "meta": meta, "name": page.name}
    if page.status:
        raw["project-status"] = dict(page.status)
    if page.versions is not None:
        raw["versions"] = list(page.versions)
    raw["files"] = [_entry(file) for file in page.files]
    return json.dumps(raw, separators=(",", ":")).encode()


def _entry(file: FileLink) -> dict[str, object]:
    entry: dict[str, object] = {
        **file.extra,
        "filename": file.filename,
        "url": file.url,
        "hashes": dict(file.hashes),
        "requires-python": file.requires_python,
        "yanked": file.yanked,
    }
    if file.core_metadata:
        told = (
            file.core_metadata if isinstance(file.core_metadata, bool) else {**file.core_metadata}
        )
        entry["core-metadata"] = entry["dist-info-metadata"] = told
    optional = {
        "size": file.size,
        "upload-time": file.upload_time,
        "gpg-sig": file.gpg_sig,
        "provenance": file.provenance,
    }
    return entry | {key: value for key, value in optional.items() if value is not None}
