"""What a tool makes of a request, and how a plugin asks the gateway about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from headrace.values import dataclass

__all__ = ["AskForAnswer", "AskGateway", "Explanation", "GatewayAnswer"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a tool itself makes of a request, for ``headrace explain``."""

    tool: str
    lines: tuple[str, ...]
    """Sentences for people, the reason first."""
    paths: tuple[str, ...] = ()
    """Paths of the gateway whose sources are worth telling too."""
    table: Mapping[str, object] = field(default_factory=dict)
    """The same as values, for ``--json``."""
    answers: bool = True
    """False: there is no such thing, nothing of it fits, or nobody could be asked. Where nobody
    else answers either, `headrace explain` ends with exit code 1."""


#: Asks the gateway for a path, with an Accept header; None: it has not that, or is not there.
AskGateway = Callable[[str, str], bytes | None]


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """What the gateway said, also where that is no."""

    status: int
    body: bytes = field(repr=False)
    link: str = ""
    """Its Link header: where the next page of a list is."""


#: The same, with how it was answered; None: nobody answered.
AskForAnswer = Callable[[str, str], GatewayAnswer | None]
