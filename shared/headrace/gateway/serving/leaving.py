"""How a gateway that others reach takes its leave."""

from __future__ import annotations

from headrace.values import dataclass

__all__ = ["Leaving"]


@dataclass(slots=True)
class Leaving:
    """Whether it takes its leave: no new clients are to be sent here."""

    delay: float = 0.0
    """Seconds in which those that are sent here all the same are served."""
    begun: bool = False
