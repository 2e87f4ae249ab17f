"""What comes for nothing: bytes that two sources gave, and those that a closed connection brings.

A range that is taken from its request has its price. HTTP cannot call back what was asked for: what
is on its way arrives all the same, and the connection is lost with it. Where a file is large that
is little; of a file of some megabytes it was a tenth, and with several files at a time the lines
carried more of it than anybody gained. So each transfer has an allowance, and pays for more only
where somebody would be waited for very long.
"""

from __future__ import annotations

from headrace.transfer.segments import Segment
from headrace.transfer.source_state import SourceState

__all__ = ["ALLOWED", "Waste", "on_their_way"]

ALLOWED = 0.02
"""Of the file. A hundredth is left for what is seen only when it has come."""
LEAST_WINDOW = 14_000
"""Bytes that are on their way on any connection (RFC 6928)."""
MOST_WINDOW = 128 << 10
"""The most that is reckoned with: a round trip is measured with whatever held the answer up."""
QUEUED = 1.0
"""Round trips' worth of bytes between a server and us: the way, and the queue before its line."""


class Waste:
    """Kept for one transfer."""

    def __init__(self) -> None:
        """Begin with none."""
        self.bytes = 0.0

    def add(self, count: float) -> None:
        """Count bytes that somebody else had brought, or that were not wanted any more."""
        self.bytes += count

    def allows(self, price: float, size: int) -> bool:
        """Whether so much more may be spent on a file of that size."""
        return self.bytes + price <= ALLOWED * size


def on_their_way(segment: Segment, end: int, upstream: SourceState) -> float:
    """Reckon the bytes that come of a request behind the offset `end` when it is ended there.

    `upstream` is its source.
    """
    now = segment.last
    share = (upstream.rate(now) or 0.0) / max(1, len(upstream.active))
    rate = max(segment.rate(now) or 0.0, share)
    window = min(max(LEAST_WINDOW, QUEUED * upstream.expected_rtt() * rate), MOST_WINDOW)
    return min(float(max(0, segment.until - max(end, segment.cursor))), window)
