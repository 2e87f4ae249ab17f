"""Index pages (PEP 503, PEP 691) of the size that real projects have."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus.wheels import Wheel

__all__ = ["write_bare_page", "write_page"]

_TAGS = [
    f"cp3{minor}-cp3{minor}-{platform}"
    for minor in (8, 9, 10)
    for platform in (
        "macosx_10_9_x86_64",
        "macosx_11_0_arm64",
        "manylinux_2_17_aarch64.manylinux2014_aarch64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "musllinux_1_1_x86_64",
        "win_amd64",
    )
]


@dataclass(frozen=True, slots=True)
class _Entry:
    filename: str
    path: str
    size: int
    sha256: str
    metadata_sha256: str
    uploaded: str


def write_page(tree: Path, wheels: Sequence[Wheel], old_files: int) -> None:
    """Write the page of one project: its wheels, and `old_files` of releases before them.

    The old ones are named but not kept anywhere: no client has a reason to fetch them.
    """
    project = wheels[0].project
    entries = [_old(project, number) for number in range(old_files)]
    entries += [
        _Entry(w.filename, w.path, w.size, w.sha256, w.metadata_sha256, "2026-01-02T03:04:05Z")
        for w in wheels
    ]
    folder = tree / "simple" / project
    folder.mkdir(parents=True)
    versions = sorted({entry.filename.split("-")[1] for entry in entries})
    for name, text in (
        ("index.json", _as_json(project, versions, entries)),
        ("index.html", _as_html(project, entries)),
    ):
        body = text.encode()
        (folder / name).write_bytes(body)
        (folder / f"{name}.gz").write_bytes(gzip.compress(body, mtime=0))


def write_bare_page(tree: Path, project: str, path: str) -> None:
    """Write the page of a project as simple servers do: HTML, one link, no digest."""
    folder = tree / "simple" / project
    folder.mkdir(parents=True)
    name = path.rpartition("/")[2]
    page = f'<!DOCTYPE html>\n<html><body><a href="{path}">{name}</a></body></html>\n'
    (folder / "index.html").write_text(page)


def _old(project: str, number: int) -> _Entry:
    release, tag = divmod(number, len(_TAGS))
    filename = f"{project.replace('-', '_')}-0.{release}.0-{_TAGS[tag]}.whl"
    name = hashlib.blake2b(filename.encode(), digest_size=32).hexdigest()
    return _Entry(
        filename,
        f"/packages/{name[:2]}/{name[2:4]}/{name[4:]}/{filename}",
        1_000_000 + number * 7919 % 900_000,
        hashlib.sha256(filename.encode()).hexdigest(),
        hashlib.sha256(f"{filename}.metadata".encode()).hexdigest(),
        f"20{10 + release % 15:02}-0{1 + release % 9}-1{tag % 9}T0{tag % 9}:00:00.{number:06}Z",
    )


def _as_json(project: str, versions: Sequence[str], entries: Sequence[_Entry]) -> str:
    files = [
        {
            "filename": entry.filename,
            "url": entry.path,
            "hashes": {"sha256": entry.sha256},
            "requires-python": ">=3.8",
            "size": entry.size,
            "upload-time": entry.uploaded,
            "yanked": False,
            "core-metadata": {"sha256": entry.metadata_sha256},
            "data-dist-info-metadata": {"sha256": entry.metadata_sha256},
        }
        for entry in entries
    ]
    page = {"meta": {"api-version": "1.1"}, "name": project, "versions": versions, "files": files}
    return json.dumps(page, separators=(",", ":"))


def _as_html(project: str, entries: Sequence[_Entry]) -> str:
    links = "\n".join(
        f'<a href="{entry.path}#sha256={entry.sha256}" data-requires-python="&gt;=3.8" '
        f'data-core-metadata="sha256={entry.metadata_sha256}">{html.escape(entry.filename)}</a><br>'
        for entry in entries
    )
    head = '<meta name="pypi:repository-version" content="1.1">'
    title = f"<title>Links for {project}</title>"
    return f"<!DOCTYPE html>\n<html><head>{head}{title}</head><body>\n{links}\n</body></html>\n"
