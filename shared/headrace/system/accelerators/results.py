"""What one way of asking said, in the same words for all of them."""

from __future__ import annotations

import enum

from headrace.values import dataclass
from headrace.variants.hosts import Accelerator

__all__ = ["ProbeOutcome", "ProbeResult", "VendorResult"]


class ProbeOutcome(enum.Enum):
    """How asking ended."""

    ANSWERED = enum.auto()
    REFUSED = enum.auto()
    """The library or program answered with an error of its own."""
    SILENT = enum.auto()
    """No answer within the time limit."""
    CRASHED = enum.auto()
    """Its process ended without an answer, or with nonsense."""
    ABSENT = enum.auto()
    """There is nothing to ask."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The answer of one way, whole or as far as it came."""

    way: str
    outcome: ProbeOutcome
    said: str
    """For people, in `Host.tried`."""
    code: int | None = None
    """The maker's number of the error, where it gave one."""
    driver: str | None = None
    cuda: tuple[int, int] | None = None
    accelerators: tuple[Accelerator, ...] = ()
    notes: tuple[str, ...] = ()
    loaded: str | None = None
    """Path of the library that was asked, where it is known."""


@dataclass(frozen=True, slots=True)
class VendorResult:
    """What is known of one maker's accelerators, all ways together."""

    accelerators: tuple[Accelerator, ...] = ()
    driver: str | None = None
    cuda: tuple[int, int] | None = None
    method: str = ""
    tried: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    unreadable: bool = False
    """A driver is loaded, and it did not say what it drives."""
    driver_missing: bool = False
    """There is a device, and nothing drives it."""
    passing: bool = False
    """The answer may be another in a few minutes (a time limit, a crash): not to be kept long."""
    extra: tuple[tuple[str, str], ...] = ()
