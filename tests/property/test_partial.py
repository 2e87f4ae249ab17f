"""A partial file is its model: what it claims was written, what was written it gives back."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.system.storage.partial import Partial

SIZE = 1000
offsets = st.integers(0, SIZE)


def no_room(size: int) -> None:
    raise AssertionError(size)


class PartialFile(RuleBasedStateMachine):
    """Writes, forgets, saves, closes, and ends without closing, as a SIGKILL does."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "f.part"
        self.content: list[int | None] = [None] * SIZE
        self.saved: list[int | None] = list(self.content)
        self.file = self.open()

    def open(self) -> Partial:
        file = Partial.open(self.path, "key", SIZE, make_room=no_room, shared=True)
        assert file is not None
        return file

    @rule(start=offsets, length=st.integers(0, 300), value=st.integers(1, 255))
    def write(self, start: int, length: int, value: int) -> None:
        end = min(SIZE, start + length)
        self.file.write(start, bytes([value]) * (end - start))
        self.content[start:end] = [value] * (end - start)

    @rule(start=offsets, length=st.integers(0, 300))
    def forget(self, start: int, length: int) -> None:
        end = min(SIZE, start + length)
        self.file.forget(start, end)
        self.content[start:end] = [None] * (end - start)
        self.saved = list(self.content)

    @rule()
    def save(self) -> None:
        self.file.save()
        self.saved = list(self.content)

    @rule()
    def close_and_resume(self) -> None:
        self.file.close()
        self.saved = list(self.content)
        self.file = self.open()

    @rule()
    def die_and_resume(self) -> None:
        """The lock goes with the descriptor; only what was saved is claimed."""
        with self.file._guard:
            self.file._closing = True
        self.file._release()
        self.file = self.open()
        claimed = {at for start, end in self.file.have for at in range(start, end)}
        written = {at for at in range(SIZE) if self.content[at] is not None}
        saved = {at for at in written if self.saved[at] is not None}
        assert saved <= claimed <= written
        for at in range(SIZE):
            if at not in claimed:
                self.content[at] = None
        self.saved = list(self.content)

    @invariant()
    def what_is_claimed_is_there(self) -> None:
        have = self.file.have
        assert list(have) == sorted(have)
        for (_, end), (start, _) in pairwise(have):
            assert end < start
        claimed = {at for start, end in have for at in range(start, end)}
        assert claimed == {at for at in range(SIZE) if self.content[at] is not None}
        for start, end in have:
            assert list(self.file.read(start, end - start)) == self.content[start:end]
        assert self.file.complete == (len(claimed) == SIZE)

    def teardown(self) -> None:
        self.file.discard()
        assert not list(Path(self.folder.name).iterdir())
        self.folder.cleanup()


def test_what_was_forgotten_does_not_come_back_with_a_map_like_an_earlier_one() -> None:
    state = PartialFile()
    state.forget(start=0, length=0)
    state.write(start=0, length=1, value=1)
    state.forget(start=0, length=1)
    state.die_and_resume()
    assert state.file.have == ()
    state.teardown()


TestPartialFile = PartialFile.TestCase
TestPartialFile.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
