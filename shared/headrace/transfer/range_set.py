"""A set of byte offsets as few, sorted, disjoint runs ``[start, end)``.

Each operation finds its place by bisection; runs that touch are merged, so a file in transfer is
a few dozen runs however many buffers it came in.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["RangeSet"]


class RangeSet:
    """Sorted, disjoint, merged runs. Mutable; `repr` shows them."""

    __slots__ = ("_ends", "_starts", "total")

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        """Start from `runs`, in any order, overlapping or not."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        for start, end in runs:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Put ``[start, end)`` in."""
        if start >= end:
            return
        starts, ends = self._starts, self._ends
        low = bisect_left(ends, start)
        high = bisect_right(starts, end, low)
        if low == high:
            starts.insert(low, start)
            ends.insert(low, end)
            self.total += end - start
            return
        if high - low == 1:  # the hot path: a stream that grows its own run
            if start < starts[low]:
                self.total += starts[low] - start
                starts[low] = start
            if end > ends[low]:
                self.total += end - ends[low]
                ends[low] = end
            return
        self.total -= sum(ends[i] - starts[i] for i in range(low, high))
        start, end = min(start, starts[low]), max(end, ends[high - 1])
        starts[low:high] = [start]
        ends[low:high] = [end]
        self.total += end - start

    def remove(self, start: int, end: int) -> None:
        """Take ``[start, end)`` out."""
        if start >= end:
            return
        starts, ends = self._starts, self._ends
        low = bisect_right(ends, start)
        high = bisect_left(starts, end, low)
        if low >= high:
            return
        keep: list[tuple[int, int]] = []
        if starts[low] < start:
            keep.append((starts[low], start))
        if ends[high - 1] > end:
            keep.append((end, ends[high - 1]))
        self.total -= sum(ends[i] - starts[i] for i in range(low, high))
        starts[low:high] = [run[0] for run in keep]
        ends[low:high] = [run[1] for run in keep]
        self.total += sum(run[1] - run[0] for run in keep)

    def run_end(self, offset: int) -> int:
        """Return the first offset at or after `offset` that is not in the set."""
        index = bisect_right(self._starts, offset) - 1
        return max(offset, self._ends[index]) if index >= 0 else offset

    def covers(self, start: int, end: int) -> bool:
        """Say whether all of ``[start, end)`` is in the set."""
        return start >= end or self.run_end(start) >= end

    def within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give the runs' parts that lie in ``[start, end)``, in order."""
        index = bisect_right(self._ends, start)
        while index < len(self._starts) and self._starts[index] < end:
            yield max(start, self._starts[index]), min(end, self._ends[index])
            index += 1

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give the parts of ``[start, end)`` that are not in the set, in order."""
        for low, high in self.within(start, end):
            if start < low:
                yield start, low
            start = high
        if start < end:
            yield start, end

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Give the runs in order."""
        return iter(zip(self._starts, self._ends, strict=True))

    def __len__(self) -> int:
        """Count the runs (`total` counts the offsets)."""
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        """Compare as sets of offsets."""
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        """Show the runs."""
        return f"RangeSet({', '.join(f'[{start}, {end})' for start, end in self)})"
