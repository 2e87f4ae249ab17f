"""Why a pull ended, by an engine's own words: whose fault it is, and whether it is worth another
try. Pure.
"""

from __future__ import annotations

from headrace.interface import HeadraceError, LocalError, dataclass, heard

__all__ = ["PullPatience", "lasting"]

_REGISTRY = "the registry"
#: Words of engines (docker 20.10 to 28, podman 4 and 5, containerd 1.6 to 2.1, in small letters),
#: what they mean with the last line of it, and the way out: what no second try changes.
_LASTING: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (
        heard("no space left on device", "disk quota exceeded"),
        "the engine's disk is full: {last}",
        "make room there (`docker system df` or `podman system df` shows what it has)",
        "this machine",
    ),
    (
        heard("permission denied while trying to connect", "connect: permission denied"),
        "this user may not speak to the engine: {last}",
        "become a member of its group, or use an engine without root (--engine podman)",
        "this machine",
    ),
    (
        heard("toomanyrequests", "too many requests", "pull rate limit"),
        "the registry counts pulls, and gives no more for now: {last}",
        "log in to it with the engine, or wait for the time that it names",
        _REGISTRY,
    ),
    (
        heard("no matching manifest", "no image found in manifest list", "no match for platform"),
        "the image is not for this machine's processor: {last}",
        "`headrace image find` says which platforms it is for",
        _REGISTRY,
    ),
    (
        heard("manifest unknown", "not found: manifest", "name unknown", "name_unknown"),
        "the registry has no such image any more: {last}",
        "ask again: the tag may have moved meanwhile",
        _REGISTRY,
    ),
    (
        heard("unauthorized", "access denied", "denied:", "authentication required"),
        "the registry does not let this engine in: {last}",
        "log in to it with the engine (`docker login`, `podman login`)",
        _REGISTRY,
    ),
)
#: Seconds between one try and the next, while nothing comes; then it is given up.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
#: Tries in all, however much comes with each.
_MOST = 40


def lasting(said: str, last: str) -> HeadraceError | None:
    """Return what a pull ended with for good, as an error that quotes the `last` line of what was
    said; None: another try may do it.
    """
    words = said.lower()
    for marks, what, way_out, whose in _LASTING:
        if any(mark in words for mark in marks):
            told = what.format(last=last)
            return LocalError("pull-failed", told, hint=way_out, fault_of=whose)
    return None


@dataclass(slots=True)
class PullPatience:
    """How often it is tried again: for as long as something comes, and some times without."""

    tries: int = 0
    _without: int = 0
    _most: int = -1
    """Bytes that had come at best."""

    def after(self, came: int) -> float | None:
        """Return how many seconds to wait after a try, with so many bytes here by now; None: it is
        given up.
        """
        self.tries += 1
        if came > self._most:
            self._without = 0
        self._most = max(self._most, came)
        if self._without >= len(_PAUSES) or self.tries >= _MOST:
            return None
        pause = _PAUSES[self._without]
        self._without += 1
        return pause
