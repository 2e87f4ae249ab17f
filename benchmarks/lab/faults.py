"""The ways in which a host of the lab can be made to fail, in flight."""

from __future__ import annotations

import enum

__all__ = ["HTTP_FAULTS", "LabFault"]


class LabFault(enum.StrEnum):
    """One way to fail. The first three act at once, in the middle of a body; the others on the
    next request.
    """

    DEAD = "dead"
    """Every packet vanishes, in both directions: no answer, no reset."""
    REFUSE = "refuse"
    """The server process is gone: open connections are cut, new ones refused."""
    SLOW = "slow"
    """The line carries 1 % of its rate."""
    CORRUPT = "corrupt"
    """Files of the right length with wrong bytes in every MiB."""
    TRUNCATE = "truncate"
    """Half of what was promised, then the connection is closed."""
    FORBIDDEN = "403"
    MISSING = "404"
    RATE_LIMITED = "429"
    """With ``Retry-After: 30``."""
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    NO_RANGES = "norange"
    """A ranged request is answered with the whole file and 200."""
    HTML = "html"
    """200 and a page that asks to log in."""


#: Those that the server makes; the others are the network's.
HTTP_FAULTS = frozenset(LabFault) - {LabFault.DEAD, LabFault.REFUSE, LabFault.SLOW}
