"""headrace's own files, as somebody else may have left them, and what the system says."""

from __future__ import annotations

import contextlib
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fuzz.model import Run, Target
from headrace.config import Folders, Settings
from headrace.errors import HeadraceError
from headrace.models import Digest
from headrace.system.edits.journal import Journal
from headrace.system.fingerprint import fingerprint
from headrace.system.state import State
from headrace.system.storage import tables
from headrace.system.storage.copies import Copies
from headrace.system.storage.pages import PageStore
from headrace.system.storage.partial import Partial
from headrace.variants.hosts import Host
from headrace.variants.tables import load as load_tables
from headrace.variants.target import override_from, parse_target


def _in_folder(made: Callable[[Path], Run]) -> Callable[[], Any]:
    @contextlib.contextmanager
    def opened() -> Iterator[Run]:
        with tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder:
            yield made(Path(folder))

    return opened


def _settings(base: Path) -> Run:
    folders = Folders(base, base, base)

    def run(data: bytes) -> object:
        (base / "config.toml").write_bytes(data)
        found = Settings.load(folders, {})
        return len(found.mirrors), found.port == 17223

    return run


def _environment(base: Path) -> Run:
    """Variables: the port, the host to choose builds for."""

    def run(data: bytes) -> object:
        lines = data.decode("utf-8", "replace").replace("\0", "").splitlines()
        env = dict(line.partition("=")[::2] for line in lines)
        word: list[object] = []
        for look in (
            lambda: Settings.load(Folders(base, base, base), env).port,
            lambda: override_from(env, Host(), load_tables()).build,
            lambda: parse_target(env.get("HEADRACE_TARGET", ""), load_tables(), Host()).target,
        ):
            with contextlib.suppress(HeadraceError):
                word.append(look())
        return tuple(word)

    return run


def _state(base: Path) -> Run:
    state = State(Folders(base, base, base))

    def run(data: bytes) -> object:
        word: list[object] = []
        for name in ("origins.json", "gateway.json", "token", "network.json"):
            (base / name).write_bytes(data)
        for look in (state.origins, state.gateway, state.token, state.network, state.kept_up_by):
            try:
                word.append(bool(look()))
            except HeadraceError:
                word.append("error")
        return tuple(word)

    return run


def _journal(base: Path) -> Run:
    """Read, and asked what it would do; what it knows of files is below its own folder."""
    path = base / "journal"

    def run(data: bytes) -> object:
        path.write_bytes(data)
        journal = Journal(path)
        return min(len(journal.entries()), 3), journal.pristine(base / "x") is None

    return run


def _pages(base: Path) -> Run:
    """A kept page whose first line is right, whatever follows it."""
    from headrace.system.storage.pages import _first_line  # noqa: PLC0415 - as it writes it

    def run(data: bytes) -> object:
        store = PageStore(base)
        path = store._path("k", "page")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            data if data.startswith(b"headrace-page") else _first_line(data) + b"\n" + data
        )
        return store.get("k") is None, store.rendered("k", "page", "v") is None

    return run


def _copies(base: Path) -> Run:
    def run(data: bytes) -> object:
        copies = Copies(base)
        note = copies._note("k")
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(data)
        copies._body(note, "v").write_bytes(b"abc")
        return copies.get("k") is None

    return run


def _partial(base: Path) -> Run:
    """Map and log beside a file that is half here, the map's check sum right."""
    path = base / "x"

    def run(data: bytes) -> object:
        path.write_bytes(b"a" * 100)
        path.with_suffix(".log").write_bytes(data)
        path.with_suffix(".map").write_bytes(data + b" %08x" % zlib.crc32(data))
        part = Partial.open(path, "k", 1000, make_room=lambda _: None, shared=False)
        assert part is not None
        try:
            return min(len(part.have), 3), part.complete
        finally:
            part.discard()

    return run


def _table(base: Path) -> Run:
    def run(data: bytes) -> object:
        path = base / "table"
        path.write_bytes(data)
        return tables.usable(path), tables.find(path, "a-1.0-0.conda") is None

    return run


def _proc(base: Path) -> Run:
    """The kernel's tables of routes and neighbours."""
    (base / "net").mkdir()

    def run(data: bytes) -> object:
        routes, _, neighbours = data.partition(b"\n--\n")
        (base / "net" / "route").write_bytes(routes)
        (base / "net" / "arp").write_bytes(neighbours)
        return fingerprint(base)

    return run


def _digest(data: bytes) -> object:
    return Digest.parse(data.decode("utf-8", "replace")).algorithm


TARGETS = [
    Target(
        "settings",
        opened=_in_folder(_settings),
        words=(
            b"port = ",
            b"[[mirror]]\n",
            b"id = ",
            b"url = ",
            b"carries = [",
            b"login = true",
            b"public_origins = [",
            b"origins = [",
            b"documents = ",
            b"store_limit = ",
            b"disk_reserve = ",
        ),
    ),
    Target(
        "variables",
        opened=_in_folder(_environment),
        words=(
            b"HEADRACE_PORT=",
            b"HEADRACE_TARGET=driver=550,gpu=A100",
            b"HEADRACE_CUDA=cu126",
            b"UV_TORCH_BACKEND=",
            b"platform=",
            b"python=3.12",
            b"glibc=2.17",
            b"macos=",
        ),
    ),
    Target(
        "state",
        opened=_in_folder(_state),
        words=(
            b'"host":',
            b'"port":',
            b'"kept_up_by":',
            b'[{"ecosystem":',
            b'"credential":',
            b'"private":',
        ),
    ),
    Target(
        "journal",
        opened=_in_folder(_journal),
        words=(
            b'"entries": [',
            b'"pending": [',
            b'"before": ',
            b'"after": ',
            b'"reload": {',
            b'"check": {',
            b'"path": ',
        ),
    ),
    Target(
        "kept-pages",
        opened=_in_folder(_pages),
        allowed=(),
        words=(
            b'{"key": "k", "document": {',
            b'"url": ',
            b'"headers": {',
            b'"fetched_at": ',
            b'"is": ["k", ',
        ),
    ),
    Target(
        "kept-copies",
        opened=_in_folder(_copies),
        allowed=(),
        words=(b'"key": "k"', b'"document": {', b'"version": ', b'"size": '),
    ),
    Target(
        "partial-map",
        opened=_in_folder(_partial),
        allowed=(),
        words=(b'{"key":"k","size":1000,"have":[[', b"]]}", b"0,", b"100"),
    ),
    Target("tables", opened=_in_folder(_table), allowed=()),
    Target(
        "routes",
        opened=_in_folder(_proc),
        allowed=(),
        words=(b"eth0\t00000000\t", b"0003", b"00:11:22:33:44:55", b"0x2"),
    ),
    Target("digest", _digest, (ValueError,), (b"sha256:", b"sha512:", b"blake2b_256:")),
]
