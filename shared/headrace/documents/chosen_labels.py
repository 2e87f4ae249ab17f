"""Which build each client was led to: what that build needs lies in its variant index. Pure."""

from __future__ import annotations

from headrace.models import Request
from headrace.policy.lru import LRUCache

__all__ = ["ChosenLabels"]

#: Clients that are remembered.
_REMEMBERED = 256


class ChosenLabels:
    """Labels by who asked. A client asks for what a build needs over the connection that it had the
    build's page by; one that has a new connection is taken for the last one with the same host.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._labels = LRUCache[tuple[str, object], str](_REMEMBERED)

    def note(self, request: Request, label: str) -> None:
        """Remember what a client was given; empty: the default index's build."""
        for name in _names(request):
            self._labels.put(name, label)

    def label(self, request: Request) -> str:
        """Return the label of the build that whoever asks was given; empty: none is known."""
        found = (self._labels.get(name) for name in _names(request))
        return next((label for label in found if label is not None), "")


def _names(request: Request) -> tuple[tuple[str, object], ...]:
    anybody = (request.base, None)
    return (anybody,) if request.ends is None else ((request.base, request.ends[0]), anybody)
