"""A home as the version before left it: `headrace on` was said, and the gateway had brought things.

What lies in ``tests/data/state-0`` is what that version wrote, so nothing here asks the code of
today how a file looks: the formats of what it kept are written out below. A change that makes one
of these files unreadable needs a way to read both, and then a folder beside this one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
import struct
import sys
import time
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib import wheels
from lib.serving.ports import free_port

__all__ = ["APP", "MANIFEST", "PACKAGE", "REPODATA", "OlderState", "keep_part", "learned"]

DATA = Path(__file__).resolve().parents[1] / "data" / "state-0"
TOKEN = "the-token-of-a-test"

APP = wheels.wheel("app", "1.0", size=200_000)
"""A wheel that the store has, and whose page is kept."""
PACKAGE = b"as good as a package" * 1000
"""A package of conda's: the table of the kept repodata names its digest."""
REPODATA = json.dumps({"info": {}, "packages": {}, "packages.conda": {}}).encode()
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []}).encode()
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"

#: The fields of an entry that are null where the data says nothing of them.
_NULL = ("before", "after", "mode", "reload")


@dataclass
class OlderState:
    """One home. Nothing runs in it."""

    home: Path
    port: int = field(default_factory=free_port)
    before: dict[Path, tuple[bytes, int]] = field(default_factory=dict)
    """What the user had before `on`, with its permission bits."""
    routed: dict[Path, bytes] = field(default_factory=dict)
    """What `on` wrote."""

    @property
    def config(self) -> Path:
        return self.home / ".config" / "headrace"

    @property
    def state(self) -> Path:
        return self.home / ".local" / "state" / "headrace"

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "headrace"

    @property
    def base(self) -> str:
        """The interpreter below the virtual environment, as a holder is started with it."""
        return str(getattr(sys, "_base_executable", None) or sys.executable)

    def text(self, name: str) -> str:
        """Give a file of the data as it would be in this home."""
        return self._put_in((DATA / name).read_text("utf-8"))

    def lay(self) -> OlderState:
        """Write everything."""
        self._lay_journal()
        for name in ("origins.json", "gateway.json", "network.json", "token"):
            _write(self.state / name, self.text(name), 0o600)
        _write(self.config / "config.toml", self.text("config.toml"))
        now = time.time()
        self._keep_blob(APP.data)
        self._keep_blob(PACKAGE)
        self._keep_blob(MANIFEST)
        self._keep_project(now)
        self._keep_manifest(now)
        self._keep_repodata(now)
        return self

    def keep_statistics(self, network: str) -> None:
        """Lay what was learned on a network."""
        base = sqlite3.connect(self.state / "statistics.sqlite")
        values = {"network": network, "now": time.time()}
        for statement in self.text("statistics.sql").splitlines():
            base.execute(statement, values if ":network" in statement else {})
        base.commit()
        base.close()

    def interrupt(self) -> None:
        """Make the journal one of an `on` that was killed when the last file was written."""
        path = self.state / "journal"
        entries = json.loads(path.read_bytes())["entries"]
        pending = [
            {
                "path": entry["path"],
                "old": entry["before"],
                "new": entry["after"],
                "old_mode": entry["mode"],
                "new_mode": entry["mode_after"],
                "folders": entry["folders"],
            }
            for entry in entries
        ]
        _write(path, json.dumps({"entries": [], "pending": pending}, indent=1) + "\n", 0o600)

    def files(self) -> dict[Path, tuple[bytes, int]]:
        """Give every file of the home that is not headrace's own."""
        own = (self.config, self.state, self.cache)
        return {
            path: (path.read_bytes(), path.stat().st_mode & 0o777)
            for path in self.home.rglob("*")
            if path.is_file() and not any(path.is_relative_to(folder) for folder in own)
        }

    # ------------------------------------------------------------------ the journal

    def _lay_journal(self) -> None:
        entries: list[dict[str, Any]] = tomllib.loads((DATA / "journal.toml").read_text("utf-8"))[
            "entries"
        ]
        made = [self._entry(entry) for entry in entries]
        # Folders that `on` made are not there before: what the user had comes first.
        for entry, plain in zip(made, entries, strict=True):
            path = Path(entry["path"])
            if "before" in plain:
                self.before[path] = (self._content(plain["before"]), entry["mode"])
        for entry, plain in zip(made, entries, strict=True):
            path = Path(entry["path"])
            self.routed[path] = self._content(plain["after"])
            _write(path, self.routed[path], entry["mode_after"])
        document = {"entries": made, "pending": []}
        _write(self.state / "journal", json.dumps(document, indent=1) + "\n", 0o600)

    def _entry(self, plain: dict[str, Any]) -> dict[str, Any]:
        entry: dict[str, Any] = dict.fromkeys(_NULL)
        entry |= json.loads(self._put_in(json.dumps(plain)))
        for name in ("before", "after"):
            if name in plain:
                entry[name] = base64.b64encode(self._content(plain[name])).decode()
        if entry["reload"] is not None:
            entry["reload"] = {"pid_file": None, "check": None} | entry["reload"]
        return entry

    def _content(self, text: str) -> bytes:
        if text.startswith("@FILE:"):
            return (DATA / text.removeprefix("@FILE:").rstrip("@")).read_bytes()
        return self._put_in(text).encode()

    def _put_in(self, text: str) -> str:
        for name, value in (
            ("@HOME@", str(self.home)),
            ("@PORT@", str(self.port)),
            ("@TOKEN@", TOKEN),
            ("@PYTHON@", sys.executable),
            ("@BASE@", self.base),
        ):
            text = text.replace(name, value)
        return text

    # ------------------------------------------------------------------ what was brought

    def _keep_blob(self, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        _write(self.cache / "store" / "sha256" / digest[:2] / digest, content, 0o600)

    def _keep_project(self, now: float) -> None:
        """Keep the page of a project as its origin gave it."""
        blake2b = APP.blake2b
        path = f"packages/{blake2b[:2]}/{blake2b[2:4]}/{blake2b[4:]}/{APP.name}"
        page = {
            "meta": {"api-version": "1.1"},
            "name": "app",
            "versions": ["1.0"],
            "files": [
                {
                    "filename": APP.name,
                    "url": f"https://files.example/{path}",
                    "hashes": {"sha256": APP.sha256},
                    "size": len(APP.data),
                    "yanked": False,
                }
            ],
        }
        url = "https://index.example/simple/app/"
        document = _document(url, "application/vnd.pypi.simple.v1+json", now, private=True)
        self._keep_page(url, document, json.dumps(page).encode())

    def _keep_manifest(self, now: float) -> None:
        """Keep what a registry said of a tag to a HEAD."""
        url = "https://registry.example/v2/team/app/manifests/1.0"
        digest = hashlib.sha256(MANIFEST).hexdigest()
        document = _document(url, MANIFEST_TYPE, now)
        document["headers"] = {
            "content-type": MANIFEST_TYPE,
            "content-length": str(len(MANIFEST)),
            "docker-content-digest": f"sha256:{digest}",
        }
        self._keep_page(f"HEAD {url} {MANIFEST_TYPE}", document, b"")

    def _keep_page(self, key: str, document: dict[str, Any], body: bytes) -> None:
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        rest = json.dumps({"key": key, "document": document}).encode() + b"\n" + body
        first = f"headrace-page 1 {zlib.crc32(rest):08x} {len(rest)}\n".encode()
        _write(self.cache / "pages" / name[:2] / f"{name}.page", first + rest)

    def _keep_repodata(self, now: float) -> None:
        """Keep a copy of a channel's repodata, with the table of what it names."""
        url = "https://conda.example/conda-forge/noarch/repodata.json"
        name = hashlib.sha256(url.encode()).hexdigest()[:40]
        version = hashlib.sha256(REPODATA).hexdigest()[:40]
        folder = self.cache / "copies" / name[:2]
        note = {
            "key": url,
            "version": version,
            "size": len(REPODATA),
            "document": _document(url, "application/json", now),
        }
        _write(folder / f"{name}.note", json.dumps(note))
        _write(folder / f"{name}.{version}.body", REPODATA)
        record = struct.pack(
            ">16s32sq",
            hashlib.blake2b(b"alpha-1.0-0.conda", digest_size=16).digest(),
            hashlib.sha256(PACKAGE).digest(),
            len(PACKAGE),
        )
        head = struct.pack(">16sq", b"headrace-table 2", 1)
        _write(folder / f"{name}.{version}.table", head + record)


def keep_part(cache: Path, content: bytes, there: int) -> None:
    """Lay a file on its way, of which the first bytes are there."""
    key = f"sha256:{hashlib.sha256(content).hexdigest()}"
    name = hashlib.sha256(key.encode()).hexdigest()[:40]
    folder = cache / "store" / "partial"
    _write(folder / f"{name}.part", content[:there], 0o600)
    table = {"key": key, "size": len(content), "have": [[0, there]]}
    line = json.dumps(table, separators=(",", ":")).encode()
    _write(folder / f"{name}.map", line + b" %08x" % zlib.crc32(line))


def learned(state: Path) -> Iterator[tuple[str, str, str]]:
    """Give what a gateway learned about: network, source, object class."""
    base = sqlite3.connect(state / "statistics.sqlite")
    yield from base.execute("SELECT network, source, class FROM record").fetchall()
    base.close()


def _document(url: str, kind: str, now: float, *, private: bool = False) -> dict[str, Any]:
    return {
        "url": url,
        "content_type": kind,
        "etag": '"of-the-origin"',
        "last_modified": None,
        "fetched_at": now,
        "max_age": 86400.0,
        "headers": {},
        "supplied_by": None,
        "private": private,
        "stale": False,
    }


def _write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    os.utime(path)
