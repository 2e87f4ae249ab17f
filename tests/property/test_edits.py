"""Laws of file edits: what `off` gives back, whatever stood in the files and whatever happens."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.interface.hookspecs import FileEdit
from headrace.system.edits import journal as journal_module
from headrace.system.edits.file_step import FileStep, perform
from headrace.system.edits.journal import Journal
from headrace.system.edits.three_way import without

LINES = st.sampled_from(
    [b"[global]", b"index-url = a", b"# note", b"", b"\xff\xfe", b"timeout = 5", b"\xef\xbb\xbfx"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.tuples(LINES, ENDS), max_size=8))
    text = b"".join(line + end for line, end in lines)
    return text + draw(st.sampled_from([b"", b"no final newline"]))


FILES = st.one_of(st.none(), contents(), st.binary(max_size=40))


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


def put(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def look(base: Path) -> dict[str, tuple[bytes | None, int]]:
    """Everything below a folder, with modes."""
    return {
        str(path.relative_to(base)): (
            path.read_bytes() if path.is_file() else None,
            stat.S_IMODE(path.stat().st_mode),
        )
        for path in sorted(base.rglob("*"))
    }


@given(st.lists(st.tuples(FILES, FILES, st.booleans()), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_undo_restores_every_byte_mode_and_folder(
    files: list[tuple[bytes | None, bytes | None, bool]],
) -> None:
    with folder() as base:
        root = base / "home"
        root.mkdir()
        paths = [root / f"dir{i}" / "deep" / "file" for i in range(len(files))]
        for path, (before, _, _) in zip(paths, files, strict=True):
            put(path, before)
        was = look(root)
        journal = Journal(base / "state" / "journal")
        journal.apply(
            [
                ("tool", FileEdit(path, before, after, "", private))
                for path, (before, after, private) in zip(paths, files, strict=True)
            ]
        )
        for path, (before, after, private) in zip(paths, files, strict=True):
            assert (path.read_bytes() if path.exists() else None) == after
            if private and after is not None and before != after:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
        journal.undo()
        assert look(root) == was
        assert not journal.path.exists()


@given(FILES, FILES, FILES, st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_a_crash_between_any_two_steps_is_repaired(
    before: bytes | None, after: bytes | None, other: bytes | None, crash: int
) -> None:
    with folder() as base, pytest.MonkeyPatch.context() as patch:
        paths = [base / "home" / name for name in ("a", "b", "c")]
        for path in paths:
            put(path, before)
        was = look(base / "home")
        journal = Journal(base / "state" / "journal")
        steps = 0

        class Crash(BaseException):
            pass

        def perform_or_die(step: FileStep) -> None:
            nonlocal steps
            steps += 1
            if steps >= crash:
                raise Crash
            perform(step)

        def no_repair(_: object) -> list[str]:
            return []

        patch.setattr(journal_module, "perform", perform_or_die)
        patch.setattr(Journal, "_repair", no_repair)
        try:
            edits = [("t", FileEdit(p, before, after, "")) for p in paths[:2]]
            journal.apply([*edits, ("t", FileEdit(paths[2], before, other, ""))])
            crashed = False
        except Crash:
            crashed = True
        patch.undo()
        survivor = Journal(base / "state" / "journal")
        survivor.repair()
        if crashed:
            assert look(base / "home") == was
        survivor.undo()
        assert look(base / "home") == was


@given(contents(), contents())
def test_without_is_the_inverse_of_an_edit(before: bytes, after: bytes) -> None:
    assert without(before, after, after) == before
    assert without(before, after, before) == before


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), ENDS)
def test_a_block_is_taken_out_of_a_file_that_grew_elsewhere(
    above: int, below: int, added: int, end: bytes
) -> None:
    def text(*parts: tuple[bytes, int]) -> bytes:
        return b"".join(b"%s = %d" % (word, n) + end for word, count in parts for n in range(count))

    before = text((b"above", above), (b"below", below))
    after = text((b"above", above), (b"ours", 3), (b"below", below))
    now = text((b"new", added), (b"above", above), (b"ours", 3), (b"below", below), (b"x", added))
    expected = text((b"new", added), (b"above", above), (b"below", below), (b"x", added))
    assert without(before, after, now) == expected


@given(contents(), contents(), contents())
def test_without_never_loses_a_users_line(before: bytes, after: bytes, now: bytes) -> None:
    """What the user wrote since is in the result, or the merge is refused."""
    try:
        result = without(before, after, now)
    except ValueError:
        return
    kept = set((result or b"").split())
    for word in set(now.split()) - set(after.split()):
        assert word in kept or now == before
