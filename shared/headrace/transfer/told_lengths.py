"""The length of a file, where no page names it: what each source says, and whose word is taken.

The first answer gives it, so that nobody waits. It may be a lie or another file's length; then the
sources that are right are those who were turned away for it. So what each one told is kept: the
origin's word replaces a mirror's as soon as it is here, and where no source of one length has
bytes of the digest, the next length is tried, each once.
"""

from __future__ import annotations

from collections import Counter

from headrace.models import Fault
from headrace.transfer import messages as m
from headrace.transfer.state import TransferState
from headrace.wording import counted

__all__ = ["ToldLengths"]


class ToldLengths:
    """Mutable; belongs to one transfer whose length is not known from elsewhere."""

    def __init__(self, state: TransferState) -> None:
        """Begin with no word from anybody."""
        self._state = state
        self.told: dict[str, int] = {}
        """By source: bytes of the whole file, as it says."""
        self.tried: set[int] = set()
        """Lengths that were taken for the file's."""

    def may_try(self, size: int) -> bool:
        """Say whether another length than this is in use, and this one never was."""
        return bool(self.tried) and size not in self.tried

    def untried(self) -> int | None:
        """Return the next length to try: the origin's, else the one that most sources tell.

        No more of them than sources: one of these could name another each time.
        """
        if len(self.tried) > len(self._state.sources):
            return None
        left = {who: size for who, size in self.told.items() if size not in self.tried}
        for who, size in left.items():
            if self._state.sources[who].source.is_origin:
                return size
        most = Counter(left.values()).most_common(1)
        return most[0][0] if most else None

    def take(self, size: int, out: list[m.Action]) -> None:
        """Take this one: who told another is out, and who was out for it comes back."""
        self.tried.add(size)
        for who, told in self.told.items():
            upstream = self._state.sources[who]
            if told == size:
                if upstream.out is Fault.NOT_THE_FILE:
                    upstream.out = None
            elif not upstream.out:
                upstream.out = Fault.NOT_THE_FILE
                detail = f"gives {counted(told, 'byte')} instead of {size}"
                out.append(m.SourceFault(who, Fault.NOT_THE_FILE, detail))
